"""``borderline user ...``: who may log in and with which role, for the person who has the home folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli.console import as_json, say, store, table
from flows.cli.projects import Json

if TYPE_CHECKING:
    from db.records import NewInvitation, User
    from flows.store import Store

RoleName = Literal["viewer", "annotator", "reviewer", "administrator"]
RoleOrNone = Literal["viewer", "annotator", "reviewer", "administrator", "none"]
Who = Annotated[str, typer.Argument(help="Name of the user.")]
Project = Annotated[str | None, typer.Option("--project", help="Only in this project; by default in all.")]


def register_users(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="Invite people, change their roles, disable them.", no_args_is_help=True)
    app.add_typer(group, name="user", rich_help_panel="Set up")
    group.command("list")(list_all)
    group.command("invite")(invite)
    group.command("password")(password)
    group.command("role")(role)
    group.command("disable")(disable)
    group.command("enable")(enable)


def list_all(json: Json = False) -> None:
    """List the people with their roles, how they log in, and their live sessions."""
    from db import accounts

    with store() as opened:
        found = accounts.list_accounts(opened.database, opened.actor)
    if json:
        say(as_json(found))
        return
    rows = [
        (
            account.user.name,
            account.user.role.name if account.user.role else "none",
            ", ".join(f"{project}: {role.name}" for project, role, _ in account.memberships),
            "password" if account.has_password else "provider" if account.has_identity else "nothing yet",
            account.sessions,
            "active" if account.user.active else "disabled",
        )
        for account in found
    ]
    table("People", ("name", "role", "in projects", "logs in with", "sessions", "state"), rows)


def invite(
    role: Annotated[RoleName, typer.Option(help="What they may do.")] = "annotator",
    name: Annotated[
        str | None, typer.Option(help="Their name; with a login provider their e-mail address. Default: they choose.")
    ] = None,
    project: Project = None,
) -> None:
    """Print a link that works once, for seven days: whoever opens it makes an account with this role.

    Example: borderline user invite --role reviewer --project birds
    """
    from db import invitations, projects
    from db.records import Role
    from flows.errors import UsageError

    with store() as opened:
        if opened.settings.accounts == "oidc" and not name:
            raise UsageError("expected the e-mail address that the provider verifies, got none; do: --name ADDRESS")
        where = projects.get_project(opened.database, opened.actor, project).id if project else None
        made = invitations.invite(opened.database, opened.actor, Role[role], project_id=where, name=name)
        if opened.settings.accounts == "oidc":
            say(f"{name} is {role} from the first login on.")
        else:
            say(_link(opened, made))


def password(name: Who) -> None:
    """Print a link by which a user chooses a new password; it works once, for seven days."""
    from db import invitations

    with store() as opened:
        made = invitations.new_password(opened.database, opened.actor, _find(opened, name).id)
        say(_link(opened, made))


def role(
    name: Who,
    new: Annotated[RoleOrNone, typer.Argument(help="What they may do from now on.")],
    project: Project = None,
) -> None:
    """Change a user's role, everywhere or in one project.

    Example: borderline user role grace reviewer --project birds
    """
    from db import access, projects
    from db.records import Role
    from flows.errors import UsageError

    with store() as opened:
        user = _find(opened, name)
        if project is None:
            access.set_role(opened.database, opened.actor, user.id, None if new == "none" else Role[new])
        elif new == "none":
            raise UsageError("expected a role in the project, got none; do: exclude the member on the Project page")
        else:
            where = projects.get_project(opened.database, opened.actor, project)
            access.add_member(opened.database, opened.actor, where.id, user.id, Role[new])
    say(f"{name} is {new} {f'in {project}' if project else 'in all projects'}.")


def disable(name: Who) -> None:
    """Keep a user out: their sessions end at once, what they answered stays."""
    _set_active(name, False)


def enable(name: Who) -> None:
    """Let a user in again."""
    _set_active(name, True)


def _set_active(name: str, active: bool) -> None:
    from db import access

    with store() as opened:
        access.set_active(opened.database, opened.actor, _find(opened, name).id, active)
    say(f"{name} is {'active' if active else 'disabled'}.")


def _find(opened: Store, name: str) -> User:
    """Return the user of that name.

    Raises:
        UsageError: There is none.
    """
    from db import access
    from flows.errors import UsageError

    people = {user.name: user for user in access.users(opened.database, opened.actor) if user.kind == "person"}
    if name not in people:
        raise UsageError(f"expected a user, got {name!r}, which is none; do: borderline user list")
    return people[name]


def _link(opened: Store, made: NewInvitation) -> str:
    settings = opened.settings
    return f"{(settings.public_url or settings.page_address).rstrip('/')}/join?token={made.token}"
