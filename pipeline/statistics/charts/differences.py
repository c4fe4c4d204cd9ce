"""Charts of paired differences: against a reference arm, over labels, and everybody against everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.statistics.charts.looks import GRAY, LOSS, SCHEMA, WIN, Spec, arm_scales, labels_axis, points_of
from pipeline.statistics.paired import Difference
from pipeline.statistics.summary import Pair, Summary

_OPEN = "cannot be told apart"


@dataclass(frozen=True)
class _Against:
    """A pair as the reference sees it: sign turns a minus b into reference minus other."""

    other: str
    pair: Pair
    sign: int


def difference_plot(summary: Summary, reference: str | None = None, *, width: int = 520) -> Spec | None:
    """Return the reference's lead over each other arm with its interval and a zero line; None if there is no pair.

    Filled: decided after correction. Hollow: not.
    """
    found = _against(summary, reference)
    if not found:
        return None
    rows = [_lead(against, summary.reference if reference is None else reference) for against in found]
    order = [row["arm"] for row in sorted(rows, key=lambda row: -row["difference"])]
    y: Spec = {"field": "arm", "type": "nominal", "sort": order, "title": None, "axis": {"labelLimit": 240}}
    color = {
        "field": "outcome", "type": "nominal", "title": None,
        "scale": {"domain": ["wins", "loses", _OPEN], "range": [WIN, LOSS, GRAY]},
        "legend": {"orient": "bottom", "direction": "horizontal"},
    }  # fmt: skip
    x: Spec = {
        "field": "difference", "type": "quantitative",
        "title": f"{_short(summary.reference if reference is None else reference)} ahead by (points of mean accuracy)",
        "axis": {"tickCount": 8, "labelOverlap": True},
    }  # fmt: skip
    hover = {"tooltip": {"field": "text"}, "description": {"field": "text"}}
    return {
        "$schema": SCHEMA,
        "description": "Paired differences",
        "data": {"values": rows},
        "width": width,
        "height": {"step": 26},
        "layer": [
            _zero("x"),
            {
                "mark": {"type": "rule", "strokeWidth": 2.5, "aria": False},
                "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": color},
            },
            {
                "mark": {"type": "point", "size": 95, "filled": True, "opacity": 1, "strokeWidth": 2},
                "encoding": {"y": y, "x": x, "color": color, **hover},
            },
        ],
    }


def differences_over_labels(summary: Summary, reference: str | None = None, *, width: int = 200) -> Spec | None:
    """Return the reference's lead at each label count, one small panel for each other arm; None if there is no pair.

    Intervals are for one label count alone.
    """
    found = _against(summary, reference)
    if not found:
        return None
    rows = [row for against in found for row in _lead_over_labels(against)]
    names = [against.other for against in found]
    colors = arm_scales(names)["color"] | {"legend": None}
    x = labels_axis(row["labels"] for row in rows)
    x["axis"] |= {"tickCount": 5, "labelFlush": False}
    y: Spec = {"field": "difference", "type": "quantitative", "title": "ahead by (points)"}
    return {
        "$schema": SCHEMA,
        "description": "Paired differences over labels",
        "data": {"values": rows},
        "facet": {"field": "arm", "type": "nominal", "sort": names, "title": None, "header": {"labelLimit": 200}},
        "columns": min(3, len(names)),
        "spec": {
            "width": width if len(names) > 1 else 2 * width,
            "height": 110,
            "layer": [
                {
                    "transform": [{"filter": "datum.low != null"}],
                    "mark": {"type": "area", "opacity": 0.22, "aria": False},
                    "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colors},
                },
                _zero("y"),
                {
                    "mark": {"type": "line", "strokeWidth": 2, "aria": False},
                    "encoding": {"x": x, "y": y, "color": colors},
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 22, "opacity": 1},
                    "encoding": {
                        "x": x, "y": y, "color": colors,
                        "tooltip": {"field": "text"}, "description": {"field": "text"},
                    },
                },
            ],
        },
    }  # fmt: skip


def win_loss(summary: Summary, *, step: int = 46) -> Spec | None:
    """Return who beats whom: the row's lead over the column in points, colored where it is decided."""
    rows = [cell for pair in summary.pairs for cell in (_cell(pair, 1), _cell(pair, -1))]
    if not rows:
        return None
    names = [arm.name for arm in summary.arms]
    color = {
        "field": "outcome", "type": "nominal", "title": "the row's arm", "legend": {"symbolType": "square"},
        "scale": {"domain": ["wins", "loses", _OPEN], "range": [WIN, LOSS, GRAY]},
    }  # fmt: skip
    return _matrix(rows, names, step, {"color": color, "opacity": _faint("datum.outcome == 'cannot be told apart'")})


