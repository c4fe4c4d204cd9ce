"""What the page says when there is no image to show: why, and what happens next, in a sentence or two."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from db.records import Job, Progress, RoundSummary, Waiting

JOB_WORDS = {
    "round": "The next images are being chosen",
    "active_learning_round": "The next images are being chosen",
    "retrain": "A new model is being trained",
    "ingest": "Images are being read in",
    "backup": "A backup is being made",
}


def job_words(job: Job) -> str:
    """Return what a job does, for people."""
    return JOB_WORDS.get(job.kind, job.kind.replace("_", " ").capitalize())


def answered_round(progress: Progress) -> RoundSummary | None:
    """Return the newest round whose queries were handed out."""
    ready = [turn for turn in progress.rounds if turn.state != "preparing"]
    return max(ready, key=lambda turn: turn.number, default=None)


def idle_state(progress: Progress, waiting: Waiting) -> dict[str, Any]:
    """Say why there is nothing to label now.

    Returns:
        `kind` (a word for the picture), `title`, `detail`; for work with a known length `done` and `total`; where one
        helps, the `command` to type next.
    """
    project = progress.project
    if progress.counts.pool + progress.counts.holdout == 0:
        state = _state("empty", "No images yet", "Add a folder, and its images appear here by themselves:")
        return {**state, "command": ingest_command(project.name)}
    if project.state == "paused":
        return _state("pause", "This project is paused", "All answers are saved. Labeling goes on when it is resumed.")
    if waiting.with_others:
        return _others(waiting)
    if progress.job is not None:
        return _working(progress, progress.job)
    if project.state == "finished" or progress.counts.set_aside + progress.counts.labels >= _to_label(progress):
        return _state("done", "All done", f"{progress.counts.labels:,} images have their label. Thank you!")
    if progress.budget_used:
        return _state("done", "That is enough for now", budget_words(progress))
    return _next_round(progress, waiting)


def _others(waiting: Waiting) -> dict[str, Any]:
    some = "1 image is" if waiting.with_others == 1 else f"{waiting.with_others} images are"
    free = "" if waiting.next_free_in_ms is None else f", free in {duration(waiting.next_free_in_ms)} at the latest"
    return _state("people", "Nothing for you right now", f"{some} with others{free}. This page looks again by itself.")


def _working(progress: Progress, job: Job) -> dict[str, Any]:
    number = max((turn.number for turn in progress.rounds), default=0) or 1
    title = job_words(job)
    detail = job.message or f"Round {number} is being prepared from {_labels(progress)}."
    return _state("model", title, _sentence(detail), job.done, job.total)


def _next_round(progress: Progress, waiting: Waiting) -> dict[str, Any]:
    if progress.last_error:
        detail = _sentence(progress.last_error)
        if "again" not in detail:  # what is tried again by itself says so
            detail += " An administrator can start it again on the Project page."
        return _state("model", "The last step did not finish", detail)
    if waiting.open:
        detail = "What is left in this round needs somebody else's answer. The next round comes by itself."
        return _state("people", "You have answered all you can", detail)
    number = max((turn.number for turn in progress.rounds), default=0)
    newest = next((turn for turn in progress.rounds if turn.number == number), None)
    following = number if newest is not None and newest.state == "preparing" else number + 1
    detail = f"Round {following} learns from {_labels(progress)}, then the next images appear here by themselves."
    return _state("model", "The next images are being chosen", detail)


def made_for_rare_classes(rounds: Sequence[RoundSummary]) -> list[str]:
    """Return what the newest round found about images that were generated for classes with few labels."""
    newest = max(rounds, key=lambda turn: turn.number, default=None)
    told = newest.diagnostics.get("synthetic", ()) if newest else ()
    return [str(sentence) for sentence in told]


def budget_words(progress: Progress) -> str:
    """Say that no round begins because the project has as many labels as it may."""
    budget = progress.project.label_budget or 0
    return f"The budget of {budget:,} labels is used: no further round begins until an administrator raises it."


def ingest_command(project_name: str) -> str:
    """Return what to type to add images.

    >>> ingest_command("garden birds")
    "borderline ingest 'garden birds' FOLDER"
    """
    return f"borderline ingest {shlex.quote(project_name)} FOLDER"


def duration(milliseconds: int) -> str:
    """Return a length of time as people say it, rounded up.

    >>> duration(900), duration(61_000), duration(180_000)
    ('1 s', '2 min', '3 min')
    """
    seconds = max(1, -(-milliseconds // 1000))
    return f"{seconds} s" if seconds < 60 else f"{-(-seconds // 60)} min"


def _labels(progress: Progress) -> str:
    count = progress.counts.labels
    return "1 label" if count == 1 else f"{count:,} labels"


def _to_label(progress: Progress) -> int:
    return progress.counts.pool + progress.counts.holdout


def _sentence(text: str) -> str:
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _state(kind: str, title: str, detail: str, done: int = 0, total: int = 0) -> dict[str, Any]:
    return {"kind": kind, "title": title, "detail": detail, "done": done, "total": total}
