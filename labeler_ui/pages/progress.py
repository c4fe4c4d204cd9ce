"""The Progress page: how good the model is by now, what is being done, and what comes next."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from db.errors import NotFound
from db.progress import progress
from db.records import Job, Measured, Progress, RoundSummary
from labeler_ui import words
from labeler_ui.charts import Point, accuracy_chart, accuracy_points
from labeler_ui.pages import progress_models
from labeler_ui.pages.project_schedule import next_training
from labeler_ui.pages.said import show_done
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit, still_here
from pipeline.statistics import worst_first

REFRESH_SECONDS = 3
BALANCED = "The mean over the classes of the share that is found of each: a rare class counts as much as a common one."
CALIBRATION = (
    "How far the model's confidence is from how often it is right, on average. With few images it looks larger."
)
STATES = {"preparing": "being prepared", "open": "being labeled", "closed": "done"}


def show(here: Visit | None) -> None:
    """Draw the Progress page of one project."""
    if here is not None:
        show_done()
        _refreshing(here)
        progress_models.show(here)


@st.fragment(run_every=REFRESH_SECONDS)
def _refreshing(here: Visit) -> None:
    if not still_here(here):
        return
    try:
        now = progress(here.database, here.actor, here.project.id)
    except NotFound:
        st.warning("This project was deleted. Its labels are kept; choose another project.")
        return
    points = accuracy_points(now.rounds, now.counts)
    st.title(plain(now.project.name), anchor=False)
    st.caption(_settings_line(now))
    if now.counts.pool + now.counts.holdout + now.counts.test == 0:
        _no_images(now)
        return
    _what_now(now)
    next_training(here)
    _figures(now, points)
    _curve(now, points)
    _classes(now)
    _rounds(now.rounds)
    _images(now)


def _settings_line(now: Progress) -> str:
    project = now.project
    paused = {"paused": " · paused", "finished": " · finished"}.get(project.state, "")
    asks = f"{project.batch_size} images a round"
    return f"{len(project.classes)} classes · {plain(project.model)} · {plain(project.strategy)} · {asks}{paused}"


def _no_images(now: Progress) -> None:
    st.write("This project has no images yet. Add a folder, an array file or a data set by name:")
    st.code(words.ingest_command(now.project.name), language="bash")
    _error(now)


def _what_now(now: Progress) -> None:
    """One card: the work that is going on, or whose turn it is."""
    with st.container(border=True, height="stretch"):
        if now.job is not None:
            _job(now.job)
        else:
            _turn(now)
        _error(now)


def _job(job: Job) -> None:
    seconds = max(0, round(time.time() - job.started_at / 1000))
    st.markdown(f":material/model_training: **{plain(words.job_words(job))}**")
    share = min(1.0, job.done / job.total) if job.total else 0.0
    st.progress(share, text=plain(job.message) or "Working")
    again = f", attempt {job.attempt}" if job.attempt > 1 else ""
    st.caption(f"Running for {words.duration(max(1, seconds) * 1000)}{again}.")


def _turn(now: Progress) -> None:
    turn = words.answered_round(now)
    if now.project.state == "paused":
        st.markdown(":material/pause_circle: **Paused.** Nothing new is asked until the project is started again.")
    elif now.project.state == "finished":
        st.markdown(":material/check_circle: **All done.** Every image has its label.")
    elif now.budget_used:
        st.markdown(f":material/savings: **{plain(words.budget_words(now))}**")
    elif turn is None:
        st.markdown(":material/hourglass_empty: **The first round has not started.** It starts by itself here:")
        st.code("borderline up", language="bash")
    elif turn.labels_gained < turn.k and turn.state == "open":
        st.markdown(f":material/edit: **Round {turn.number} is being labeled**")
        st.progress(min(1.0, turn.labels_gained / turn.k), text=f"{turn.labels_gained} of {turn.k} answers")
    else:
        st.markdown(f":material/hourglass_top: **Round {turn.number} is complete.** The next one starts by itself.")


def _error(now: Progress) -> None:
    if now.last_error:
        st.warning(f"The last step did not finish: {plain(now.last_error)}", icon=":material/error:")


def _figures(now: Progress, points: Sequence[Point]) -> None:
    row = st.container(horizontal=True)  # wraps on a phone
    row.metric("Labels", f"{now.counts.labels:,}", border=True, height="stretch")
    if points:
        newest = points[-1]
        gain = None if len(points) < 2 else f"{100 * (newest.accuracy - points[-2].accuracy):+.1f} points"
        row.metric("Accuracy", f"{newest.accuracy:.1%}", gain, border=True, height="stretch")
    else:
        row.metric("Accuracy", "–", border=True, height="stretch")
    _more_figures(row, _newest_measured(now.rounds))
    row.metric("Round", max((turn.number for turn in now.rounds), default=0), border=True, height="stretch")
    row.metric("Waiting for an answer", f"{now.counts.open:,}", border=True, height="stretch")


def _newest_measured(rounds: Sequence[RoundSummary]) -> Measured | None:
    found = [turn.measured for turn in sorted(rounds, key=lambda turn: turn.number) if turn.measured is not None]
    return found[-1] if found else None


def _more_figures(row: DeltaGenerator, found: Measured | None) -> None:
    if found is None or found.balanced_accuracy is None:
        return
    row.metric("Balanced accuracy", f"{found.balanced_accuracy:.1%}", border=True, height="stretch", help=BALANCED)
    if found.calibration_error is not None:
        error = f"{100 * found.calibration_error:.1f} points"
        row.metric("Calibration error", error, border=True, height="stretch", help=CALIBRATION)


def _classes(now: Progress) -> None:
    """Show how much of each class is found, the worst first."""
    found = _newest_measured(now.rounds)
    if found is None or not found.class_recall:
        return
    st.subheader("Classes", anchor=False)
    names = {entry.name: found.class_recall.get(entry.position) for entry in now.project.classes}
    rows = [{"Class": name, "Found": 100 * share} for name, share in worst_first(names)]
    bar = st.column_config.ProgressColumn("Found", format="%.0f %%", min_value=0, max_value=100)
    st.dataframe(rows, hide_index=True, width="stretch", column_config={"Found": bar})
    st.caption(f"The share of each class's {found.source} images that the newest model gets right, the worst first.")


def _curve(now: Progress, points: Sequence[Point]) -> None:
    st.subheader("Accuracy", anchor=False)
    if not points:
        st.caption(_why_no_accuracy(now))
        return
    newest = points[-1]
    where = "the test images" if newest.source == "test" else "the holdout, labeled by people and never trained on"
    st.caption(
        f"{newest.accuracy:.1%} ({newest.low:.1%} to {newest.high:.1%} with 95 % confidence) "
        f"on {where}, n = {newest.total:,}."
    )
    st.altair_chart(accuracy_chart(points), width="stretch")


def _why_no_accuracy(now: Progress) -> str:
    if now.has_test or now.counts.test:
        return "The curve starts when the first model has been trained."
    return (
        "The curve starts when the first model has been trained and some holdout images are labeled. "
        "They are mixed into each round."
    )


def _rounds(rounds: Sequence[RoundSummary]) -> None:
    if not rounds:
        return
    st.subheader("Rounds", anchor=False)
    newest_first = sorted(rounds, key=lambda turn: turn.number, reverse=True)
    st.dataframe([_row(turn) for turn in newest_first], hide_index=True, width="stretch")
    made = words.made_for_rare_classes(rounds)
    if made:
        st.caption("Images generated for classes with few labels, as the newest round found:")
        st.caption("\n".join(f"- {plain(sentence)}" for sentence in made))


def _row(turn: RoundSummary) -> dict[str, str | int]:
    accuracy = turn.test_accuracy
    if accuracy is None and turn.holdout is not None and turn.holdout.total:
        accuracy = turn.holdout.correct / turn.holdout.total
    return {
        "Round": turn.number,
        "State": STATES.get(turn.state, turn.state),
        "Strategy": str(turn.diagnostics.get("strategy", turn.strategy)),
        "Labels before": turn.labels_before,
        "Gained": f"{turn.labels_gained} of {turn.k}",
        "Accuracy": _percent(accuracy),
        "Balanced accuracy": _percent(None if turn.measured is None else turn.measured.balanced_accuracy),
        "Calibration error": _percent(None if turn.measured is None else turn.measured.calibration_error),
    }


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _images(now: Progress) -> None:
    counts = now.counts
    parts = [
        f"{counts.pool:,} to choose from ({counts.labeled_pool:,} labeled)",
        f"{counts.holdout:,} holdout ({counts.labeled_holdout:,} labeled)" if counts.holdout else "",
        f"{counts.validation:,} validation" if counts.validation else "",
        f"{counts.test:,} test" if counts.test else "",
        f"{counts.set_aside:,} set aside" if counts.set_aside else "",
    ]
    st.caption("Images: " + " · ".join(part for part in parts if part))
