"""Copies as a check: a few of a round's adversarial copies are shown to annotators as images like any other.

A copy trains with its original's label. If it shows another class by now, it teaches something wrong (invariance-based
examples, Tramer et al., arXiv:2002.04599), and only people can tell. Which ones are shown depends on the project's seed
and the round alone, so that a second run shows the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from db import samples
from db.records import NewQuery, Project
from flows.store import Store
from pipeline.data.pictures import encode_as_shown
from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.strategies.base import Selection

MANY = 50  # queries with a copy, from which on at least one is checked


@dataclass(frozen=True)
class Shown:
    """A copy as annotators see it: an encoded picture and its media type."""

    data: bytes
    media_type: str


def how_many_checks(project: Project, number: int, copies: int) -> int:
    """Return how many copies of a round are checked: the project's share on average, and one at least of many."""
    if project.copy_check_share <= 0 or copies == 0:
        return 0
    lot = derive_seed(project.seed, "copy checks", number) / 2**63  # in [0, 1): small shares add up over rounds
    wanted = math.floor(project.copy_check_share * copies + lot)
    return min(copies, max(wanted, 1 if copies >= MANY else 0))


def pick_checks(project: Project, number: int, selection: Selection | None, asked: int) -> list[int]:
    """Return rows of the ranking whose copy is checked: of the `asked` best, those that have one."""
    if selection is None or selection.copy_distances is None:
        return []
    made = np.flatnonzero(np.isfinite(selection.copy_distances[:asked]))
    lots = per_sample_uniform(derive_seed(project.seed, "copy check", number), selection.ids[made], "copy check")
    order = np.argsort(lots, kind="stable")[: how_many_checks(project, number, len(made))]
    return sorted(int(row) for row in made[order])


def draw_as_shown(
    store: Store, project: Project, selection: Selection, originals: Tensor, rows: Sequence[int]
) -> dict[int, Shown]:
    """Return pictures of copies in the size and form in which people see images, by row of the ranking.

    Args:
        store: The open store.
        project: Whose images.
        selection: With copies in these rows.
        originals: uint8 (k, C, S, S), what the copies were made of.
        rows: Of the ranking.
    """
    copies = selection.copies
    found: dict[int, Shown] = {}
    if copies is None:
        return found
    for row in rows:
        display = samples.display_of(store.database, store.actor, project.id, int(selection.ids[row]))
        with store.path(display.path).open("rb") as file:
            file.seek(display.offset)
            shown = file.read(display.length)
        found[row] = Shown(*encode_as_shown(shown, copies[row], originals[row]))
    return found


def with_checks(queries: Sequence[NewQuery], pictures: Mapping[int, Mapping[str, Any]]) -> list[NewQuery]:
    """Mix checks into a round's queries, each half a round away from its image's own query; ranks are given anew.

    Args:
        queries: Of the round, in order; those outside of the reserve come first.
        pictures: Where the picture of a copy lies, by sample id.
    """
    main = [query for query in queries if not query.reserve]
    after: dict[int, list[NewQuery]] = {}
    for place, query in enumerate(main):
        if query.kind == "learn" and query.sample_id in pictures:
            details = {"shown": dict(pictures[query.sample_id])}
            check = replace(query, kind="copy_check", details=details, nearest=None, slots=1)
            after.setdefault((place + len(main) // 2) % len(main), []).append(check)
    mixed = [item for place, query in enumerate(main) for item in (query, *after.get(place, ()))]
    return [replace(query, rank=rank) for rank, query in enumerate([*mixed, *queries[len(main) :]])]
