"""What the Compare page reads: runs and their summary, kept in memory until the store has newer ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from db import comparisons
from db.records import Comparison, ComparisonRun
from labeler_ui.pages.visit import Visit
from pipeline.statistics import Curve, Summary, summarize, verdict

MOST_KEPT = 16
TO = " to "  # joins the two networks' arms of a transfer: 'dfal to vgg8'
AUGMENT = ", augment="  # 'dfal, augment=gan'
Stamp = tuple[str, int, int, int, str]


def stamp(here: Visit, comparison: Comparison) -> Stamp:
    """Return what changes when there is something new to show; it names the store too, for ids repeat."""
    told = f"{comparison.state} {comparison.note}"
    return str(here.database.engine.url), comparison.id, comparison.updated_at, comparison.points_done, told


def runs(here: Visit, comparison: Comparison) -> list[ComparisonRun]:
    """Return the runs of a comparison that the person was just allowed to see."""
    return _runs(stamp(here, comparison), here, comparison.id)


@st.cache_resource(max_entries=MOST_KEPT, show_spinner=False)
def _runs(stamp: Stamp, _here: Visit, _comparison_id: int) -> list[ComparisonRun]:
    return comparisons.runs(_here.database, _here.actor, _comparison_id)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What there is to say about a comparison.

    Attributes:
        curves: Of each arm, by name, in the order of the settings.
        summary: What they come to.
        stamp: Changes with them.
    """

    curves: Mapping[str, Sequence[Curve]]
    summary: Summary
    stamp: Stamp


def found(here: Visit, comparison: Comparison) -> Found:
    """Return curves and summary of a comparison with a point or more, that the person was just allowed to see."""
    return _found(stamp(here, comparison), runs(here, comparison), _order(comparison))


def _order(comparison: Comparison) -> tuple[str, ...]:
    return tuple(map(str, comparison.settings.get("strategies", ())))


@st.cache_resource(max_entries=MOST_KEPT, show_spinner="Working out the figures")
def _found(stamp: Stamp, _runs: Sequence[ComparisonRun], _order: Sequence[str]) -> Found:
    curves = by_arm(_runs, _order)
    every = [curve for arm in curves.values() for curve in arm]
    return Found(curves=curves, summary=summarize(every), stamp=stamp)


def about(summary: Summary, reference: str) -> Summary:
    """Return the same summary with its verdict about another arm."""
    asked = replace(summary, reference=reference)
    return replace(asked, verdict=verdict(asked))


def by_arm(runs: Sequence[ComparisonRun], order: Sequence[str]) -> dict[str, list[Curve]]:
    """Return the curves of each arm; arms in the order of the strategies as typed, then the others."""
    places = {name: place for place, name in enumerate(order)}
    arms: dict[str, list[Curve]] = {}
    for run in sorted(runs, key=lambda run: places.get(_strategy(run.arm), len(places))):
        if run.points:
            trains = run.arm.partition(TO)[2]
            arms.setdefault(run.arm, []).append(Curve.of(run.arm, run.seed, run.points, trains=trains))
    return arms


def _strategy(arm: str) -> str:
    return arm.split(TO)[0].partition(AUGMENT)[0]
