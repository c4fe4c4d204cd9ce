"""A snapshot becomes a store again, on either engine, in a place that is empty.

The snapshot's own file is left alone: a copy of it is migrated, settled (nobody holds a lease, a session or a job of
the store that was) and only then put in place, in one step. A restore that is killed leaves no store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import URL, Engine, func, inspect, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db import files, schema
from db.clock import now
from db.connections import connect_engine, normalize_url
from db.engine import Database
from db.errors import Conflict, StoreError
from db.records import NewFile, Original
from db.snapshot import seal
from db.sql import chunks
from db.tables import Base, ClaimRow, InvitationRow, JobRow, SampleRow, SessionRow, WebhookDeliveryRow
from db.transfer import copy_rows

WORKING = "restoring.db"


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What was ended because the store that it belonged to is gone, and what goes on.

    Attributes:
        leases: claims released: the images are asked again.
        sessions: people who have to log in again.
        invitations: one-time links that no longer work.
        jobs: of work that was under way; it is taken up again. The backup that made the snapshot is not one of them.
        deliveries: webhook messages that still go out, under their old ids.
    """

    leases: int
    sessions: int
    invitations: int
    jobs: int
    deliveries: int


def require_empty(url: str | None, home: Path) -> None:
    """Refuse an address at which there is something already.

    Raises:
        InvalidInput: if the URL cannot be used.
        Conflict: if the SQLite file exists, or the PostgreSQL database has rows or tables of somebody else's.
        StoreError: if the database cannot be reached.
    """
    address = normalize_url(url, home)
    if address.get_backend_name() == "sqlite":
        if Path(str(address.database)).exists():
            raise Conflict(f"expected no database yet, got {address.database}; restore into a new folder")
        return
    engine = connect_engine(address, pooled=False)
    try:
        _require_no_rows(engine)
    except DBAPIError as error:
        shown = address.render_as_string(hide_password=True)
        raise StoreError(f"expected a database at {shown}, got: {error.orig}; create an empty one first") from error
    finally:
        engine.dispose()


def _require_no_rows(engine: Engine) -> None:
    tables = set(inspect(engine).get_table_names()) - {"alembic_version"}
    if strange := sorted(tables - set(Base.metadata.tables)):
        raise Conflict(f"expected an empty database, got the table {strange[0]!r}; create a new one for Borderline")
    with engine.connect() as connection:
        for name in sorted(tables):
            if connection.execute(select(1).select_from(Base.metadata.tables[name]).limit(1)).first() is not None:
                raise Conflict(f"expected an empty database, got rows in {name!r}; create a new one for Borderline")


def working_copy(url: str | None, home: Path) -> Path:
    """Return where the copy of a snapshot has to lie that `settle` and `place` change: on the disk of the store.

    What a killed attempt left there is removed: SQLite would take its log for that of the new copy.
    """
    address = normalize_url(url, home)
    copy = home / "run" / WORKING
    if address.get_backend_name() == "sqlite":
        copy = Path(str(address.database)).with_name(WORKING)
    for ending in ("", "-wal", "-shm", "-journal"):
        Path(f"{copy}{ending}").unlink(missing_ok=True)
    return copy


def settle(copy: Path, home: Path, reason: str, originals: Iterable[tuple[Original, NewFile]] = ()) -> Settled:
    """Bring a working copy to this version's schema and end what the store that was had under way.

    Args:
        copy: The working copy; changed.
        home: The folder that the store will belong to.
        reason: What the jobs that ran are said to have ended by.
        originals: Images that lay outside of the old home, and the files below the new one that hold them now.

    Raises:
        SchemaTooNew: if a newer Borderline wrote it.
    """
    with _open(copy, home) as database:
        for part in chunks(list(originals)):
            database.write(partial(_take_in, part=part))
        return database.write(lambda session: _settle(session, reason))


def _open(path: Path, home: Path) -> Database:
    (home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(URL.create("sqlite", database=str(path)), home)
    schema.prepare(database.engine, home, migrate=True)
    return database


def _take_in(session: Session, part: Sequence[tuple[Original, NewFile]]) -> None:
    for project_id in {original.project_id for original, _ in part}:
        mine = [(original, file) for original, file in part if original.project_id == project_id]
        ids = files.register(session, project_id, "original", [file for _, file in mine])
        for original, file in mine:
            found = update(SampleRow).where(SampleRow.id == original.sample_id)
            session.execute(found.values(original_file_id=ids[file.path], source_path=None))


def _settle(session: Session, reason: str) -> Settled:
    at = now(session)
    of_itself = JobRow.state == "running", JobRow.kind == "backup"
    session.execute(update(JobRow).where(*of_itself).values(state="done", ended_at=at))
    waiting = select(func.count()).select_from(WebhookDeliveryRow).where(WebhookDeliveryRow.state == "pending")
    job = {"state": "failed", "error": reason, "ended_at": at}
    open_links = InvitationRow.used_at.is_(None), InvitationRow.expires_at > at
    changes = {
        "leases": update(ClaimRow).where(ClaimRow.state == "leased").values(state="released").returning(ClaimRow.id),
        "sessions": update(SessionRow)
        .where(SessionRow.revoked_at.is_(None))
        .values(revoked_at=at)
        .returning(SessionRow.id),
        "invitations": update(InvitationRow).where(*open_links).values(expires_at=at).returning(InvitationRow.id),
        "jobs": update(JobRow).where(JobRow.state == "running").values(job).returning(JobRow.id),
    }
    counts = {name: len(session.execute(change).all()) for name, change in changes.items()}
    return Settled(**counts, deliveries=int(session.scalars(waiting).one()))


def place(copy: Path, url: str | None, home: Path) -> None:
    """Put a settled working copy in place: renamed where SQLite is wanted, else copied in one transaction.

    Raises:
        Conflict: if somebody put a store there in the meantime.
        StoreError: if the database cannot be reached, or a value cannot be stored on PostgreSQL.
    """
    require_empty(url, home)
    address = normalize_url(url, home)
    seal(copy)
    copy.chmod(0o600)
    if address.get_backend_name() == "sqlite":
        copy.rename(str(address.database))
        seal(Path(str(address.database)))
        return
    source = connect_engine(URL.create("sqlite", database=str(copy)), pooled=False)
    with Database.open(url, home=home) as target:
        options = {"readonly": True}
        with source.connect().execution_options(**options) as reading, target.engine.begin() as writing:
            copy_rows(reading, writing)
    source.dispose()
    copy.unlink()
