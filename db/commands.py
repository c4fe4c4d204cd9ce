"""Wishes of the page: written here, carried out by the reconcile flow, so that the page never does heavy work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db import inputs
from db.access import authorize
from db.clock import now
from db.engine import Database
from db.errors import Conflict, InvalidInput
from db.records import Actor, Command, Role
from db.tables import CommandRow


def post(
    database: Database, actor: Actor, project_id: int | None, kind: str, payload: Mapping[str, Any], key: str
) -> Command:
    """Leave a wish; the same key again returns the one that is stored.

    Raises:
        PermissionDenied: below administrator in the project (or, without one, at all).
        Conflict: if the key was used for another wish.
    """
    kind, key, kept = (
        inputs.name(kind, "a command's kind"),
        inputs.name(key, "a command's key"),
        inputs.plain(payload, "a payload"),
    )

    def work(session: Session) -> Command:
        authorize(session, actor, project_id, Role.administrator)
        row = session.scalars(select(CommandRow).where(CommandRow.key == key)).one_or_none()
        if row is None:
            row = CommandRow(project_id=project_id, kind=kind, payload=kept, key=key, state="pending", message="")
            row.created_by, row.created_at = actor.user_id, now(session)
            session.add(row)
            session.flush()
        if (row.project_id, row.kind, row.payload) != (project_id, kind, kept):
            raise Conflict(f"expected the same wish under the key {key!r}, got another; choose a new key")
        return _command(row)

    return database.write(work, idempotent=True)


def pending(database: Database, limit: int = 100) -> list[Command]:
    """Return wishes that nobody carried out yet, oldest first."""
    statement = select(CommandRow).where(CommandRow.state == "pending").order_by(CommandRow.id).limit(limit)
    return database.read(lambda session: [_command(row) for row in session.scalars(statement)])


def recent(database: Database, actor: Actor, project_id: int | None, limit: int = 10) -> list[Command]:
    """Return the last wishes of a project (None: of no project), newest first, with what became of them.

    Raises:
        PermissionDenied: below viewer in the project.
    """

    def work(session: Session) -> list[Command]:
        authorize(session, actor, project_id, Role.viewer)
        mine = select(CommandRow).where(CommandRow.project_id == project_id).order_by(CommandRow.id.desc())
        return [_command(row) for row in session.scalars(mine.limit(limit))]

    return database.read(work)


def finish(database: Database, command_id: int, state: str = "done", message: str = "") -> bool:
    """Note that a wish was carried out ('done') or cannot be ('failed'); False if that was noted before."""
    if state not in ("done", "failed"):
        raise InvalidInput(f"expected 'done' or 'failed', got {state!r}; name one of them")
    shown = message.replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode()[:20_000]

    def work(session: Session) -> bool:
        still = CommandRow.id == command_id, CommandRow.state == "pending"
        values = {"state": state, "message": shown, "finished_at": now(session)}
        ended = update(CommandRow).where(*still).values(values).returning(CommandRow.id)
        return session.scalars(ended).one_or_none() is not None

    return database.write(work, idempotent=True)


def _command(row: CommandRow) -> Command:
    return Command(
        id=row.id,
        project_id=row.project_id,
        kind=row.kind,
        payload=row.payload,
        key=row.key,
        state=row.state,
        message=row.message,
        created_by=row.created_by,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
