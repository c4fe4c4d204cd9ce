"""Long work: one of a kind in a project at a time, alive while its heart beats, taken over when it does not."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from db import inputs
from db.access import authorize
from db.clock import now
from db.engine import Database
from db.errors import InvalidInput, NotFound
from db.records import Actor, Job, Role
from db.tables import JobRow, ProjectRow

_ENDS = ("done", "failed", "canceled")
TRAINS = ("round", "retrain", "augment")  # of these one runs in a project at a time
STALE_AFTER_MS = 60_000
SILENT = "It stopped without a word (killed, or the machine went down); it is taken up again."


def begin(
    database: Database,
    actor: Actor,
    project_id: int | None,
    kind: str,
    owner: str,
    stale_after_ms: int = STALE_AFTER_MS,
) -> Job | None:
    """Start a job, or return None while another of its kind is alive, or of another kind that trains, too.

    One whose heart has not beaten for `stale_after_ms` (by the database's clock) is marked as failed and taken over.
    The attempt grows until a job of the kind is done.

    Raises:
        PermissionDenied: below administrator.
    """
    kind, owner = inputs.name(kind, "a job's kind"), inputs.name(owner, "a job's owner")
    scope = "all" if project_id is None else f"project:{project_id}"

    def work(session: Session) -> Job | None:
        authorize(session, actor, project_id, Role.administrator)
        if project_id is not None:  # classes are merged under this lock, while nothing runs
            session.execute(select(ProjectRow.id).where(ProjectRow.id == project_id).with_for_update(key_share=True))
        statement = select(JobRow).where(JobRow.scope == scope, JobRow.kind == kind).order_by(JobRow.id.desc()).limit(1)
        last = session.scalars(statement.with_for_update(key_share=True)).one_or_none()
        at = now(session)
        if last is not None and last.state == "running":
            if last.heartbeat_at > at - stale_after_ms:
                return None
            last.state, last.error, last.ended_at = "failed", SILENT, at
            session.flush()
        if kind in TRAINS and _trains(session, scope, at - stale_after_ms):
            return None
        row = JobRow(project_id=project_id, scope=scope, kind=kind, owner=owner, state="running", done=0, total=0)
        row.message = row.error = ""
        row.attempt = last.attempt + 1 if last is not None and last.state != "done" else 1
        row.started_by, row.started_at, row.heartbeat_at = actor.user_id, at, at
        session.add(row)
        session.flush()
        return _job(row)

    return database.write(work, idempotent=False)


def _trains(session: Session, scope: str, since: int) -> bool:
    alive = JobRow.scope == scope, JobRow.state == "running", JobRow.heartbeat_at > since
    return session.scalars(select(JobRow.id).where(*alive, JobRow.kind.in_(TRAINS)).limit(1)).first() is not None


def heartbeat(database: Database, job: Job, done: int = 0, total: int = 0, message: str = "") -> bool:
    """Say that the job lives and how far it is; False means stop: it was canceled or taken over."""
    shown = inputs.file_name(message)[:1000]

    def work(session: Session) -> bool:
        values = {"heartbeat_at": now(session), "done": int(done), "total": int(total), "message": shown}
        statement = update(JobRow).where(*_alive(job)).values(values).returning(JobRow.cancel_requested_at)
        found = session.execute(statement).one_or_none()
        return found is not None and found[0] is None

    return database.write(work, idempotent=True)


def finish(database: Database, job: Job, state: str, error: str = "") -> bool:
    """End a job as 'done', 'failed' or 'canceled'; False if it was taken over before."""
    if state not in _ENDS:
        raise InvalidInput(f"expected an end of {', '.join(_ENDS)}, got {state!r}; name one of them")
    shown = error.replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode()[:20_000]

    def work(session: Session) -> bool:
        at = now(session)
        values = {"state": state, "error": shown, "ended_at": at, "heartbeat_at": at}
        statement = update(JobRow).where(*_alive(job)).values(values).returning(JobRow.id)
        return session.scalars(statement).one_or_none() is not None

    return database.write(work, idempotent=True)


def _alive(job: Job) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return JobRow.id == job.id, JobRow.state == "running"


def running(database: Database, project_id: int | None = None) -> list[Job]:
    """Return jobs that run, of a project or (None) of all; see `heartbeat_at` for whether they live."""
    mine = [JobRow.state == "running"] + ([JobRow.project_id == project_id] if project_id is not None else [])
    return database.read(
        lambda session: [_job(row) for row in session.scalars(select(JobRow).where(*mine).order_by(JobRow.id))]
    )


def end_silent(database: Database, stale_after_ms: int = STALE_AFTER_MS) -> int:
    """End jobs whose heart stopped, on whatever host they ran, so that their work is taken up again; returns how many.

    A process that lives after all (its machine slept) hears of it at its next heartbeat, and stops.
    """

    def silent(session: Session) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return JobRow.state == "running", JobRow.heartbeat_at <= now(session) - stale_after_ms

    def work(session: Session) -> int:
        ended = {"state": "failed", "error": SILENT, "ended_at": now(session)}
        gone = update(JobRow).where(*silent(session)).values(ended).returning(JobRow.id)
        return len(session.scalars(gone).all())

    any_silent = database.read(lambda session: session.scalars(select(JobRow.id).where(*silent(session))).first())
    return 0 if any_silent is None else database.write(work, idempotent=True)


def shown(database: Database, actor: Actor, project_id: int) -> tuple[list[Job], Job | None]:
    """Return the jobs that run in a project, and its newest round's job, for a page.

    Raises:
        PermissionDenied: below viewer in the project.
        NotFound: if there is no such project.
    """

    def work(session: Session) -> tuple[list[Job], Job | None]:
        authorize(session, actor, project_id, Role.viewer)
        mine = JobRow.state == "running", JobRow.project_id == project_id
        rows = session.scalars(select(JobRow).where(*mine).order_by(JobRow.id))
        return [_job(row) for row in rows], latest_of(session, project_id, "round")

    return database.read(work)


def alive_in(session: Session, project_id: int) -> str | None:
    """Return the kind of a job of the project whose heart beats, inside of a transaction; None if all is quiet."""
    beats = JobRow.heartbeat_at > now(session) - STALE_AFTER_MS
    mine = JobRow.project_id == project_id, JobRow.state == "running", beats
    return session.scalars(select(JobRow.kind).where(*mine).order_by(JobRow.id).limit(1)).one_or_none()


def latest(database: Database, project_id: int | None, kind: str | None = None) -> Job | None:
    """Return the newest job of a project (None: of those that belong to no project), of a kind or of any."""
    return database.read(lambda session: latest_of(session, project_id, kind))


def latest_of(session: Session, project_id: int | None, kind: str | None = None) -> Job | None:
    """Return the newest job, inside of a transaction."""
    scope = "all" if project_id is None else f"project:{project_id}"
    mine = [JobRow.scope == scope] + ([JobRow.kind == kind] if kind is not None else [])
    row = session.scalars(select(JobRow).where(*mine).order_by(JobRow.id.desc()).limit(1)).one_or_none()
    return _job(row) if row is not None else None


def request_cancel(database: Database, actor: Actor, job_id: int) -> bool:
    """Ask a running job to stop at its next heartbeat; False if it has ended.

    Raises:
        PermissionDenied: below administrator in its project.
        NotFound: if there is no such job.
    """

    def work(session: Session) -> bool:
        row = session.get(JobRow, job_id)
        authorize(session, actor, row.project_id if row else None, Role.administrator)
        if row is None:
            raise NotFound(f"expected a job, got the id {job_id} of none; see what is running")
        asked = (
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.state == "running")
            .values(cancel_requested_at=now(session))
        )
        return session.scalars(asked.returning(JobRow.id)).one_or_none() is not None

    return database.write(work, idempotent=True)


def _job(row: JobRow) -> Job:
    return Job(
        id=row.id,
        project_id=row.project_id,
        kind=row.kind,
        owner=row.owner,
        state=row.state,
        attempt=row.attempt,
        done=row.done,
        total=row.total,
        message=row.message,
        error=row.error,
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        ended_at=row.ended_at,
        cancel_requested=row.cancel_requested_at is not None,
    )
