"""What a project knows about samples before labels come from outside: classes, splits, labels and who gave them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.sql import chunks
from db.tables import AnnotationEventRow, ClassRow, LabelTableRow, QueryRow, SampleRow

_SUGGESTIONS = 50  # comparing words takes time, and a file may hold a million wrong ones


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a sample. `by_people` is also true where a reviewer said that it cannot be used."""

    split: str
    deleted: bool
    class_id: int | None
    by_people: bool


def classes_by_name(session: Session, project_id: int) -> dict[str, int]:
    """Return name -> id of the project's classes of today."""
    live = select(ClassRow.name, ClassRow.id).where(ClassRow.project_id == project_id, ClassRow.retired_at.is_(None))
    return dict(session.execute(live).tuples().all())


def unknown_class(classes: Mapping[str, int], name: str, *, known: int = 0) -> str:
    """Say that there is no such class, with the closest one; not for more than the first few of a file."""
    close = difflib.get_close_matches(name[:200], classes, n=1) if known < _SUGGESTIONS else []
    hint = f"did you mean {close[0]!r:.80}? or add it" if close else "add it or leave it out"
    return f"expected a class of the project, got {name!r:.80}; {hint}"


def lock(session: Session, ids: Sequence[int]) -> None:
    """Keep answers about samples out until the transaction ends: queries first, as an answer does."""
    for part in chunks(ids):
        asked = select(QueryRow.id).where(QueryRow.sample_id.in_(part), QueryRow.state == "open").order_by(QueryRow.id)
        session.execute(asked.with_for_update(key_share=True))
        there = select(SampleRow.id).where(SampleRow.id.in_(part)).order_by(SampleRow.id)
        session.execute(there.with_for_update(key_share=True))


def standing_of(session: Session, ids: Sequence[int]) -> dict[int, Standing]:
    """Return what is known of each sample."""
    found: dict[int, Standing] = {}
    for part in chunks(ids):
        reviewed = set(
            session.scalars(
                select(AnnotationEventRow.sample_id).where(
                    AnnotationEventRow.sample_id.in_(part), AnnotationEventRow.kind == "review"
                )
            )
        )
        columns = SampleRow.id, SampleRow.split, SampleRow.deleted_at, LabelTableRow.class_id, LabelTableRow.origin
        joined = select(*columns).outerjoin(LabelTableRow, LabelTableRow.sample_id == SampleRow.id)
        for sample_id, split, deleted_at, class_id, origin in session.execute(joined.where(SampleRow.id.in_(part))):
            by_people = sample_id in reviewed or origin in ("consensus", "reviewer")
            found[sample_id] = Standing(split, deleted_at is not None, class_id, by_people)
    return found
