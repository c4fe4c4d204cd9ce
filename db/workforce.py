"""Who can give a vote in a project: what the overlap is held against, and what an exclusion leaves over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from db import inputs
from db.errors import InvalidInput
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


def check_order(overlap: int, max_overlap: int | None) -> None:
    """Refuse votes at most that are fewer than the votes each image gets."""
    if max_overlap is not None and max_overlap < overlap:
        raise InvalidInput(f"expected max_overlap of at least the overlap, {overlap}, got {max_overlap}; raise it, too")


def check_people(session: Session, project_id: int | None, expected: int, values: Mapping[str, Any]) -> None:
    """Refuse more votes than there are people: nobody answers an image twice."""
    inputs.integer(expected, "people_expected", 0, 100_000)
    known = len(who_may_answer(session, project_id))
    most = max(1, known, expected)
    for field in ("overlap", "max_overlap"):
        if (values.get(field) or 0) > most:
            there = "1 person may answer here" if known == 1 else f"{known} people may answer here"
            raise InvalidInput(
                f"expected {field} of at most {most}, got {values[field]}, but {there}; add people first "
                "(in local mode a name counts once somebody picked it), or say how many people are expected"
            )
