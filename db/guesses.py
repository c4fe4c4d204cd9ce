"""What models said about samples, for exports and the tools that read them: the newest word counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.records import Guess
from db.tables import ClassRow, ModelVersionRow, PredictionRow, QueryRow, RoundModelRow, RoundRow, SampleRow


def guesses(session: Session, ids: Sequence[int]) -> dict[int, Guess]:
    """Return the newest prediction of each sample that has one: the holdout's stored ones, else its last query's."""
    return {**_of_queries(session, ids), **_of_holdout(session, ids)}


def _of_queries(session: Session, ids: Sequence[int]) -> dict[int, Guess]:
    in_place = (ClassRow.project_id == QueryRow.project_id) & (ClassRow.position == QueryRow.predicted)
    statement = (
        select(QueryRow.sample_id, ClassRow.name, RoundRow.number, ModelVersionRow.number, QueryRow.details)
        .join(ClassRow, in_place)
        .join(RoundRow, RoundRow.id == QueryRow.round_id)
        .outerjoin(RoundModelRow, RoundModelRow.round_id == RoundRow.id)
        .outerjoin(ModelVersionRow, ModelVersionRow.id == RoundModelRow.model_version_id)
        .where(QueryRow.sample_id.in_(ids))
        .order_by(QueryRow.id)
    )
    return {
        sample_id: Guess(class_name=name, model_version=_version(version, number), score=_probability(details))
        for sample_id, name, number, version, details in session.execute(statement)
    }


def _of_holdout(session: Session, ids: Sequence[int]) -> dict[int, Guess]:
    in_place = (ClassRow.project_id == SampleRow.project_id) & (ClassRow.position == PredictionRow.position)
    statement = (
        select(PredictionRow.sample_id, ClassRow.name, ModelVersionRow.number, PredictionRow.probability)
        .join(SampleRow, SampleRow.id == PredictionRow.sample_id)
        .join(ClassRow, in_place)
        .join(ModelVersionRow, ModelVersionRow.id == PredictionRow.model_version_id)
        .where(PredictionRow.sample_id.in_(ids))
        .order_by(PredictionRow.model_version_id)
    )
    return {
        sample_id: Guess(class_name=name, model_version=f"version {version}", score=probability)
        for sample_id, name, version, probability in session.execute(statement)
    }


def _version(version: int | None, round_number: int) -> str:
    return f"version {version}" if version is not None else f"round {round_number}"


def _probability(details: dict[str, Any] | None) -> float | None:
    """A query's score is a distance or an entropy, never a probability; its details may hold one."""
    value = (details or {}).get("probability")
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else None
