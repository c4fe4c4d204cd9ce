"""Tells whether a store that was killed again and again holds what one that never was killed holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from benchmarks.fault_table import Outcome, Stand
from benchmarks.invariants import check
from benchmarks.journal import read_journals
from db.tables import FileRow, ModelVersionRow, QueryRow, RoundRow


def state(place: Stand) -> dict[str, Any]:
    """Return what must be the same in both stores: queries, models and files, without times and row ids."""
    with place.open() as database, database.engine.connect() as connection:

        def rows(*columns: Any, order: Any) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in connection.execute(select(*columns).order_by(*order))]

        asked = QueryRow.sample_id, QueryRow.rank, QueryRow.kind, QueryRow.reserve, QueryRow.score, QueryRow.predicted
        turn = select(RoundRow.number).where(RoundRow.id == QueryRow.round_id).scalar_subquery()
        version = ModelVersionRow
        return {
            "queries": rows(turn, *asked, order=(QueryRow.round_id, QueryRow.rank, QueryRow.sample_id)),
            "models": rows(version.number, version.labels_used, version.seed, version.is_current,
                           order=(version.number,)),
            # an attempt that was killed behind its rows leaves files that no query names, with the same contents
            "files": sorted(set(rows(FileRow.kind, FileRow.sha256, order=(FileRow.id,)))),
        }  # fmt: skip


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Say in which tables two stores differ."""
    return [
        f"{name} differ from an unkilled run's: {_unlike(one[name], other[name])[:2]}"
        for name in one
        if one[name] != other[name]
    ]


def _unlike(one: Sequence[Any], other: Sequence[Any]) -> list[Any]:
    """Return what is in one of two lists alone, or oftener in it."""
    left, right = Counter(one), Counter(other)
    return sorted(((left - right) + (right - left)).elements(), key=str)


def compared(place: Stand, whole: Stand, injected: int) -> Outcome:
    """Count what is broken in a store, and whatever in it differs from that of an unkilled run."""
    with place.open() as database:
        found = check(database, read_journals([place.home / "ana.journal"]), files=True)
    different = differing(state(whole), state(place))
    found.what += different
    found.not_rebuilt += len(different)
    return Outcome(injected, found)
