"""The statements behind `db.quality`: what is grouped and counted in SQL, for both engines."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, literal, select
from sqlalchemy.orm import aliased

from db.tables import AnnotationRow, QueryRow, RoundRow, SampleRow

KINDS = ("learn", "holdout", "gold", "confirm", "spot_check")
MODES = ("single", "grid")
PAUSE_MS = 300_000  # a longer gap between two answers is a break
_BLIND = ("learn", "holdout")


def votes(project_id: int) -> Select[Any]:
    """Rows of (sample, user, class, kind, mode, round, drawn at random), in the order of saving; none of copies."""
    kind = case({name: place for place, name in enumerate(KINDS)}, value=QueryRow.kind)
    at_random = (QueryRow.kind == "holdout") | func.lower(RoundRow.strategy).like("random%")
    return (
        select(
            AnnotationRow.sample_id,
            AnnotationRow.user_id,
            AnnotationRow.class_id,
            kind,
            case((AnnotationRow.mode == "grid", 1), else_=0),
            RoundRow.number,
            case((at_random, 1), else_=0),
        )
        .join(QueryRow, QueryRow.id == AnnotationRow.query_id)
        .join(RoundRow, RoundRow.id == QueryRow.round_id)
        .join(SampleRow, SampleRow.id == AnnotationRow.sample_id)
        .where(*_standing(project_id), SampleRow.deleted_at.is_(None), QueryRow.kind != "copy_check")
        .order_by(AnnotationRow.id)
    )


def _standing(project_id: int) -> tuple[ColumnElement[bool], ...]:
    mine = AnnotationRow.project_id == project_id, AnnotationRow.withdrawn_at.is_(None)
    return *mine, AnnotationRow.outcome == "class"


def gold(project_id: int) -> Select[Any]:
    """Rows of (user, 0, expected position, class, how many)."""
    key = AnnotationRow.user_id, QueryRow.expected, AnnotationRow.class_id
    return (
        select(key[0], literal(0), key[1], key[2], func.count())
        .join(QueryRow, QueryRow.id == AnnotationRow.query_id)
        .where(*_standing(project_id), QueryRow.kind == "gold", QueryRow.expected.is_not(None))
        .group_by(*key)
    )


def predicted(project_id: int) -> Select[Any]:
    """Rows of (user, prediction shown, predicted position, class, how many), answered singly and blind to others."""
    seen = case((AnnotationRow.prediction_shown, 1), else_=0)
    given = QueryRow.kind.in_(_BLIND), QueryRow.predicted.is_not(None), AnnotationRow.mode != "grid"
    key = AnnotationRow.user_id, AnnotationRow.prediction_shown, QueryRow.predicted, AnnotationRow.class_id
    return (
        select(key[0], seen, key[2], key[3], func.count())
        .join(QueryRow, QueryRow.id == AnnotationRow.query_id)
        .where(*_standing(project_id), *given)
        .group_by(*key)
    )


def spot_checks(project_id: int) -> Select[Any]:
    """Pairs of a class confirmed in the grid and the same image's answer in single mode."""
    again, asked = aliased(AnnotationRow), aliased(QueryRow)
    return (
        select(AnnotationRow.class_id, again.class_id, func.count())
        .join(QueryRow, QueryRow.id == AnnotationRow.query_id)
        .join(again, again.sample_id == AnnotationRow.sample_id)
        .join(asked, asked.id == again.query_id)
        .where(*_standing(project_id), QueryRow.kind == "confirm", asked.kind == "spot_check")
        .where(again.withdrawn_at.is_(None), again.outcome == "class")
        .group_by(AnnotationRow.class_id, again.class_id)
    )


def worked(project_id: int) -> Select[Any]:
    """Answers and time at work: gaps between answers, and for the first after a break the image's own time."""
    moment = func.coalesce(AnnotationRow.answered_at, AnnotationRow.created_at)
    before = func.lag(moment).over(partition_by=AnnotationRow.user_id, order_by=(moment, AnnotationRow.id))
    steps = (
        select(AnnotationRow.user_id, AnnotationRow.latency_ms, (moment - before).label("gap"))
        .where(AnnotationRow.project_id == project_id)
        .subquery()
    )
    took = case((steps.c.gap <= PAUSE_MS, steps.c.gap), (steps.c.latency_ms <= PAUSE_MS, steps.c.latency_ms), else_=0)
    return select(steps.c.user_id, func.count(), func.sum(took)).group_by(steps.c.user_id)


def _single(project_id: int) -> tuple[ColumnElement[bool], ...]:
    mine = AnnotationRow.project_id == project_id, AnnotationRow.latency_ms.is_not(None)
    return *mine, AnnotationRow.mode != "grid"


def timed(project_id: int, limit: float) -> Select[Any]:
    """Rows of (user, answers with a time, those below the limit in ms)."""
    fast = func.sum(case((AnnotationRow.latency_ms < limit, 1), else_=0))
    return select(AnnotationRow.user_id, func.count(), fast).where(*_single(project_id)).group_by(AnnotationRow.user_id)


def medians(project_id: int) -> Select[Any]:
    """Rows of (user, median ms)."""
    own = AnnotationRow.user_id
    place = func.row_number().over(partition_by=own, order_by=AnnotationRow.latency_ms).label("place")
    many = func.count().over(partition_by=own).label("many")
    ranked = select(own, AnnotationRow.latency_ms, place, many).where(*_single(project_id)).subquery()
    return select(ranked.c.user_id, func.avg(ranked.c.latency_ms)).where(_middle(ranked)).group_by(ranked.c.user_id)


def team_median(project_id: int) -> Select[Any]:
    """The one median of all, in ms."""
    place = func.row_number().over(order_by=AnnotationRow.latency_ms).label("place")
    ranked = (
        select(AnnotationRow.latency_ms, place, func.count().over().label("many"))
        .where(*_single(project_id))
        .subquery()
    )
    return select(func.avg(ranked.c.latency_ms)).where(_middle(ranked))


def _middle(ranked: Any) -> ColumnElement[bool]:
    """The one or two rows in the middle; neither engine's own median is known to the other."""
    middle: ColumnElement[bool] = ranked.c.place.between((ranked.c.many + 1) // 2, (ranked.c.many + 2) // 2)
    return middle
