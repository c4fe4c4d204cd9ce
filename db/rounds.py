"""Rounds: what is due, begin one, ask its queries, and what came of each. Every step can be run twice."""

from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from db.access import authorize
from db.clock import now
from db.completion import close_round, is_complete
from db.engine import Database
from db.errors import Conflict, NotFound
from db.history import history, read_round
from db.pool import askable, count, count_labels
from db.queue import enqueue
from db.records import Actor, DueRound, Finished, Role, Round
from db.tables import ClaimRow, ModelVersionRow, ProjectRow, QueryRow, RoundModelRow, RoundRow, SampleRow

__all__ = ["begin_round", "due", "enqueue", "get_round", "history", "set_model"]


def due(database: Database) -> list[DueRound]:
    """Return every active project whose next round should run now, with why.

    'first': there are images and no round yet. 'unfinished': a round was begun and its queries are not out.
    'complete': the latest round's answers are in, or new images came after everything had been asked. Nothing is due
    once the project has as many labels as its budget; a round that was begun goes on.
    """

    def work(session: Session) -> list[DueRound]:
        live = select(ProjectRow.id).where(
            ProjectRow.deleted_at.is_(None), ProjectRow.state == "active", ProjectRow.kind == "labeling"
        )
        found = (_due(session, project_id) for project_id in session.scalars(live.order_by(ProjectRow.id)).all())
        return [entry for entry in found if entry is not None]

    return database.read(work)


def _due(session: Session, project_id: int) -> DueRound | None:
    turn = _latest(session, project_id)
    if turn is not None and turn.state == "preparing":
        return DueRound(project_id=project_id, number=turn.number, reason="unfinished", attempt=turn.attempt)
    if turn is not None and turn.state == "open":
        if not is_complete(session, turn) or _must_wait(session, project_id):
            return None
    elif not _any_askable(session, project_id):
        return None
    if _budget_used(session, session.get_one(ProjectRow, project_id)):
        return None
    number, reason = (1, "first") if turn is None else (turn.number + 1, "complete")
    return DueRound(project_id=project_id, number=number, reason=reason, attempt=0)


def begin_round(database: Database, actor: Actor, project_id: int) -> Round | Finished:
    """Return the round to work on: the one that is unfinished, or the next one when the latest is complete.

    An 'open' round in return means that its queries are out and people are still at it: there is nothing to do. A
    complete one is closed in the same transaction that begins the next. `Finished` (false in a condition) means that
    every image of the pool and the holdout was asked; the project is finished until new ones come. With a `budget` it
    means that so many labels are there: nothing changes, and rounds go on once the budget is raised.

    Raises:
        PermissionDenied: below administrator in the project.
        Conflict: if the project has no images yet.
    """

    def work(session: Session) -> Round | Finished:
        authorize(session, actor, project_id, Role.administrator)
        statement = select(ProjectRow).where(ProjectRow.id == project_id).with_for_update(key_share=True)
        project = session.scalars(statement.execution_options(populate_existing=True)).one()
        turn = _latest(session, project_id)
        if turn is not None and turn.state == "preparing":
            turn.attempt += 1
            session.flush()
            return read_round(session, turn)
        is_open = turn is not None and turn.state == "open"
        if turn is not None and is_open and (not is_complete(session, turn) or _must_wait(session, project_id)):
            return read_round(session, turn)
        if _budget_used(session, project):
            labels = count_labels(session, project_id)
            return Finished(project_id=project_id, labels=labels, budget=project.label_budget)
        if turn is not None and is_open:
            close_round(session, turn, actor.user_id)
        return _next(session, project, turn.number + 1 if turn else 1)

    return database.write(work, idempotent=True)


def _next(session: Session, project: ProjectRow, number: int) -> Round | Finished:
    counts = count(session, project.id)
    if counts.pool == 0:
        raise Conflict(f"expected images in the pool of {project.name!r}, got none; add some with `borderline ingest`")
    if not _any_askable(session, project.id):
        project.state = "finished"
        return Finished(project_id=project.id, labels=counts.labels)
    turn = RoundRow(
        project_id=project.id,
        number=number,
        state="preparing",
        k=0,
        strategy=project.strategy,
        attempt=1,
        labels_before=counts.labeled_pool,
        diagnostics={},
        begun_at=now(session),
    )
    session.add(turn)
    session.flush()
    return read_round(session, turn)


def get_round(database: Database, round_id: int) -> Round:
    """Return a round.

    Raises:
        NotFound: if there is none of that id.
    """

    def work(session: Session) -> Round:
        turn = session.get(RoundRow, round_id)
        if turn is None:
            raise NotFound(f"expected a round, got the id {round_id} of none; see the project's history")
        return read_round(session, turn)

    return database.read(work)


def set_model(database: Database, actor: Actor, round_id: int, model_version_id: int) -> None:
    """Note which model version ranks the round.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if the round, or a model version of its project, does not exist.
    """

    def work(session: Session) -> None:
        turn = session.get(RoundRow, round_id)
        version = session.get(ModelVersionRow, model_version_id)
        authorize(session, actor, turn.project_id if turn else None, Role.administrator)
        if turn is None or version is None or version.project_id != turn.project_id:
            raise NotFound(f"expected a round and a model of one project, got {round_id} and {model_version_id}")
        row = session.get(RoundModelRow, round_id)
        if row is None:
            session.add(RoundModelRow(round_id=round_id, model_version_id=model_version_id))
        else:
            row.model_version_id = model_version_id

    database.write(work, idempotent=True)


def _latest(session: Session, project_id: int) -> RoundRow | None:
    statement = select(RoundRow).where(RoundRow.project_id == project_id).order_by(RoundRow.number.desc()).limit(1)
    return session.scalars(statement).one_or_none()


def _budget_used(session: Session, project: ProjectRow) -> bool:
    return project.label_budget is not None and count_labels(session, project.id) >= project.label_budget


def _any_askable(session: Session, project_id: int) -> bool:
    """Whether a round would have something to ask that nobody holds already."""
    held = _held(session).where(QueryRow.sample_id == SampleRow.id).exists()
    for split in ("pool", "holdout"):
        free = select(SampleRow.id).where(*askable(project_id, split), ~held).limit(1)
        if session.scalars(free).first() is not None:
            return True
    return False


def _must_wait(session: Session, project_id: int) -> bool:
    """Whether all that is left of the pool is in somebody's hands: another round would have nothing to ask."""
    if _any_askable(session, project_id):
        return False
    return session.scalars(_held(session).where(QueryRow.project_id == project_id).limit(1)).first() is not None


def _held(session: Session) -> Select[tuple[int]]:
    live = ClaimRow.state == "leased", ClaimRow.expires_at > now(session)
    claimed = select(QueryRow.id).join(ClaimRow, ClaimRow.query_id == QueryRow.id)
    return claimed.where(QueryRow.state == "open", *live)
