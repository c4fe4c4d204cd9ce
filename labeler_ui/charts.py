"""The accuracy curve: what the model gets right after so many labels, with the interval that the images allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from db.records import Counts, RoundSummary
from pipeline.statistics import wilson_interval


@dataclass(frozen=True, kw_only=True)
class Point:
    """One model: accuracy in [0, 1] on `total` images, with its 95 % interval."""

    round: int
    labels: int
    accuracy: float
    low: float
    high: float
    total: int
    source: str


def accuracy_points(rounds: Sequence[RoundSummary], counts: Counts) -> list[Point]:
    """Return one point for each round whose model was measured; the test split where there is one, else the holdout."""
    points = [_point(turn, counts) for turn in sorted(rounds, key=lambda turn: turn.number)]
    return [point for point in points if point is not None]


def _point(turn: RoundSummary, counts: Counts) -> Point | None:
    if turn.test_accuracy is not None and counts.test:
        total, source = counts.test, "test"
        accuracy = turn.test_accuracy
        correct = round(accuracy * total)
    elif turn.holdout is not None and turn.holdout.total:
        correct, total, source = turn.holdout.correct, turn.holdout.total, "holdout"
        accuracy = correct / total
    else:
        return None
    low, high = wilson_interval(correct, total)
    labels = turn.labels_before if turn.labels_used is None else turn.labels_used
    return Point(round=turn.number, labels=labels, accuracy=accuracy, low=low, high=high, total=total, source=source)


def accuracy_chart(points: Sequence[Point]) -> Any:
    """Return the curve with its band as an Altair chart."""
    import altair  # takes half a second: only when somebody looks

    rows = [
        {
            "Labels": point.labels,
            "Accuracy": point.accuracy,
            "low": point.low,
            "high": point.high,
            "Round": point.round,
            "Interval": f"{point.low:.1%} to {point.high:.1%}",
        }
        for point in points
    ]
    floor = max(0.0, min(point.low for point in points) - 0.05)
    axis = altair.Axis(format="%", tickCount=5, title=None, domain=False, ticks=False)
    height: dict[str, Any] = {"scale": altair.Scale(domain=[floor, 1.0], nice=False), "axis": axis}
    across: dict[str, Any] = {
        "title": "Labels the model learned from",
        "scale": altair.Scale(padding=12, zero=False),
        "axis": altair.Axis(tickMinStep=1, tickCount=8, grid=False),
    }
    base = altair.Chart({"values": rows}).encode(x=altair.X("Labels:Q", **across))
    between = base.encode(y=altair.Y("low:Q", **height), y2="high:Q")
    many = len(points) > 1
    spread = between.mark_area(opacity=0.16, interpolate="monotone") if many else between.mark_rule(strokeWidth=2)
    dots = altair.OverlayMarkDef(size=64, filled=True)
    line = base.mark_line(strokeWidth=2.5, interpolate="monotone", point=dots).encode(
        y=altair.Y("Accuracy:Q", **height),
        tooltip=[
            altair.Tooltip("Round:Q"),
            altair.Tooltip("Labels:Q"),
            altair.Tooltip("Accuracy:Q", format=".1%"),
            altair.Tooltip("Interval:N", title="95 % interval"),
        ],
    )
    return (spread + line).properties(height=300)
