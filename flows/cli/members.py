"""``borderline project members``: who works on a project, with which role; pause and exclude people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli.console import as_json, say, store, table
from flows.cli.options import Json, Name

if TYPE_CHECKING:
    from db.records import Member
    from flows.store import Store

Action = Literal["list", "add", "role", "activate", "pause", "exclude", "remove"]
RoleName = Literal["viewer", "annotator", "reviewer", "administrator"]
STATES = {"activate": "active", "pause": "paused", "exclude": "excluded"}


def register_members(group: typer.Typer) -> None:
    """Add the command."""
    group.command("members")(members_command)


def members_command(
    name: Name,
    action: Annotated[Action, typer.Argument(help="What to do.")] = "list",
    person: Annotated[str, typer.Argument(help="Whom.")] = "",
    role: Annotated[RoleName, typer.Option(help="With add and role.")] = "annotator",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """List the people of a project, give them roles, pause or exclude them.

    Excluding somebody withdraws their answers in this project: labels are made anew without them, history stays.

    Examples:
      borderline project members birds add ana --role reviewer

      borderline project members birds exclude bob
    """
    from db import members, projects

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        if action != "list":
            _change(opened, project.id, action, person, role, yes)
        people = members.members(opened.database, opened.actor, project.id)
    if json:
        say(as_json(people))
        return
    rows = [(entry.user.name, entry.role.name, entry.state) for entry in people]
    table(f"Members of {project.name}", ("person", "role", "state"), rows)


def _change(opened: Store, project_id: int, action: Action, person: str, role: RoleName, yes: bool) -> None:
    from db import members
    from db.records import Role

    where = opened.database, opened.actor, project_id
    if action in ("add", "role"):
        members.add(*where, person, Role[role])
        return
    found = _named(members.members(*where), person)
    if action == "remove":
        members.remove(*where, found.user.id)
        return
    if action == "exclude" and not yes:
        typer.confirm(f"Exclude {person!r} and withdraw all their answers here? They do not come back.", abort=True)
    members.set_state(*where, found.user.id, STATES[action])


def _named(people: list[Member], name: str) -> Member:
    from flows.errors import UsageError

    for entry in people:
        if entry.user.name == name:
            return entry
    known = ", ".join(entry.user.name for entry in people)
    raise UsageError(f"expected a member of the project ({known}), got {name!r}")
