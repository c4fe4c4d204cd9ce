"""``borderline gold ...``: checks with a known answer, mixed in unseen to tell how well annotators do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.console import as_json, say, store, table
from flows.cli.options import Json, Name

if TYPE_CHECKING:
    from db.records import Gold, Project

Samples = Annotated[list[int], typer.Argument(help="Ids of images, as `borderline export` names them.", min=1)]


def register_gold(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="Checks with a known answer, mixed in unseen: how well do annotators do?")
    app.add_typer(group, name="gold", rich_help_panel="Set up", no_args_is_help=True)
    group.command("mark")(mark)
    group.command("list")(list_gold)
    group.command("retire")(retire)


def mark(
    name: Name,
    samples: Annotated[list[int] | None, typer.Argument(help="Ids of images, all of the class given.")] = None,
    class_name: Annotated[str | None, typer.Option("--class", help="What these images show.")] = None,
    known: Annotated[
        int | None, typer.Option(help="Instead: how many to draw from the images with an imported label.", min=1)
    ] = None,
    json: Json = False,
) -> None:
    """Make images checks: asked now and then among the others, about one in 20 (the project's gold share).

    Everybody gets each check once. Whoever answered an image before never gets it as a check: they would be asked what
    they said already. So images that nobody has labeled yet, but whose class is known, make the best ones; --known
    draws them at random, spread over the classes.

    Examples:
      borderline gold mark birds --known 50

      borderline gold mark birds 17 203 --class robin
    """
    from db import gold, gold_draw, projects

    chosen = _chosen(samples, class_name, known)
    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        where = opened.database, opened.actor, project.id
        if known is not None:
            made = gold_draw.draw(*where, known)
        else:
            class_id = _class_id(project, class_name or "")
            made = [gold.mark(*where, sample_id, class_id) for sample_id in chosen]
    if json:
        say(as_json(made))
        return
    fewer = f" No more than these have an imported label, of {known:,} wanted." if known and len(made) < known else ""
    say(f"{len(made):,} {'check' if len(made) == 1 else 'checks'} made.{fewer}")
    if project.gold_share == 0:
        say(f"None is asked yet: the gold share of {project.name} is 0; see `borderline project edit --help`.")


def list_gold(name: Name, json: Json = False) -> None:
    """List the checks in use, newest first."""
    from db import gold, projects

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        found = gold.listed(opened.database, opened.actor, project.id)
    if json:
        say(as_json(found))
        return
    _show(project, found)


def retire(name: Name, samples: Samples) -> None:
    """Use images as checks no longer; the answers they got stay in the records."""
    from db import gold, projects

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        for sample_id in samples:
            gold.retire(opened.database, opened.actor, project.id, sample_id)
    say(f"{len(samples):,} {'check is' if len(samples) == 1 else 'checks are'} used no longer.")


def _chosen(samples: list[int] | None, class_name: str | None, known: int | None) -> list[int]:
    from flows.errors import UsageError

    if known is not None and (samples or class_name):
        raise UsageError("expected either --known or images with --class, got both; do: leave one of them out")
    if known is None and not (samples and class_name):
        raise UsageError("expected SAMPLE... with --class NAME, or --known N, got neither; do: borderline gold --help")
    return samples or []


def _class_id(project: Project, name: str) -> int:
    from flows.errors import UsageError

    for entry in project.classes:
        if entry.name == name:
            return entry.id
    raise UsageError(f"expected a class out of {', '.join(project.class_names)}, got {name!r}")


def _show(project: Project, found: list[Gold]) -> None:
    names = {entry.id: entry.name for entry in project.classes}
    rows = [(entry.sample_id, names.get(entry.class_id, "a class that is gone")) for entry in found]
    table(f"Checks of {project.name}", ("image", "class"), rows)
