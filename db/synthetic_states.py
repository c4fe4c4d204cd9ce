"""How synthetic samples change state, inside of a transaction: each change leaves an event that never changes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from db.clock import now
from db.tables import GateDecisionRow, SyntheticEventRow, SyntheticSampleRow

HAND_WEIGHT = 0.5  # of what a person accepts and the gate did not: half of a real image


def decide(
    session: Session,
    event: SyntheticEventRow,
    *where: ColumnElement[bool],
) -> SyntheticEventRow:
    """Give images the event's verdict, and keep the event.

    Args:
        session: of the transaction.
        event: all of it but `changed` and `created_at`, which are filled in.
        where: which of the images of the event's version and class; all of them by default.
    """
    mine = (
        SyntheticSampleRow.generator_version_id == event.generator_version_id,
        SyntheticSampleRow.class_id == event.class_id,
        *where,
    )
    other = select(func.count()).where(*mine, SyntheticSampleRow.state != event.verdict)
    event.changed, event.created_at = session.scalars(other).one(), now(session)
    values = {
        "state": event.verdict,
        "weight": event.weight,
        "decided_by": event.decided_by,
        "decided_by_user": event.user_id,
        "decided_at": event.created_at,
    }
    session.execute(update(SyntheticSampleRow).where(*mine).values(values))
    session.add(event)
    session.flush()
    return event


def gate_said(session: Session, version_id: int, class_id: int) -> GateDecisionRow | None:
    """Return the gate's decision on the images of a class by a version, None before there is one."""
    mine = GateDecisionRow.generator_version_id == version_id, GateDecisionRow.class_id == class_id
    return session.scalars(select(GateDecisionRow).where(*mine)).one_or_none()


def is_against(decision: GateDecisionRow | None, verdict: str) -> bool:
    """Whether a person decides otherwise than the gate did."""
    return decision is not None and (decision.verdict == "accepted") != (verdict == "accepted")


def forget_class(session: Session, project_id: int, class_id: int, class_name: str, actor_id: int) -> None:
    """Reject all images of a class that is removed."""
    for version_id in _versions(session, class_id):
        event = SyntheticEventRow(
            project_id=project_id,
            generator_version_id=version_id,
            class_id=class_id,
            verdict="rejected",
            decided_by="class removed",
            user_id=actor_id,
            against_gate=False,
            weight=0.0,
            sample_ids=None,
            note=f"the class {class_name} was removed",
            request_id=None,
        )
        decide(session, event)


def _versions(session: Session, class_id: int) -> Sequence[int]:
    mine = select(SyntheticSampleRow.generator_version_id).where(SyntheticSampleRow.class_id == class_id)
    return session.scalars(mine.distinct().order_by(SyntheticSampleRow.generator_version_id)).all()
