"""Which images wait for a reviewer, derived from answers and events: there is no table that could be out of date.

An image waits if somebody flagged it; or if nobody is asked about it any more and its votes differ, or it has answers
and no label (a tie, or passed by everybody). A review that is newer than its newest answer ends the wait.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Label, Select, SQLColumnExpression, Subquery, and_, case, func, or_, select
from sqlalchemy.orm import Session

from db import inputs
from db.access import authorize
from db.engine import Database
from db.errors import InvalidInput
from db.labels import live_class
from db.records import Actor, ReviewItem, Role
from db.sql import chunks, integer_table
from db.tables import AnnotationEventRow, AnnotationRow, ClassRow, LabelTableRow, QueryRow, SampleRow
from db.votes import NO_VOTES

ASKS = ("learn", "holdout", "confirm")
Only = Literal["all", "disagreements", "flags"]
_ONLY = ("all", "disagreements", "flags")


def waiting(database: Database, actor: Actor, project_id: int, only: Only = "all") -> int:
    """Return how many images wait for a reviewer.

    Raises:
        PermissionDenied: below reviewer in the project.
        InvalidInput: for another filter.
    """

    def work(session: Session) -> int:
        authorize(session, actor, project_id, Role.reviewer)
        found = _waiting(session, project_id, only).subquery()
        return session.scalars(select(func.count()).select_from(found)).one()

    return database.read(work)


def next_items(
    database: Database, actor: Actor, project_id: int, limit: int = 20, only: Only = "all"
) -> list[ReviewItem]:
    """Return the images that wait, the highest vote entropy first, flags first where it is equal; without the votes.

    Raises:
        PermissionDenied: below reviewer in the project.
        InvalidInput: for another filter, or a limit outside of 1 to 1000.
    """
    inputs.integer(limit, "limit", 1, 1000)

    def work(session: Session) -> list[ReviewItem]:
        authorize(session, actor, project_id, Role.reviewer)
        rows = session.execute(_waiting(session, project_id, only)).all()
        entropy = _entropies(session, project_id, only)
        best = sorted(rows, key=lambda row: (-entropy[row.sample_id], -row.flags, row.sample_id))[:limit]
        return _items(session, best, entropy)

    return database.read(work)


def ties(database: Database, actor: Actor, project_id: int) -> NDArray[np.int64]:
    """Return the ids (N,) of images with all votes in, no majority, and no review yet.

    Raises:
        PermissionDenied: below reviewer in the project.
    """

    def work(session: Session) -> NDArray[np.int64]:
        authorize(session, actor, project_id, Role.reviewer)
        seen = _seen(session, project_id)
        reviewed = select(AnnotationEventRow.id).where(
            AnnotationEventRow.sample_id == seen.c.sample_id, AnnotationEventRow.kind == "review"
        )
        statement = _joined(seen, project_id).with_only_columns(seen.c.sample_id)
        undecided = seen.c.choices > 1, LabelTableRow.id.is_(None), ~_asked(seen), ~reviewed.exists()
        return integer_table(session, statement.where(*undecided).order_by(seen.c.sample_id), 1)[:, 0].copy()

    return database.read(work)


def _waiting(session: Session, project_id: int, only: Only) -> Select[Any]:
    if only not in _ONLY:
        raise InvalidInput(f"expected a filter of {', '.join(_ONLY)}, got {only!r:.40}; choose one of them")
    seen = _seen(session, project_id)
    differs = and_(~_asked(seen), seen.c.choices > 1)
    unlabeled = and_(~_asked(seen), seen.c.answers > 0, LabelTableRow.id.is_(None))
    wanted = {"all": or_(seen.c.flags > 0, differs, unlabeled), "disagreements": differs, "flags": seen.c.flags > 0}
    review, answer = _newest(seen, "review"), _newest(seen, "answer")
    return _joined(seen, project_id).where(wanted[only], or_(review.is_(None), review < answer))


def _seen(session: Session, project_id: int) -> Subquery:
    """What people said of each sample: flags, answers, votes, and how many different classes; gold is no vote.

    What people said of an adversarial copy says nothing of the image, not even a flag.
    """
    counts = QueryRow.kind.not_in(NO_VOTES)
    vote = case((and_(counts, AnnotationRow.outcome == "class"), _today(session, project_id)))
    return (
        select(
            AnnotationRow.sample_id,
            func.count(case((AnnotationRow.outcome == "flag", 1))).label("flags"),
            func.count(case((counts, 1))).label("answers"),
            func.count(vote).label("votes"),
            func.count(vote.distinct()).label("choices"),
        )
        .join(QueryRow, QueryRow.id == AnnotationRow.query_id)
        .where(AnnotationRow.project_id == project_id, AnnotationRow.withdrawn_at.is_(None))
        .where(QueryRow.kind != "copy_check")
        .group_by(AnnotationRow.sample_id)
        .subquery()
    )


def _today(session: Session, project_id: int) -> SQLColumnExpression[Any]:
    """The class of an answer as it counts today."""
    retired = select(ClassRow.id).where(ClassRow.project_id == project_id, ClassRow.retired_at.is_not(None))
    live = live_class(session, project_id)
    into = {class_id: live(class_id) for class_id in session.scalars(retired)}
    return case(into, value=AnnotationRow.class_id, else_=AnnotationRow.class_id) if into else AnnotationRow.class_id


def _joined(seen: Subquery, project_id: int) -> Select[Any]:
    return (
        select(seen, LabelTableRow.id.label("label"), SampleRow.name, SampleRow.split)
        .join(SampleRow, SampleRow.id == seen.c.sample_id)
        .outerjoin(LabelTableRow, LabelTableRow.sample_id == seen.c.sample_id)
        .where(SampleRow.project_id == project_id, SampleRow.deleted_at.is_(None))
    )


def _asked(seen: Subquery) -> ColumnElement[bool]:
    """Whether more answers are on their way."""
    open_now = QueryRow.sample_id == seen.c.sample_id, QueryRow.state == "open", QueryRow.kind.in_(ASKS)
    return select(QueryRow.id).where(*open_now).exists()


def _newest(seen: Subquery, kind: str) -> ColumnElement[int]:
    event = AnnotationEventRow.sample_id == seen.c.sample_id, AnnotationEventRow.kind == kind
    told = or_(AnnotationEventRow.kind != "answer", AnnotationEventRow.counts, AnnotationEventRow.outcome == "flag")
    of_copy = QueryRow.id == AnnotationEventRow.query_id, QueryRow.kind == "copy_check"
    newest = select(func.max(AnnotationEventRow.id)).where(*event, told)  # gold is no news but a flag
    return newest.where(~select(QueryRow.id).where(*of_copy).exists()).scalar_subquery()


def _entropies(session: Session, project_id: int, only: Only) -> dict[int, float]:
    """Return sample id -> entropy of its votes in bits; 0 where they do not differ."""
    found = _waiting(session, project_id, only).subquery()
    choice: Label[Any] = _today(session, project_id).label("choice")
    statement = (
        select(AnnotationRow.sample_id, choice, func.count().label("many"))
        .join(found, found.c.sample_id == AnnotationRow.sample_id)
        .join(QueryRow, QueryRow.id == AnnotationRow.query_id)
        .where(AnnotationRow.withdrawn_at.is_(None), AnnotationRow.outcome == "class", QueryRow.kind.not_in(NO_VOTES))
        .where(found.c.choices > 1)
        .group_by(AnnotationRow.sample_id, choice)
    )
    counts: dict[int, list[int]] = defaultdict(list)
    for sample_id, class_id, many in session.execute(statement):
        if class_id is not None:
            counts[sample_id].append(many)
    return defaultdict(float, {sample_id: entropy_of(many) for sample_id, many in counts.items()})


def entropy_of(counts: Sequence[int]) -> float:
    """Return the entropy of votes in bits.

    >>> entropy_of([2, 2]), entropy_of([3]), round(entropy_of([2, 1]), 3)
    (1.0, 0.0, 0.918)
    """
    total = sum(counts)
    return -sum(count / total * math.log2(count / total) for count in counts if count) + 0.0


def _items(session: Session, rows: Sequence[Any], entropy: dict[int, float]) -> list[ReviewItem]:
    open_now: set[int] = set()
    for part in chunks([row.sample_id for row in rows]):
        asked = QueryRow.sample_id.in_(part), QueryRow.state == "open", QueryRow.kind.in_(ASKS)
        open_now.update(session.scalars(select(QueryRow.sample_id).where(*asked)))
    return [
        ReviewItem(
            sample_id=row.sample_id,
            name=row.name,
            split=row.split,
            reasons=_reasons(row, row.sample_id in open_now),
            entropy=entropy[row.sample_id],
            answers=row.answers,
            labeled=row.label is not None,
        )
        for row in rows
    ]


def _reasons(row: Any, asked: bool) -> tuple[str, ...]:
    found = [("flag", row.flags > 0), ("disagreement", row.choices > 1)]
    found += [("unsure", not row.votes and not row.flags), ("undecided", row.choices == 1 and row.label is None)]
    return tuple(name for name, holds in found if holds and (name == "flag" or not asked))
