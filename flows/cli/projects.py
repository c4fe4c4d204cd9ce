"""``borderline project ...``: list, pause and delete labeling projects; the settings are in `project_settings`."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.classes import register_classes
from flows.cli.console import as_json, say, store, table
from flows.cli.members import register_members
from flows.cli.options import ColdStart, Json, Name
from flows.cli.project_settings import create, edit

__all__ = ["ColdStart", "Json", "Name", "register_projects"]


def register_projects(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="Make, list, change, pause and delete projects.", no_args_is_help=True)
    app.add_typer(group, name="project", rich_help_panel="Set up")
    group.command("create")(create)
    group.command("edit")(edit)
    group.command("list")(list_all)
    group.command("pause")(pause)
    group.command("resume")(resume)
    group.command("delete")(delete)
    group.command("delete-sample")(delete_sample)
    register_classes(group)
    register_members(group)


def list_all(json: Json = False) -> None:
    """List the projects with what is labeled so far."""
    from db import projects, samples

    with store() as opened:
        found = projects.list_projects(opened.database, opened.actor)
        counts = {project.id: samples.counts(opened.database, project.id) for project in found}
    if json:
        say(as_json([{"project": project, "counts": counts[project.id]} for project in found]))
    elif not found:
        say("No projects yet. Do: borderline project create NAME --classes a,b,c  (or: borderline demo)")
    else:
        rows = [
            (project.name, project.state, len(project.classes), counts[project.id].pool, counts[project.id].labels,
             project.model, project.strategy)
            for project in found
        ]  # fmt: skip
        table("Projects", ("name", "state", "classes", "pool", "labels", "model", "strategy"), rows)


def pause(name: Name) -> None:
    """Stop starting rounds and handing out images; what people hold already can still be answered."""
    _set_paused(name, True)


def resume(name: Name) -> None:
    """Start rounds again."""
    _set_paused(name, False)


def _set_paused(name: str, paused: bool) -> None:
    from db import projects

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        projects.set_paused(opened.database, opened.actor, project.id, paused)
    say(f"Project {name!r} is {'paused' if paused else 'active'}.")


def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a project: it disappears and its name is free; labels and their history stay in SQL."""
    from db import projects

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        if not yes:
            typer.confirm(f"Delete project {name!r}? Its labels stay in the database's history.", abort=True)
        projects.delete_project(opened.database, opened.actor, project.id)
    say(f"Project {name!r} is deleted.")


def delete_sample(
    name: Name,
    sample_ids: Annotated[list[int], typer.Argument(help="Ids of the images to delete.")],
) -> None:
    """Delete images from a project: never asked, shown, trained on or exported again; their history stays."""
    from db import projects, samples

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        for sample_id in sample_ids:
            samples.delete_sample(opened.database, opened.actor, project.id, sample_id)
    say(f"{len(sample_ids)} image{'s' if len(sample_ids) != 1 else ''} deleted from {name!r}.")
