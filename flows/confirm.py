"""Groups for the grid: images that the model is sure of, one predicted class a group, to confirm at a glance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from db.records import NewQuery, Project
from pipeline.strategies.base import Progress, QueryContext, Selection
from pipeline.strategies.confident import SureImages
from pipeline.strategies.one_pass import collected

GROUP = 48  # tiles of a grid at most: six rows of eight


def how_many(project: Project, learn: int) -> int:
    """Return how many images a round puts into the grid at most, for so many learn queries."""
    return round(project.confirm_share * learn)


def look_for_sure(context: QueryContext, project: Project, asked: NDArray[np.int64]) -> Selection | None:
    """Look through the pool for images that the model is sure of; None where nobody wants any.

    Args:
        context: The request that the ranking answered; its pool is streamed once more.
        project: Its `confirm_share` and `confirm_confidence`.
        asked: int64 (k,), ids that the round asks singly; they are left out.
    """
    most = how_many(project, len(asked))
    if most == 0 or context.model is None:
        return None
    wanted = SureImages(project.confirm_confidence, asked)
    [surest] = collected(replace(context, on_progress=_renamed(context)), [wanted], most)
    return surest.selection()


def _renamed(context: QueryContext) -> Progress | None:
    on_progress = context.on_progress
    if on_progress is None:
        return None
    return lambda done, total, _: on_progress(done, total, "looking for images to confirm")


def confirm_queries(sure: Selection | None, count: int, number: int, first_rank: int) -> list[NewQuery]:
    """Return the queries of the grid: groups of one predicted class, at most 48 images each, the surest first.

    Args:
        sure: By turns of the classes, as `Surest` gives them; None for none.
        count: How many images at most.
        number: Of the round; it is part of a group's key.
        first_rank: The rank of the first query; they come after everything that is asked singly.
    """
    if sure is None:
        return []
    chosen, predicted = sure.ids[:count], sure.predicted[:count]
    queries: list[NewQuery] = []
    for position in np.unique(predicted).tolist():
        rows = np.flatnonzero(predicted == position)  # by turns, so the surest first
        for part, some in enumerate(np.array_split(rows, -(-len(rows) // GROUP)), start=1):
            queries += [
                NewQuery(
                    sample_id=int(chosen[row]),
                    kind="confirm",
                    rank=first_rank + len(queries) + place,
                    predicted=position,
                    group=f"round-{number}-class-{position}-{part}",
                )
                for place, row in enumerate(some)
            ]
    return queries
