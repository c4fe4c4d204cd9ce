"""The charts of a comparison as Vega-Lite 5 specs: plain dicts, drawn by the page and by the report alike."""

from __future__ import annotations

from pipeline.statistics.charts.differences import difference_plot, differences_over_labels, share_ahead, win_loss
from pipeline.statistics.charts.lines import class_coverage, learning_curves, rare_class_recall
from pipeline.statistics.charts.looks import Look, looks
from pipeline.statistics.charts.others import MapPoint, queries_chart, seconds_per_round

__all__ = [
    "Look",
    "MapPoint",
    "class_coverage",
    "difference_plot",
    "differences_over_labels",
    "learning_curves",
    "looks",
    "queries_chart",
    "rare_class_recall",
    "seconds_per_round",
    "share_ahead",
    "win_loss",
]