def share_ahead(summary: Summary, *, step: int = 46) -> Spec | None:
    """Return at what share of label counts the row is ahead of the column by a t test, after BADGE and Lueth et al."""
    rows = [
        {"row": row, "column": column, "share": share, "shown": f"{share:.2f}".lstrip("0") if share else "0",
         "text": f"{row} is ahead of {column} at {share:.0%} of the label counts"}
        for pair in summary.pairs
        for row, column in ((pair.a, pair.b), (pair.b, pair.a))
        for share in (pair.share_ahead(row),)
    ]  # fmt: skip
    if not rows:
        return None
    opacity = {"field": "share", "type": "quantitative", "legend": None, "scale": {"domain": [0, 1], "range": [0.1, 1]}}
    return _matrix(rows, [arm.name for arm in summary.arms], step, {"color": {"value": WIN}, "opacity": opacity})


def _against(summary: Summary, reference: str | None) -> list[_Against]:
    hero = summary.reference if reference is None else reference
    return [
        _Against(pair.b if pair.a == hero else pair.a, pair, 1 if pair.a == hero else -1)
        for pair in summary.pairs
        if hero in (pair.a, pair.b)
    ]


def _lead(against: _Against, hero: str) -> Spec:
    area = against.pair.area
    low, high = _ends(area.low, area.high, against.sign)
    return {
        "arm": against.other,
        "difference": points_of(against.sign * area.mean),
        "low": low,
        "high": high,
        "outcome": _outcome(area, against.sign, against.pair.alpha),
        "text": f"{hero} against {against.other}: {_text(area, against.sign)}",
    }


def _lead_over_labels(against: _Against) -> list[Spec]:
    rows = []
    for at in against.pair.curve:
        low, high = _ends(at.low, at.high, against.sign)
        shown = "" if low is None else f" [{low:.1f}, {high:.1f}]"
        mean = points_of(against.sign * at.mean)
        text = f"{at.labels} labels: {mean:.1f}{shown} ahead of {against.other}"
        rows.append(
            {"arm": against.other, "labels": at.labels, "difference": mean, "low": low, "high": high, "text": text}
        )
    return rows


def _cell(pair: Pair, sign: int) -> Spec:
    row, column = (pair.a, pair.b)[::sign]
    return {
        "row": row,
        "column": column,
        "outcome": _outcome(pair.area, sign, pair.alpha),
        "shown": f"{points_of(sign * pair.area.mean):+.1f}".replace("-", "−"),
        "text": f"{row} against {column}: {_text(pair.area, sign)}",
    }


def _matrix(rows: Sequence[Spec], names: Sequence[str], step: int, fill: Spec) -> Spec:
    axis: Spec = {"labelLimit": 220, "domain": False, "ticks": False}
    x: Spec = {"field": "column", "type": "nominal", "sort": names, "scale": {"domain": names}, "title": None}
    y: Spec = {
        "field": "row",
        "type": "nominal",
        "sort": names,
        "scale": {"domain": names},
        "title": None,
        "axis": axis,
    }
    x["axis"] = {**axis, "orient": "top", "labelAngle": -40}
    return {
        "$schema": SCHEMA,
        "description": "Everybody against everybody",
        "data": {"values": list(rows)},
        "width": {"step": step},
        "height": {"step": max(26, step * 2 // 3)},
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "mark": {"type": "rect", "cornerRadius": 4},
                "encoding": {**fill, "tooltip": {"field": "text"}, "description": {"field": "text"}},
            },
            {
                "mark": {"type": "text", "aria": False, "tooltip": None},
                "encoding": {"text": {"field": "shown"}},
            },
        ],
    }


def _faint(test: str) -> Spec:
    return {"condition": {"test": test, "value": 0.16}, "value": 0.75}


def _zero(axis: str) -> Spec:
    return {
        "data": {"values": [{"zero": 0}]},
        "mark": {"type": "rule", "color": GRAY, "strokeDash": [4, 3], "aria": False},
        "encoding": {axis: {"field": "zero", "type": "quantitative"}},
    }


def _outcome(difference: Difference, sign: int, alpha: float) -> str:
    return {1: "wins", -1: "loses", 0: _OPEN}[sign * difference.decided(alpha)]


def _ends(low: float | None, high: float | None, sign: int) -> tuple[float | None, float | None]:
    if low is None or high is None:
        return None, None
    first, last = sorted((points_of(sign * low), points_of(sign * high)))
    return first, last


def _text(difference: Difference, sign: int) -> str:
    low, high = _ends(difference.low, difference.high, sign)
    interval = "" if low is None else f" [{low:.2f}, {high:.2f}]"
    p = "" if difference.p is None else f", corrected p {difference.p:.2g}"
    return f"{points_of(sign * difference.mean):+.2f} points{interval}{p}, {difference.seeds} seeds"


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:39]}…"
