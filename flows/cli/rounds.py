"""``borderline round``, ``retrain`` and ``status``: one turn of the loop by hand, and where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli.console import as_json, say, store, system_store, table
from flows.cli.projects import Json, Name

if TYPE_CHECKING:
    from db.records import Progress


def register_rounds(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("round", rich_help_panel="Run it")(round_command)
    app.command("retrain", rich_help_panel="Run it")(retrain_command)
    app.command("status", rich_help_panel="Run it")(status)


def round_command(
    name: Name,
    runner: Annotated[
        Literal["local", "ray"] | None, typer.Option(help="Rank in this process, or on a Ray cluster.")
    ] = None,
    actors: Annotated[int | None, typer.Option(help="Ray actors that rank; 0: one a GPU or core.", min=0)] = None,
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster; without it Ray starts here.")] = None,
    json: Json = False,
) -> None:
    """Run one round now: retrain on today's labels, rank the pool, put the next queries on the page.

    `borderline up` does this by itself whenever a round's answers are in. Running it again while a round waits for
    answers changes nothing; after a crash it goes on where it stopped.
    """
    from dataclasses import replace

    from db import projects
    from flows.cli.options import given
    from flows.report import terminal_reporter
    from flows.rounds import run_round

    with system_store() as opened, terminal_reporter(silent=json) as bar:
        project = projects.get_project(opened.database, opened.actor, name)
        wanted = given(runner=runner, ray_actors=actors, ray_address=address)
        ranked = replace(opened, settings=opened.settings.model_copy(update=wanted))
        outcome = run_round(ranked, project.id, bar)
    say(as_json(outcome) if json else outcome.sentence)


def retrain_command(name: Name, json: Json = False) -> None:
    """Train on today's labels; the new model becomes current if it is not worse on the validation images."""
    from db import projects
    from flows.jobs import working
    from flows.report import terminal_reporter
    from flows.retrain import retrain_project

    with system_store() as opened, terminal_reporter(silent=json) as bar:
        project = projects.get_project(opened.database, opened.actor, name)
        with working(opened, project.id, "retrain", bar) as job:
            outcome = retrain_project(opened, project.id, job)
    say(as_json(outcome) if json else outcome.sentence)


def status(name: Name, json: Json = False) -> None:
    """Show rounds, labels, accuracy and what is running now."""
    from db import progress, projects

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        report = progress.progress(opened.database, opened.actor, project.id)
    if json:
        say(as_json(report))
        return
    show(name, report)


def show(name: str, report: Progress) -> None:
    """Print the report for a person."""
    from flows.words import accuracy_words, balanced_words, calibration_words, job_words, recall_words

    counts = report.counts
    images = counts.pool + counts.holdout
    say(f"{name}: {counts.labels:,} labels of {images:,} images, {counts.open} queries open")
    rows = [
        (
            item.number,
            item.state,
            item.diagnostics.get("strategy", ""),
            item.labels_before,
            item.labels_gained,
            accuracy_words(item),
            balanced_words(item),
            calibration_words(item),
        )
        for item in report.rounds
    ]
    if rows:
        columns = ("round", "state", "strategy", "labels before", "gained", "accuracy", "balanced", "calibration error")
        table("Rounds", columns, rows)
    measured = [item.measured for item in report.rounds if item.measured is not None]
    if measured and (worst := recall_words(report.project, measured[-1].class_recall)):
        say(f"Found of each class, the worst first: {worst}")
    say(job_words(report))
