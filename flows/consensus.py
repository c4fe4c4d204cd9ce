"""Images whose votes are even, decided by what the annotators' records make likely; the rest waits for a reviewer."""

from __future__ import annotations

import numpy as np

from db import quality, review
from db.records import Project
from flows.store import Store
from pipeline.statistics import DawidSkene, dawid_skene

SURE = 0.9  # posterior that decides


def settle_ties(store: Store, project: Project) -> list[int]:
    """Fit Dawid and Skene's model to all votes of the project and decide the ties that it is sure about.

    Gold and reviewed images tell who is right. The class must be one that somebody gave the image.

    Returns:
        The ids of the images that got a label.
    """
    ties = review.ties(store.database, store.actor, project.id)
    if not len(ties):
        return []
    votes = quality.votes(store.database, store.actor, project.id)
    truths = quality.truths(store.database, store.actor, project.id)
    found = dawid_skene(
        votes.samples, votes.users, votes.classes, known_items=list(truths), known_classes=list(truths.values())
    )
    sure = _sure(found, ties)
    given = set(zip(votes.samples.tolist(), votes.classes.tolist(), strict=True))
    verdicts = {item: class_id for item, (class_id, _) in sure.items() if (item, class_id) in given}
    why = {
        item: {"method": "dawid_skene", "posterior": round(posterior, 6), "votes": len(votes.samples)}
        for item, (_, posterior) in sure.items()
    }
    return review.decide_ties(store.database, store.actor, project.id, verdicts, why)


def _sure(found: DawidSkene, ties: np.ndarray) -> dict[int, tuple[int, float]]:
    """Return sample id -> (class id, posterior) of the ties whose likeliest class is likely enough."""
    rows = np.flatnonzero(np.isin(found.items, ties) & (found.posterior.max(axis=1) >= SURE))
    best = found.posterior[rows].argmax(axis=1)
    return {
        int(found.items[row]): (int(found.classes[place]), float(found.posterior[row, place]))
        for row, place in zip(rows, best, strict=True)
    }
