"""Who can give a vote in a project: what the overlap is held against, and what an exclusion leaves over."""

from __future__ import annotations

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from db.tables import MembershipRow, UserRow

WORKERS = ("annotator", "reviewer", "administrator")


def who_may_answer(session: Session, project_id: int | None) -> set[int]:
    """Return the people who may answer in a project: active, at least annotators, neither paused nor excluded.

    Args:
        session: of the transaction.
        project_id: None for a project that is not there yet, where only roles for all projects count.
    """
    member = (MembershipRow.user_id == UserRow.id) & (MembershipRow.project_id == project_id)
    statement = (
        select(UserRow.id)
        .outerjoin(MembershipRow, member)
        .where(UserRow.disabled_at.is_(None), UserRow.kind == "person")
        .where(or_(MembershipRow.state.is_(None), MembershipRow.state == "active"))
        .where(or_(UserRow.role.in_(WORKERS), MembershipRow.role.in_(WORKERS)))
    )
    return set(session.scalars(statement))
