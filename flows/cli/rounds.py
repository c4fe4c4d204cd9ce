"""``borderline round``, ``retrain`` and ``status``: one turn of the loop by hand, and where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli.console import as_json, say, store, system_store, table
from flows.cli.options import Devices, Json, Name, Nodes, given

if TYPE_CHECKING:
    from db.records import Progress


def register_rounds(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("round", rich_help_panel="Run it")(round_command)
    app.command("retrain", rich_help_panel="Run it")(retrain_command)
    app.command("training-host", rich_help_panel="Run it")(training_host)
    app.command("status", rich_help_panel="Run it")(status)


def round_command(
    name: Name,
    runner: Annotated[
        Literal["local", "ray"] | None, typer.Option(help="Rank in this process, or on a Ray cluster.")
    ] = None,
    actors: Annotated[int | None, typer.Option(help="Ray actors that rank; 0: one a GPU or core.", min=0)] = None,
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster; without it Ray starts here.")] = None,
    devices: Devices = None,
    nodes: Nodes = None,
    json: Json = False,
) -> None:
    """Run one round now: retrain on today's labels, rank the pool, put the next queries on the page.

    `borderline up` does this by itself whenever a round's answers are in. Running it again while a round waits for
    answers changes nothing; after a crash it goes on where it stopped.
    """
    from db import projects
    from flows.report import terminal_reporter
    from flows.rounds import run_round

    asked = given(devices=devices, nodes=nodes, runner=runner, ray_actors=actors, ray_address=address)
    with system_store(**asked) as opened, terminal_reporter(silent=json) as bar:
        project = projects.get_project(opened.database, opened.actor, name)
        outcome = run_round(opened, project.id, bar)
    say(as_json(outcome) if json else outcome.sentence)


def retrain_command(name: Name, devices: Devices = None, nodes: Nodes = None, json: Json = False) -> None:
    """Train on today's labels; the project's rule decides whether the new model becomes the one in use.

    By default it does unless it is worse on the validation images: borderline project edit NAME --promote ...
    """
    from db import projects
    from flows.jobs import working
    from flows.report import terminal_reporter
    from flows.retrain import retrain_project

    with system_store(**given(devices=devices, nodes=nodes)) as opened, terminal_reporter(silent=json) as bar:
        project = projects.get_project(opened.database, opened.actor, name)
        with working(opened, project.id, "retrain", bar) as job:
            outcome = retrain_project(opened, project.id, job)
    say(as_json(outcome) if json else outcome.sentence)


def training_host() -> None:
    """Train along with another host that has the same BORDERLINE_HOME, whenever it trains on several (--nodes)."""
    from flows.settings import Settings
    from flows.training_host import train_along

    say("waiting for trainings of several hosts; Ctrl-C stops")
    train_along(Settings())


def status(name: Name, json: Json = False) -> None:
    """Show rounds, labels, accuracy, what is running now, and whether more labels are worth it."""
    import dataclasses

    import numpy as np

    from db import progress, projects, stopping
    from pipeline.statistics import advice_sentences, advise

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        report = progress.progress(opened.database, opened.actor, project.id)
        facts = stopping.facts(opened.database, opened.actor, project.id)
    advice = advise(facts, np.random.default_rng(facts.seed))
    if json:
        say(as_json({**dataclasses.asdict(report), "advice": advice}))
        return
    show(name, report)
    if facts.points or facts.budget is not None:
        say(" ".join(advice_sentences(advice, facts.source)))


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
