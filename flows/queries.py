"""Turns a ranking into the queries of a round: the holdout mixed in, the reserve behind, why each image is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from db.records import NewQuery
from flows.ranking import Ranking
from pipeline.strategies.base import Selection


def build_queries(
    ranking: Ranking, holdout: Sequence[int], wanted: int, pictures: Mapping[int, Mapping[str, Any]]
) -> list[NewQuery]:
    """Mix the holdout evenly into the best-ranked images; what is left of the ranking is the reserve.

    Args:
        ranking: The ranked images with what is known about them.
        holdout: Sample ids of the holdout to ask.
        wanted: Queries of the round, holdout and learn together.
        pictures: Where the pictures of copies lie, by row of the ranking.
    """
    learn = _learn_queries(ranking, pictures)
    count = max(wanted - len(holdout), 1)  # a round always asks something to learn from
    main, reserve = learn[:count], learn[count:]
    asked = [NewQuery(sample_id=sample_id, kind="holdout", rank=0) for sample_id in holdout]
    mixed = sorted(
        [((place + 0.5) / len(main), query) for place, query in enumerate(main)]
        + [((place + 1.0) / len(asked), query) for place, query in enumerate(asked)],
        key=lambda item: item[0],
    )
    ordered = [query for _, query in mixed] + [replace(query, reserve=True) for query in reserve]
    return [replace(query, rank=rank) for rank, query in enumerate(ordered)]


def _learn_queries(ranking: Ranking, pictures: Mapping[int, Mapping[str, Any]]) -> list[NewQuery]:
    selection = ranking.selection
    if selection is None:
        return []
    return [
        NewQuery(
            sample_id=int(selection.ids[row]),
            rank=row,
            score=float(selection.scores[row]) if np.isfinite(selection.scores[row]) else None,
            predicted=_position(selection.predicted[row]),
            nearest=_position(selection.nearest[row]),
            copy_row=row
            if selection.copy_distances is not None and np.isfinite(selection.copy_distances[row])
            else None,
            details=_details(ranking, selection, row, pictures.get(row)),
        )
        for row in range(len(selection.ids))
    ]


def _details(ranking: Ranking, selection: Selection, row: int, pictures: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what 'why this image' shows: place in the ranking, distance, nearest labeled images, pictures."""
    details: dict[str, Any] = {**ranking.told, "place": row + 1}
    if selection.copy_distances is not None and np.isfinite(selection.copy_distances[row]):
        details["distance"] = float(selection.copy_distances[row])
    if ranking.neighbors is not None:
        details["neighbors"] = [int(sample_id) for sample_id in ranking.neighbors[row] if sample_id >= 0]
    if pictures is not None:
        details["pictures"] = {name: place for name, place in pictures.items() if name != "shown"}
    return details


def _position(value: Any) -> int | None:
    return int(value) if int(value) >= 0 else None
