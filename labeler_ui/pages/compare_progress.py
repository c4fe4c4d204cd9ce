"""Where a comparison stands: a card that looks again by itself while it runs, with stop and go on."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence

import streamlit as st

from db import access, commands, comparisons
from db.errors import StoreError
from db.records import Comparison, ComparisonRun, Role
from labeler_ui import compare_words as words
from labeler_ui.pages import compare_data
from labeler_ui.pages.said import attempt
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit, still_here

REFRESH_SECONDS = 3


def card(here: Visit, comparison: Comparison) -> None:
    """Draw one comparison's card; only that of a running one looks again by itself."""
    every = REFRESH_SECONDS if comparison.state == "running" else None
    st.fragment(_card, run_every=every)(here, comparison)


def _card(here: Visit, drawn: Comparison) -> None:
    """Draw the card as things stand now; when a running one ends, the whole page is drawn anew."""
    if not still_here(here):
        return
    try:
        now = comparisons.get(here.database, here.actor, drawn.id)
        runs = compare_data.runs(here, now)
    except StoreError:
        st.warning("This comparison was deleted, or you may no longer see it.")
        return
    if now.state != drawn.state:
        st.rerun()
    if now.state == "done" and not any(run.state == "failed" for run in runs):
        st.caption(f"{words.ICONS[now.state]} **{plain(now.name)}** · {plain(words.state_words(now))}")
        return
    with st.container(border=True):
        left, right = st.columns([5, 1], vertical_alignment="center")
        left.markdown(f"{words.ICONS[now.state]} **{plain(now.name)}**")
        left.caption(plain(words.state_words(now)))
        with right:
            _button(here, now)
        if now.state == "running":
            _running(now, runs)
        elif now.note and now.state != "done":
            st.warning(plain(now.note), icon=words.ICONS[now.state])
        for sentence in words.failures(runs):
            st.warning(plain(sentence), icon=":material/error:")
        _newer(now, drawn)
        _runs(now, runs)


def _running(now: Comparison, runs: Sequence[ComparisonRun]) -> None:
    share = min(1.0, now.points_done / max(1, now.points_wanted))
    left = words.time_left(now.points_done, now.points_wanted, *_watched(now))
    text = f"{now.points_done:,} of {now.points_wanted:,} models" + (f", {left}" if left else "")
    st.progress(share, text=text)
    told = [part for part in (words.at_work(runs), now.note) if part]
    if told:
        st.caption(plain(" · ".join(told)))


def _watched(now: Comparison) -> tuple[int, float]:
    """Return how many points there were when this page first saw it running, and how many seconds ago that was."""
    key = f"compare-watched-{now.id}"
    first: tuple[int, float] = st.session_state.setdefault(key, (now.points_done, time.monotonic()))
    return first[0], time.monotonic() - first[1]


def _newer(now: Comparison, drawn: Comparison) -> None:
    """Results never move under a reader's eyes: newer ones are offered."""
    more = now.points_done - drawn.points_done
    if more > 0 and now.state == "running":
        label = "Show 1 newer result" if more == 1 else f"Show {more:,} newer results"
        if st.button(label, icon=":material/refresh:", key=f"newer-{now.id}"):
            st.rerun()


def _runs(now: Comparison, runs: Sequence[ComparisonRun]) -> None:
    with st.expander(f"Runs: {len(runs):,}"):
        st.dataframe(words.run_table(runs, now.points_wanted), hide_index=True, width="stretch")


def _button(here: Visit, now: Comparison) -> None:
    """Draw stop or go on for those who may; the store checks again."""
    if not _administrates(here, now) or now.state == "done":
        return
    if now.state == "running":
        about = "It stops at its next step. What is done stays, and it can go on later."
        asked = st.button("Stop", key=f"stop-{now.id}", help=about, icon=":material/stop_circle:", width="stretch")
        if asked and attempt(lambda: comparisons.request_stop(here.database, here.actor, now.id), "It stops soon."):
            st.rerun()
        return
    about = "It takes up where it stopped."
    if st.button("Go on", key=f"go-on-{now.id}", help=about, icon=":material/play_arrow:", width="stretch"):
        _go_on(here, now)


def _go_on(here: Visit, now: Comparison) -> None:
    key = f"compare-{now.id}-{uuid.uuid4().hex}"
    wish = {"comparison_id": now.id}
    post = commands.post
    if attempt(
        lambda: post(here.database, here.actor, now.project_id, "compare", wish, key), "It goes on in a moment."
    ):
        st.rerun()


def _administrates(here: Visit, now: Comparison) -> bool:
    try:
        return access.role_in(here.database, here.actor, now.project_id) >= Role.administrator
    except StoreError:
        return False
