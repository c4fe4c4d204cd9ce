"""A project at a glance, in one read: for the Progress page and `borderline status`."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.access import authorize
from db.claims import offered
from db.clock import now
from db.completion import gained
from db.engine import Database
from db.history import summaries
from db.jobs import latest_of
from db.model_versions import current_of
from db.pool import count
from db.projects import load
from db.records import Actor, Progress, Role, Standing
from db.tables import ProjectRow, QueryRow, RoundRow, SampleRow

_NOBODY = 0


def standing(database: Database, actor: Actor, project_id: int) -> Standing:
    """Return how far the round is whose queries are out: what a page asks again and again while people label.

    Raises:
        PermissionDenied: below viewer in the project.
        NotFound: if there is no such project.
    """

    def work(session: Session) -> Standing:
        authorize(session, actor, project_id, Role.viewer)
        out = RoundRow.project_id == project_id, RoundRow.state != "preparing"
        turn = session.scalars(select(RoundRow).where(*out).order_by(RoundRow.number.desc()).limit(1)).one_or_none()
        if turn is None:
            return Standing(number=0, gained=0, k=0)
        return Standing(number=turn.number, gained=gained(session, turn.id), k=turn.k)

    return database.read(work)


def progress(database: Database, actor: Actor, project_id: int) -> Progress:
    """Return counts, rounds with their accuracy, the model in use, and what runs or failed last.

    Raises:
        PermissionDenied: below viewer in the project.
        NotFound: if there is no such project.
    """

    def work(session: Session) -> Progress:
        authorize(session, actor, project_id, Role.viewer)
        job = latest_of(session, project_id)
        asked = select(QueryRow).where(QueryRow.kind != "copy_check")
        free = offered(asked, _NOBODY, project_id, now(session)).with_only_columns(func.count(QueryRow.id))
        tested = SampleRow.project_id == project_id, SampleRow.split == "test", SampleRow.known_class_id.is_not(None)
        return Progress(
            project=load(session, session.get_one(ProjectRow, project_id)),
            counts=count(session, project_id),
            waiting=session.scalars(free).one(),
            has_test=session.scalars(select(SampleRow.id).where(*tested).limit(1)).first() is not None,
            rounds=tuple(summaries(session, project_id)),
            model=current_of(session, project_id),
            job=job if job is not None and job.state == "running" else None,
            last_error=job.error if job is not None and job.state == "failed" else "",
        )

    return database.read(work)
