"""From a model's outputs to the classes of today: a model may be older than a class, or than a merge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from db.records import NewQuery, NewQueue, Project


def live_positions(project: Project) -> NDArray[np.int64]:
    """Return the positions (L,) of the classes in use, in order."""
    return np.array([entry.position for entry in project.classes], dtype=np.int64)


def to_live(project: Project, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return today's position of each class position (N,), -1 where the class is gone."""
    found = {int(place): project.live_position(int(place)) for place in np.unique(positions)}
    table = {place: -1 if live is None else live for place, live in found.items()}
    return np.array([table[int(place)] for place in positions], dtype=np.int64)


def fold(project: Project, probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return probabilities (N, L) of the classes in use, from those (N, K) of a model of any age.

    A merged class adds to the one it was merged into; what a removed class got is shared out in proportion; a class
    that is younger than the model has 0. For a project whose classes never changed these are the model's own.
    """
    if not project.retired and probabilities.shape[1] == len(project.classes):
        return probabilities
    live = live_positions(project)
    target = to_live(project, np.arange(probabilities.shape[1]))  # (K,)
    folded = np.zeros((len(probabilities), len(live)), dtype=probabilities.dtype)
    for position in np.flatnonzero(target >= 0):
        folded[:, np.searchsorted(live, target[position])] += probabilities[:, position]
    total = folded.sum(axis=1, keepdims=True)
    even = np.full_like(folded, 1 / len(live))  # all that the model knew is gone
    np.divide(folded, total, out=even, where=total > 0)
    return even


def in_todays_classes(project: Project, queue: NewQueue) -> NewQueue:
    """Return a queue that names classes in use: a model has an output for every class that ever was.

    Where the predicted class is gone the query names none; an image to confirm as that class is not asked at all.
    """
    queries = [_renamed(project, query) for query in queue.queries]
    return replace(queue, queries=[query for query in queries if (query.kind, query.predicted) != ("confirm", None)])


def _renamed(project: Project, query: NewQuery) -> NewQuery:
    if not project.retired or query.predicted is None:
        return query
    predicted = project.live_position(query.predicted)
    nearest = None if query.nearest is None or predicted is None else project.live_position(query.nearest)
    return replace(query, predicted=predicted, nearest=None if nearest == predicted else nearest)
