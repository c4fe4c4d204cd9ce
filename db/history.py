"""What came of each round: labels gained, and how good its model is by today's knowledge."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.access import authorize
from db.claims import MARKED_WRONG
from db.engine import Database
from db.holdout import holdout_accuracy
from db.records import Actor, Holdout, Role, Round, RoundSummary
from db.tables import LabelTableRow, ModelVersionRow, QueryRow, RoundModelRow, RoundRow


def history(database: Database, actor: Actor, project_id: int) -> list[RoundSummary]:
    """Return the project's rounds, oldest first.

    Raises:
        PermissionDenied: below viewer in the project.
    """

    def work(session: Session) -> list[RoundSummary]:
        authorize(session, actor, project_id, Role.viewer)
        return summaries(session, project_id)

    return database.read(work)


def summaries(session: Session, project_id: int) -> list[RoundSummary]:
    """Summarize inside of a transaction."""
    gained = _gained(session, project_id)
    accuracy = holdout_accuracy(session, project_id)
    statement = (
        select(RoundRow, ModelVersionRow)
        .outerjoin(RoundModelRow, RoundModelRow.round_id == RoundRow.id)
        .outerjoin(ModelVersionRow, ModelVersionRow.id == RoundModelRow.model_version_id)
        .where(RoundRow.project_id == project_id)
        .order_by(RoundRow.number)
    )
    return [
        _summary(turn, model, gained.get(turn.id, 0), accuracy.get(model.id) if model else None)
        for turn, model in session.execute(statement).tuples()
    ]


def _summary(turn: RoundRow, model: ModelVersionRow | None, gained: int, holdout: Holdout | None) -> RoundSummary:
    metrics = model.metrics if model is not None else {}
    test = metrics.get("test_accuracy")
    return RoundSummary(
        round_id=turn.id,
        number=turn.number,
        state=turn.state,
        strategy=turn.strategy,
        k=turn.k,
        labels_before=turn.labels_before,
        labels_gained=gained,
        model_version_id=model.id if model is not None else None,
        labels_used=model.labels_used if model is not None else None,
        synthetic_used=model.synthetic_used if model is not None else None,
        metrics=metrics,
        test_accuracy=float(test) if isinstance(test, int | float) else None,
        holdout=holdout,
        diagnostics=turn.diagnostics,
        begun_at=turn.begun_at,
        opened_at=turn.opened_at,
        closed_at=turn.closed_at,
    )


def _gained(session: Session, project_id: int) -> dict[int, int]:
    statement = (
        select(QueryRow.round_id, func.count(QueryRow.id))
        .join(LabelTableRow, LabelTableRow.sample_id == QueryRow.sample_id)
        .where(QueryRow.project_id == project_id, QueryRow.kind == "learn", QueryRow.state == "closed")
        .where(~MARKED_WRONG)
        .group_by(QueryRow.round_id)
    )
    return dict(session.execute(statement).tuples().all())


def read_round(session: Session, turn: RoundRow) -> Round:
    """Make the record of a round's row."""
    model = session.get(RoundModelRow, turn.id)
    return Round(
        id=turn.id,
        project_id=turn.project_id,
        number=turn.number,
        state=turn.state,
        k=turn.k,
        strategy=turn.strategy,
        attempt=turn.attempt,
        labels_before=turn.labels_before,
        model_version_id=model.model_version_id if model else None,
        begun_at=turn.begun_at,
        opened_at=turn.opened_at,
        closed_at=turn.closed_at,
    )
