"""The charts of a report, each with a name for its file and the words that say how to read it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.reports.contents import Report
from pipeline.statistics import charts
from pipeline.statistics.intervals import ENOUGH_SEEDS
from pipeline.statistics.summary import Summary

_WIDE = 740  # beside it stands a legend


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One chart.

    Attributes:
        name: Of its files, without an ending.
        title: Above it.
        caption: How to read it.
        spec: Vega-Lite.
    """

    name: str
    title: str
    caption: str
    spec: dict[str, Any]


def figures(report: Report) -> list[Figure]:
    """Return the charts that the figures of a comparison allow, in the order of the report."""
    return [
        Figure(name=name, title=title, caption=caption, spec=spec)
        for name, title, caption, spec in _all(report)
        if spec is not None
    ]


def _all(report: Report) -> Iterable[tuple[str, str, str, dict[str, Any] | None]]:
    summary = report.summary
    hero = summary.reference
    height = 380 if len(summary.arms) <= 6 else 460
    yield (
        "learning_curves",
        "Learning curves",
        _bands(summary),
        charts.learning_curves(summary, width=_WIDE, height=height),
    )
    yield (
        "differences", f"What {hero} gains, and loses",
        f"{hero} minus the other arm on the same seeds, by area, with {summary.confidence:.0%} intervals. Colored "
        "where the corrected p-value decides; gray where the arms cannot be told apart.",
        charts.difference_plot(summary, width=660),
    )  # fmt: skip
    yield (
        "differences_over_labels", "Where along the way",
        f"{hero} minus the other arm at each label count. Above the dashed line {hero} is ahead. Each interval is for "
        "one label count alone.",
        charts.differences_over_labels(summary, width=270),
    )  # fmt: skip
    yield (
        "win_loss", "Who beats whom",
        "The row's arm minus the column's, in points of area; colored where it is decided.",
        charts.win_loss(summary),
    )  # fmt: skip
    yield (
        "share_ahead", "For how much of the way",
        "Share of label counts at which the row's arm is ahead of the column's by a paired t test, not corrected "
        "(the pairwise penalty matrix of BADGE, used by Lueth et al., NeurIPS 2023).",
        charts.share_ahead(summary),
    )  # fmt: skip
    yield "seconds", "Time", "Mean of one round.", charts.seconds_per_round(summary, width=360)
    yield (
        "classes_covered", "Classes found",
        "Classes with at least one label; mean over the seeds.", charts.class_coverage(summary, width=_WIDE),
    )  # fmt: skip
    yield "rare_recall", "Rare classes", _rare(report), charts.rare_class_recall(summary, width=_WIDE)
    yield (
        "queries_map", "Where the queries lie",
        "Images near each other look alike to the network. Gray: a sample of the pool. The darker, the later asked.",
        charts.queries_chart(report.places, width=290),
    )  # fmt: skip


def _bands(summary: Summary) -> str:
    text = "Mean test accuracy of the models themselves, never the best so far."
    if any(arm.curve[0].low is not None for arm in summary.arms):
        text += f" Bands: {summary.confidence:.0%} bootstrap over the seeds, for each label count."
    if any(arm.curve[0].low is None for arm in summary.arms):
        text += f" With fewer than {ENOUGH_SEEDS} seeds there is no band: thin lines are single seeds."
    return text


def _rare(report: Report) -> str:
    names = [
        report.class_names[place] if place < len(report.class_names) else f"class {place}"
        for place in report.summary.rare_classes
    ]
    return f"Mean recall of the classes with few images: {', '.join(names)}."
