"""Charts of time, and of where the queries lie among the images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.statistics.charts.looks import GRAY, SCHEMA, Spec, looks
from pipeline.statistics.summary import Summary


@dataclass(frozen=True, kw_only=True)
class MapPoint:
    """One image on the map of queries.

    Attributes:
        x: First coordinate of the projection.
        y: Second.
        class_name: Its class.
        arm: The arm that asked for it; None for an image of the pool that is only background.
        round: Round in which it was asked, 0 for the seed set; None for background.
    """

    x: float
    y: float
    class_name: str
    arm: str | None = None
    round: int | None = None


def seconds_per_round(summary: Summary, *, width: int = 250) -> Spec | None:
    """Return the mean time of a ranking and of a training for each arm, side by side; None if not measured."""
    names = [arm.name for arm in summary.arms]
    times = {
        "ranking": {arm.name: arm.query_seconds for arm in summary.arms},
        "training": {arm.name: arm.train_seconds for arm in summary.arms},
    }
    panels = [
        _bars(kind, {arm: value for arm, value in found.items() if value is not None}, names, width)
        for kind, found in times.items()
        if any(value is not None for value in found.values())
    ]
    if not panels:
        return None
    panels[-1]["encoding"]["y"]["axis"] = {"labels": len(panels) == 1, "labelLimit": 240}
    return {"$schema": SCHEMA, "description": "Time for one round", "hconcat": panels, "spacing": 30}


def _bars(kind: str, seconds: Mapping[str, float], names: Sequence[str], width: int) -> Spec:
    found = looks(names)
    rows = [
        {"arm": arm, "seconds": value, "shown": _seconds(value), "text": f"{arm}: {_seconds(value)} for one {kind}"}
        for arm, value in seconds.items()
    ]
    color = {
        "field": "arm", "type": "nominal", "legend": None,
        "scale": {"domain": list(names), "range": [found[name].color for name in names]},
    }  # fmt: skip
    scale = {"domain": [0, max(1e-6, 1.3 * max(seconds.values()))], "nice": False}  # room for the figures
    return {
        "data": {"values": rows},
        "width": width,
        "height": {"step": 24},
        "encoding": {
            "y": {
                "field": "arm", "type": "nominal", "scale": {"domain": list(names)}, "title": None,
                "axis": {"labelLimit": 240},
            },
            "x": {
                "field": "seconds", "type": "quantitative", "title": f"seconds for one {kind}", "scale": scale,
                "axis": {"grid": False, "tickCount": 5},
            },
        },
        "layer": [
            {
                "mark": {"type": "bar", "height": 14, "cornerRadiusEnd": 4},
                "encoding": {"color": color, "tooltip": {"field": "text"}, "description": {"field": "text"}},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 5, "aria": False},
                "encoding": {"text": {"field": "shown"}},
            },
        ],
    }  # fmt: skip


def queries_chart(
    points: Iterable[MapPoint], *, color: Literal["round", "class"] = "round", width: int = 270
) -> Spec | None:
    """Return where each arm's queries lie, a panel an arm over the same gray pool; None if nothing was asked.

    Args:
        points: Queries of one seed, and some of the pool as background.
        color: Early and late rounds, or classes.
        width: Of a panel; as high as wide.
    """
    found = list(points)
    asked = [_query(point) for point in found if point.arm is not None]
    if not asked:
        return None
    pool = [
        {"x": round(point.x, 3), "y": round(point.y, 3), "class": point.class_name}
        for point in found
        if point.arm is None
    ]
    arms = list(dict.fromkeys(row["arm"] for row in asked))
    background = [{**row, "arm": arm} for arm in arms for row in pool]
    place: Spec = {
        axis: {"field": axis, "type": "quantitative", "axis": None, "scale": {"zero": False}} for axis in ("x", "y")
    }
    return {
        "$schema": SCHEMA,
        "description": "Where the queries lie",
        "data": {"values": background + asked},
        "facet": {"field": "arm", "type": "nominal", "sort": arms, "title": None, "header": {"labelLimit": 250}},
        "columns": min(3, len(arms)),
        "spec": {
            "width": width,
            "height": width,
            "encoding": place,
            "layer": [
                {
                    "transform": [{"filter": "datum.round == null"}],
                    "mark": {
                        "type": "point",
                        "filled": True,
                        "size": 10,
                        "opacity": 0.22,
                        "color": GRAY,
                        "aria": False,
                    },
                },
                {
                    "transform": [{"filter": "datum.round != null"}],
                    "mark": {"type": "point", "filled": True, "size": 38, "opacity": 0.95},
                    "encoding": {
                        "color": _by_round() if color == "round" else _by_class(),
                        "tooltip": {"field": "text"},
                        "description": {"field": "text"},
                    },
                },
            ],
        },
    }


def _query(point: MapPoint) -> Spec:
    asked = "the seed set" if point.round == 0 else f"round {point.round}"
    return {
        "x": round(point.x, 3),
        "y": round(point.y, 3),
        "class": point.class_name,
        "arm": point.arm,
        "round": point.round,
        "text": f"{point.class_name}, asked in {asked}",
    }


def _by_round() -> Spec:
    scale = {"scheme": "viridis", "reverse": True, "domainMin": 0}
    return {"field": "round", "type": "quantitative", "title": "round", "scale": scale}


def _by_class() -> Spec:
    return {"field": "class", "type": "nominal", "title": "class", "scale": {"scheme": "tableau20"}}


def _seconds(value: float) -> str:
    """Return a time with as many digits as matter.

    >>> _seconds(0.0042), _seconds(3.14159), _seconds(312.4)
    ('4.2 ms', '3.1 s', '312 s')
    """
    if value < 1:
        return f"{1000 * value:.2g} ms" if value < 0.0995 else f"{1000 * value:.0f} ms"
    return f"{value:.1f} s" if value < 100 else f"{value:.0f} s"
