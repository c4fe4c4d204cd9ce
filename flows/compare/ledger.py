"""What is made and what is missing: writes each point to SQL the moment it arrives, and hands units what they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from db import comparison_log, comparisons
from db.records import Comparison, ComparisonPoint, RunState
from flows.compare.units import Ended, Event, Made, Told, UnitWork
from flows.report import Reporter
from flows.store import Store
from pipeline.experiment.planning import Unit, arms, label_counts
from pipeline.experiment.records import Point, Settings

if TYPE_CHECKING:
    from flows.compare.recipes import Recipe

_FIELDS = tuple(field.name for field in fields(Point))


class Ledger:
    """The points of a comparison, in memory and in SQL.

    Args:
        store: The open store.
        found: The comparison.
        settings: What it compares.
        reporter: Receives (points there, points wanted, what goes on); raising stops.
        on_point: Called with (arm, seed, point) once the point is in SQL.
    """

    def __init__(
        self,
        store: Store,
        found: Comparison,
        settings: Settings,
        reporter: Reporter,
        on_point: Callable[[str, int, ComparisonPoint], None],
    ) -> None:
        self.failed: dict[str, str] = {}
        self._store, self._found, self._settings = store, found, settings
        self._reporter, self._on_point = reporter, on_point
        self._points_a_run = len(label_counts(settings))
        by_name = {arm.name: arm for arm in arms(settings)}
        runs = comparisons.runs(store.database, store.actor, found.id)
        self._ids = {(by_name[run.arm], run.seed): run.id for run in runs}
        self._points = {(by_name[run.arm], run.seed): [_point(one) for one in run.points] for run in runs}
        self._says: dict[int, str] = {}
        self._units: dict[int, Unit] = {}

    def finished(self, unit: Unit) -> bool:
        """Return whether all runs of a unit have all their points."""
        return all(len(self._points[unit.arm, seed]) == self._points_a_run for seed in unit.seeds)

    def ready(self, unit: Unit) -> bool:
        """Return whether what a unit needs is there."""
        needs = unit.needs
        return needs is None or all(len(self._points[needs, seed]) == self._points_a_run for seed in unit.seeds)

    def give_up(self, unit: Unit) -> None:
        """Note that a unit cannot begin because what it needs failed."""
        self._fail(unit, f"{unit.needs.name if unit.needs else 'its source'} did not reach its end")

    def work_of(
        self, unit: Unit, number: int, index: Path, recipes: Mapping[str, Recipe], folder: Path, device: str
    ) -> UnitWork:
        """Return a unit as it travels to a worker, with the points that are there."""
        self._units[number] = unit
        for seed in unit.seeds:
            self._set_state(unit, seed, "running")
        wanted = [arm for arm in (unit.arm, unit.needs) if arm is not None]
        return UnitWork(
            number=number,
            index=index,
            settings=self._settings,
            recipe=recipes[unit.arm.trains or self._settings.model],
            arm=unit.arm,
            seeds=unit.seeds,
            done={(arm, seed): tuple(self._points[arm, seed]) for arm in wanted for seed in unit.seeds},
            folder=folder,
            device=device,
        )

    def hear(self, event: Event) -> None:
        """Take in what a worker sent; a point is in SQL when this returns."""
        if isinstance(event, Made):
            self._keep(event)
        elif isinstance(event, Told):
            self._says[event.number] = event.text
        else:
            self._end(event)
        self.check()

    def check(self) -> None:
        """Tell the progress, and so hear whether to stop.

        Raises:
            Canceled: Somebody asked for it, or another process took over.
        """
        done = sum(len(points) for points in self._points.values())
        text = next(iter(self._says.values()), "starting")
        self._reporter.progress(done, len(self._points) * self._points_a_run, text)

    def _keep(self, event: Made) -> None:
        point = ComparisonPoint(**{name: getattr(event.point, name) for name in _FIELDS})
        new = comparison_log.record_point(
            self._store.database, self._store.actor, self._ids[event.arm, event.seed], point
        )
        if new:
            self._points[event.arm, event.seed].append(event.point)
            self._on_point(event.arm.name, event.seed, point)

    def _end(self, event: Ended) -> None:
        self._says.pop(event.number, None)
        unit = self._units.pop(event.number)
        if event.error:
            self._fail(unit, event.error)
            return
        for seed in unit.seeds:
            self._set_state(unit, seed, "done")

    def _fail(self, unit: Unit, reason: str) -> None:
        for seed in unit.seeds:
            if len(self._points[unit.arm, seed]) == self._points_a_run:
                self._set_state(unit, seed, "done")
                continue
            self.failed[f"{unit.arm.name}, seed {seed}"] = reason
            self._set_state(unit, seed, "failed", reason)

    def _set_state(self, unit: Unit, seed: int, state: RunState, note: str = "") -> None:
        comparison_log.set_run_state(self._store.database, self._store.actor, self._ids[unit.arm, seed], state, note)


def _point(kept: ComparisonPoint) -> Point:
    return Point(**{name: getattr(kept, name) for name in _FIELDS})
