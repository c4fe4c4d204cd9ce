"""Rounds: what runs and what is next; start, retry, cancel, pause. A wish is a row that the flows carry out."""

from __future__ import annotations

import uuid

import streamlit as st

from db import commands, jobs, projects
from db.errors import NotFound
from db.progress import progress
from db.records import Command, Job, Progress
from labeler_ui import words
from labeler_ui.pages.said import attempt
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit, still_here

REFRESH_SECONDS = 3
KINDS = {"round": "Start a round", "retrain": "Train a model", "ingest": "Read images"}
STATES = {"pending": "waiting", "done": "done", "failed": "failed"}
ICONS = {"pending": ":material/hourglass_empty:", "done": ":material/check:", "failed": ":material/error:"}


@st.fragment(run_every=REFRESH_SECONDS)
def show(here: Visit) -> None:
    """Draw what is going on, with the buttons that change it."""
    if not still_here(here):
        return
    try:
        now = progress(here.database, here.actor, here.project.id)
    except NotFound:
        st.warning("This project was deleted.")
        return
    running, latest = jobs.shown(here.database, here.actor, here.project.id)
    for job in running:
        _running(here, job)
    _state(here, now, latest, busy=bool(running))
    _wishes(commands.recent(here.database, here.actor, here.project.id, 8))
    _table(now)


def _running(here: Visit, job: Job) -> None:
    with st.container(border=True):
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.markdown(f":material/model_training: **{plain(words.job_words(job))}**")
        left.progress(min(1.0, job.done / job.total) if job.total else 0.0, text=plain(job.message) or "Working")
        asked = right.button(
            "Stopping ..." if job.cancel_requested else "Cancel",
            disabled=job.cancel_requested,
            key=f"cancel-{job.id}",
            width="stretch",
            help="It stops at its next step; what was saved is kept. A canceled round waits until it is started again.",
        )
        if asked and attempt(lambda: jobs.request_cancel(here.database, here.actor, job.id), "It stops soon."):
            st.rerun()


def _state(here: Visit, now: Progress, latest: Job | None, *, busy: bool) -> None:
    """One card: where the project is, and the two or three buttons that make sense now."""
    paused, stopped = now.project.state == "paused", latest is not None and latest.state in ("failed", "canceled")
    with st.container(border=True):
        st.write(_where(now, paused=paused))
        if latest is not None and latest.state == "failed":
            tries = f" ({latest.attempt} tries)" if latest.attempt > 1 else ""
            st.warning(f"The last round failed{tries}: {plain(latest.error)}", icon=":material/error:")
        elif latest is not None and latest.state == "canceled":
            st.info("The last round was canceled. It waits until somebody starts it again.")
        left, middle, right = st.columns(3)
        with left:
            _start(here, now, stopped=stopped, idle=not (busy or paused))
        with middle:
            _train(here, idle=not busy)
        with right:
            _pause(here, paused=paused)
        st.caption("Carried out by the flows that `borderline up` runs.")


def _start(here: Visit, now: Progress, *, stopped: bool, idle: bool) -> None:
    may = stopped or _may_start(now)
    why = None if may else "The next round starts by itself when this one's answers are in."
    if now.budget_used and not _unfinished(now):
        may, why = False, words.budget_words(now)
    label = "Try again" if stopped else "Start the round now"
    if st.button(label, type="primary", disabled=not (idle and may), help=why, key="start-round", width="stretch"):
        _wish(here, "round", "A round is on its way.")


def _train(here: Visit, *, idle: bool) -> None:
    about = "On today's labels; whether the new model takes over is decided by the rule in the settings."
    if st.button("Train a model now", disabled=not idle, help=about, key="start-retrain", width="stretch"):
        _wish(here, "retrain", "A training is on its way.")


def _pause(here: Visit, *, paused: bool) -> None:
    about = "A paused project hands out no images and starts no rounds."
    done = "The project goes on." if paused else "The project is paused."
    asked = st.button("Go on" if paused else "Pause", help=about, key="pause", width="stretch")
    if asked and attempt(lambda: projects.set_paused(here.database, here.actor, here.project.id, not paused), done):
        st.rerun()


def _may_start(now: Progress) -> bool:
    if not now.counts.pool:
        return False
    turn = words.answered_round(now)
    return turn is None or _unfinished(now) or turn.state == "closed" or turn.labels_gained >= turn.k


def _unfinished(now: Progress) -> bool:
    """Whether a round was begun and its queries are not out yet."""
    return any(entry.state == "preparing" for entry in now.rounds)


def _where(now: Progress, *, paused: bool) -> str:
    turn = words.answered_round(now)
    if not now.counts.pool:
        return "There are no images yet. Add some on the Images tab."
    if paused:
        return "**Paused.** No image is handed out and no round starts. Answers under way still count."
    if now.project.state == "finished":
        return "**Finished.** Every image was asked. New images start new rounds."
    if now.budget_used:
        return f"**{plain(words.budget_words(now))}** It is among the settings."
    if turn is None:
        return "**No round yet.** The first starts by itself, or now."
    return f"**Round {turn.number}**: {turn.labels_gained} of {turn.k} labels."


def _wish(here: Visit, kind: str, done: str) -> None:
    key = f"{kind}-{here.project.id}-{uuid.uuid4().hex}"
    if attempt(lambda: commands.post(here.database, here.actor, here.project.id, kind, {}, key), done):
        st.rerun()


def _wishes(recent: list[Command]) -> None:
    for command in recent:
        if command.kind in KINDS and (command.state != "done" or command.kind != "round"):
            first = next(iter(command.message.splitlines()), "")
            told = f": {plain(first)}" if first else ""
            st.caption(f"{ICONS[command.state]} {KINDS[command.kind]}, {STATES[command.state]}{told}")


def _table(now: Progress) -> None:
    rows = [
        {
            "Round": turn.number,
            "State": {"preparing": "being prepared", "open": "being labeled", "closed": "done"}[turn.state],
            "Strategy": str(turn.diagnostics.get("strategy", turn.strategy)),
            "Labels before": turn.labels_before,
            "Gained": f"{turn.labels_gained} of {turn.k}",
        }
        for turn in reversed(now.rounds)
    ]
    if rows:
        st.dataframe(rows, hide_index=True, width="stretch")
