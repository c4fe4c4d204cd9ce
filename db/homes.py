"""Which database a home folder belongs to: upgrades were reported as losses where only the address had changed.

The home folder keeps the first project's id and time of creation. They come back with every backup, so a restored
database is known again; an empty or foreign one is refused before anything is written to it.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.engine import Database
from db.errors import WrongDatabase
from db.schema import current_revision
from db.tables import LabelTableRow, ProjectRow

MARK = "database.json"
COUNTED_AT_MOST = 1_000_000  # counting a hundred million rows would hold up every start


@dataclass(frozen=True)
class Seen:
    """What a service finds when it starts: said in its log, so that a wrong address is seen at once.

    Attributes:
        address: The database, without its password.
        revision: Of its schema.
        projects: How many there are, deleted ones too.
        labels: How many there are, counted up to a million.
    """

    address: str
    revision: str
    projects: int
    labels: int

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        labels = f"over {COUNTED_AT_MOST}" if self.labels > COUNTED_AT_MOST else str(self.labels)
        return f"connected to {self.address} (schema {self.revision}): {self.projects} projects, {labels} labels"


def recognize(database: Database) -> Seen:
    """Make sure that the database is the one this home belongs to, and return what is in it.

    The first project that is seen is remembered in the home folder; from then on it has to be there.

    Raises:
        WrongDatabase: The project that this home remembers is not in this database, or is another one there.
    """
    projects, labels = database.read(_counts)
    seen = Seen(database.url, current_revision(database.engine) or "none", projects, labels)
    path = database.home / MARK
    if not path.exists():
        first = database.read(_first)
        if first is not None:
            _remember(path, {"project_id": first[0], "created_at": first[1]})
        return seen
    if not database.read(lambda session: _is_here(session, path)):
        raise WrongDatabase(
            f"expected the database that {database.home} belongs to, got another one: {seen.sentence}; do: check "
            f"BORDERLINE_DATABASE_URL and BORDERLINE_HOME, or remove {path} if this database is to take its place"
        )
    return seen


def _counts(session: Session) -> tuple[int, int]:
    some = select(LabelTableRow.id).limit(COUNTED_AT_MOST + 1).subquery()
    projects = session.scalars(select(func.count()).select_from(ProjectRow)).one()
    return projects, session.scalars(select(func.count()).select_from(some)).one()


def _first(session: Session) -> tuple[int, int] | None:
    found = session.execute(select(ProjectRow.id, ProjectRow.created_at).order_by(ProjectRow.id).limit(1)).one_or_none()
    return None if found is None else (found[0], found[1])


def _is_here(session: Session, path: Path) -> bool:
    try:
        mark = json.loads(path.read_text(encoding="utf-8"))
        wanted = int(mark["project_id"]), int(mark["created_at"])
    except (ValueError, KeyError, TypeError) as error:
        raise WrongDatabase(f"expected {path} to name a project, got something else; do: remove the file") from error
    statement = select(ProjectRow.id).where(ProjectRow.id == wanted[0], ProjectRow.created_at == wanted[1])
    return session.execute(statement).one_or_none() is not None


def _remember(path: Path, mark: dict[str, int]) -> None:
    """Write the mark as a whole: several services start together, in containers that share this folder."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fresh.write_text(json.dumps(mark), encoding="utf-8")
    fresh.replace(path)
