"""``borderline augment``: images for classes with few labels, made by hand, and what the gate says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli.console import as_json, say, system_store, table
from flows.cli.options import Json, Name

if TYPE_CHECKING:
    from db.records import Project
    from flows.augment import AugmentOutcome
    from flows.augment_work import Judged


def register_augment(app: typer.Typer) -> None:
    """Add the command."""
    app.command("augment", rich_help_panel="Run it")(augment_command)


def augment_command(
    name: Name,
    kind: Annotated[
        Literal["gan", "translation"] | None,
        typer.Option(help="What makes the images; by default what the project says, else gan."),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Comma-separated names; by default all classes with few labels.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Training steps of the generator; fewer are quicker.", min=1)
    ] = None,
    json: Json = False,
) -> None:
    """Make images for classes with few labels now, and see what the gate says of them.

    Images that the gate accepts train in the next round; refused ones never do, with the reason told here. It needs 20
    labels of a class to learn from, and takes minutes on a GPU, hours on a CPU. Stopped, it goes on where it was when
    it is run again.

    Example: borderline augment birds --classes owl
    """
    from db import projects
    from flows.augment import augment_by_hand
    from flows.jobs import working
    from flows.report import terminal_reporter

    with system_store() as opened, terminal_reporter(silent=json) as bar:
        project = projects.get_project(opened.database, opened.actor, name)
        targets = None if classes is None else positions_of(project, classes)
        with working(opened, project.id, "augment", bar) as job:
            outcome = augment_by_hand(opened, project, job, kind=kind, targets=targets, steps=steps)
    if json:
        say(as_json(outcome))
        return
    show(outcome)


def positions_of(project: Project, classes: str) -> tuple[int, ...]:
    """Return the positions of classes by their names, comma-separated.

    Raises:
        UsageError: There is no such class.
    """
    from flows.errors import UsageError

    known = {entry.name: entry.position for entry in project.classes}
    names = [part.strip() for part in classes.split(",")]
    if unknown := [part for part in names if part not in known]:
        raise UsageError(
            f"expected classes out of {', '.join(known)}, got {unknown[0]!r}; do: --classes {next(iter(known))}"
        )
    return tuple(sorted({known[part] for part in names}))


def show(outcome: AugmentOutcome) -> None:
    """Print what the gate measured of each class, and what it says."""
    for judged in outcome.judged:
        rows = _figures(judged)
        if rows:
            table(
                f"{judged.name}: what the gate measured", ("figure", "images made", "real images", "bounds", ""), rows
            )
    for sentence in outcome.sentences:
        say(sentence)


def _figures(judged: Judged) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (
            check.name.replace("_", " "),
            _figure(check.value),
            "" if check.reference is None else _figure(check.reference),
            _bounds(check.low, check.high),
            "" if check.low is None and check.high is None else "passed" if check.passed else "failed",
        )
        for check in judged.decision.checks
    ]
    test = judged.decision.test
    if test is not None:
        gain = f"{100 * test.difference:+.1f} points, standard error {100 * test.standard_error:.1f}"
        rows.append(
            (f"recall, {test.seeds} pairs", f"{test.recall_with:.3f}", f"{test.recall_without:.3f} without", gain, "")
        )
    return rows


def _bounds(low: float | None, high: float | None) -> str:
    parts = [] if low is None else [f"at least {_figure(low)}"]
    parts += [] if high is None else [f"at most {_figure(high)}"]
    return ", ".join(parts)


def _figure(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.3g}"
