"""Pictures of the Quality page: alpha with its marks, and who says what where another says something else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler_ui.quality_words import RELIABLE, TENTATIVE
from labeler_ui.theme import INDIGO
from pipeline.statistics import Agreement

MOST_CLASSES = 30
GRAY = "#8b8fa8"  # can be seen on light and on dark


def alpha_chart(rows: Sequence[tuple[str, Agreement]]) -> Any:
    """Return alpha and its interval for each row of (name, agreement) that has one, as an Altair chart."""
    import altair  # takes half a second: only when somebody looks

    values: list[dict[str, Any]] = [
        {
            "name": name,
            "alpha": found.alpha,
            "low": _end(found.low, found),
            "high": _end(found.high, found),
            "images": found.items,
        }
        for name, found in rows
        if found.alpha is not None
    ]
    lowest = min([0.0, *(row["low"] for row in values)])
    across = altair.Scale(domain=[lowest, 1.0], nice=False)
    order = [row["name"] for row in values]
    base = altair.Chart({"values": values}).encode(
        y=altair.Y("name:N", sort=order, title=None, axis=altair.Axis(labelLimit=220, domain=False, ticks=False)),
        tooltip=[
            altair.Tooltip("name:N", title="Which"),
            altair.Tooltip("alpha:Q", format=".2f", title="Alpha"),
            altair.Tooltip("low:Q", format=".2f", title="From"),
            altair.Tooltip("high:Q", format=".2f", title="to"),
            altair.Tooltip("images:Q", title="Images compared"),
        ],
    )
    axis = altair.Axis(tickCount=5, title="Krippendorff's alpha, 95 % interval", domain=False, ticks=False)
    spread = base.mark_rule(strokeWidth=3, color=GRAY).encode(x=altair.X("low:Q", scale=across, axis=axis), x2="high:Q")
    dots = base.mark_point(size=90, filled=True, opacity=1).encode(x=altair.X("alpha:Q", scale=across))
    marks = [{"at": TENTATIVE, "word": "tentative"}, {"at": RELIABLE, "word": "reliable"}]
    lines = altair.Chart({"values": marks}).mark_rule(strokeDash=[4, 4], color=GRAY).encode(x="at:Q")
    return (lines + spread + dots).properties(height=max(90, 30 * len(values) + 50))


def _end(value: float | None, found: Agreement) -> float:
    return float(found.alpha or 0.0) if value is None else value


def confusion_chart(
    counts: NDArray[np.int64], names: Sequence[str], first: str, second: str, *, ink: str = GRAY
) -> Any:
    """Return counts (K, K) as a heat map; agreement lies on the diagonal, the strength is the share of a row.

    Args:
        counts: images by what one says (rows) and another says (columns).
        names: of the classes, in the order of the counts.
        first: what the rows are.
        second: what the columns are.
        ink: color of the numbers on pale tiles: the page's own text color.
    """
    import altair

    places = most_confused(counts)
    total = np.maximum(counts.sum(axis=1), 1)
    values = [
        {
            "first": names[row],
            "second": names[column],
            "images": int(counts[row, column]),
            "share": float(counts[row, column] / total[row]),
        }
        for row in places
        for column in places
    ]
    order = [names[place] for place in places]
    axis = altair.Axis(labelLimit=140, domain=False, ticks=False)
    base = altair.Chart({"values": values}).encode(
        x=altair.X("second:N", sort=order, title=second, axis=axis),
        y=altair.Y("first:N", sort=order, title=first, axis=axis),
        tooltip=[
            altair.Tooltip("first:N", title=first),
            altair.Tooltip("second:N", title=second),
            altair.Tooltip("images:Q", title="Images"),
        ],
    )
    strength = altair.Opacity("share:Q", scale=altair.Scale(domain=[0, 1], range=[0.05, 1]), legend=None)
    tiles = base.mark_rect(cornerRadius=3, color=INDIGO).encode(opacity=strength)
    dark = altair.condition("datum.share > 0.5", altair.value("white"), altair.value(ink))
    numbers = base.mark_text(fontSize=12).encode(text="images:Q", color=dark).transform_filter("datum.images > 0")
    side = min(560, 44 * len(places) + 90)
    return (tiles + numbers).properties(height=side)


def most_confused(counts: NDArray[np.int64]) -> list[int]:
    """Return the places of the classes to draw, in their order: all, or those with the most confusion."""
    used = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    if len(used) <= MOST_CLASSES:
        return [int(place) for place in used]
    off = counts + counts.T - 2 * np.diag(np.diag(counts))
    worst = used[np.argsort(-off.sum(axis=1)[used], kind="stable")[:MOST_CLASSES]]
    return sorted(int(place) for place in worst)
