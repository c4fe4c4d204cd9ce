"""Rounds and queries: what is due, what is asked, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class DueRound:
    """A round that should run now; `reason` is 'first', 'unfinished' or 'complete'."""

    project_id: int
    number: int
    reason: str
    attempt: int


@dataclass(frozen=True, kw_only=True)
class Round:
    """One turn; `state` is 'preparing', 'open' or 'closed', `k` the labels it asks for."""

    id: int
    project_id: int
    number: int
    state: str
    k: int
    strategy: str
    attempt: int
    labels_before: int
    model_version_id: int | None
    begun_at: int
    opened_at: int | None
    closed_at: int | None


@dataclass(frozen=True, kw_only=True)
class Finished:
    """Nothing is left to ask. False in a condition, so that `if not (turn := begin_round(...))` reads well."""

    project_id: int
    labels: int

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class NewQuery:
    """A sample to ask. `predicted` and `nearest` are class positions; `slots` None is the project's overlap.

    `kind` is 'learn', 'holdout', 'confirm' (in the grid, with its `group`) or 'copy_check' (its adversarial copy, shown
    beside a query of its own; its picture is named in `details`); else `details` is what 'why this image' shows.
    """

    sample_id: int
    rank: int
    kind: str = "learn"
    score: float | None = None
    predicted: int | None = None
    nearest: int | None = None
    reserve: bool = False
    copy_row: int | None = None
    slots: int | None = None
    group: str | None = None
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class NewQueue:
    """All queries of a round; its k is the number of learn queries outside of the reserve."""

    queries: Sequence[NewQuery]
    strategy: str
    diagnostics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Holdout:
    """A model's stored predictions against today's holdout labels."""

    correct: int
    total: int


@dataclass(frozen=True, kw_only=True)
class RoundSummary:
    """One line of the history; `labels_before` is what its model learned from at most."""

    round_id: int
    number: int
    state: str
    strategy: str
    k: int
    labels_before: int
    labels_gained: int
    model_version_id: int | None
    labels_used: int | None
    metrics: Mapping[str, Any]
    test_accuracy: float | None
    holdout: Holdout | None
    diagnostics: Mapping[str, Any]
    begun_at: int
    opened_at: int | None
    closed_at: int | None
