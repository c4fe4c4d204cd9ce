"""People with accounts, for tests of the store."""

from __future__ import annotations

from sqlalchemy import text

from db import invitations
from db.engine import Database
from db.records import Actor, Role

PASSWORD = "a long enough sentence"


def join(database: Database, ada: Actor, name: str, role: Role = Role.annotator, **more: object) -> Actor:
    """Invite somebody and let them join."""
    made = invitations.invite(database, ada, role, **more)
    return invitations.accept(database, made.token, name, PASSWORD)


def run(database: Database, statement: str) -> None:
    """Change the store past all of our own code."""
    database.write(lambda session: session.execute(text(statement)))
