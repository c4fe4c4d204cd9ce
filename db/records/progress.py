"""Everything the Progress page and `borderline status` show, read in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from db.records.machinery import Job
from db.records.models import ModelVersion
from db.records.projects import Project
from db.records.rounds import RoundSummary
from db.records.samples import Counts


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The newest round whose queries are out: its number (0 before the first), labels gained, labels wanted."""

    number: int
    gained: int
    k: int


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A project at a glance. `waiting` counts open queries nobody holds; `has_test` says which accuracy to show."""

    project: Project
    counts: Counts
    waiting: int
    has_test: bool
    rounds: tuple[RoundSummary, ...]
    model: ModelVersion | None
    job: Job | None
    last_error: str

    @property
    def budget_used(self) -> bool:
        """Whether there are as many labels as the project may have: no round begins."""
        return self.project.label_budget is not None and self.counts.labels >= self.project.label_budget
