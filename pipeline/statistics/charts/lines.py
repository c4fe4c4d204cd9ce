"""Charts over the number of labels: learning curves with bands, classes covered, recall of rare classes."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.statistics.charts.looks import SCHEMA, Spec, arm_scales, labels_axis, points_of
from pipeline.statistics.summary import ArmSummary, CurvePoint, Summary

_MANY_ARMS = 6  # with more, bands hide each other and are drawn fainter


def learning_curves(summary: Summary, *, width: int = 620, height: int = 380) -> Spec:
    """Return mean accuracy over labels with bootstrap bands; single runs, thin, for arms with too few seeds for one.

    With a transfer there is one panel for each network.
    """
    names = [arm.name for arm in summary.arms]
    scales = arm_scales(names)
    x = labels_axis(point.labels for arm in summary.arms for point in arm.curve)
    y: Spec = {
        "field": "accuracy", "type": "quantitative", "title": "test accuracy (%)", "scale": {"zero": False},
    }  # fmt: skip
    line = {key: scales[key] for key in ("color", "strokeDash")}
    band_opacity = 0.18 if len(names) <= _MANY_ARMS else 0.09
    layers: list[Spec] = [
        {
            "transform": [{"filter": "datum.kind == 'mean' && datum.low != null"}],
            "mark": {"type": "area", "opacity": band_opacity, "aria": False},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": scales["color"]},
        },
        {
            "transform": [{"filter": "datum.kind == 'run'"}],
            "mark": {"type": "line", "strokeWidth": 1, "opacity": 0.35, "aria": False},
            "encoding": {"x": x, "y": y, **line, "detail": {"field": "seed"}},
        },
        {
            "transform": [{"filter": "datum.kind == 'mean'"}],
            "mark": {"type": "line", "strokeWidth": 2.2, "aria": False},
            "encoding": {"x": x, "y": y, **line, "opacity": _picked()},
        },
        {
            "params": [_legend_pick()],
            "transform": [{"filter": "datum.kind == 'mean'"}],
            "mark": {"type": "point", "filled": True, "size": 46, "opacity": 1},
            "encoding": {
                "x": x, "y": y, "color": scales["color"], "shape": scales["shape"], "opacity": _picked(), **_hover(),
            },
        },
    ]  # fmt: skip
    values = [row for arm in summary.arms for row in _curve_rows(arm)]
    return _panels(summary, values, layers, width, height, "Learning curves")


def class_coverage(summary: Summary, *, width: int = 620, height: int = 260) -> Spec | None:
    """Return classes with a label or more over labels; None if no run counted them."""
    title = f"classes with a label (of {summary.classes})"
    return _figure(summary, lambda point: point.classes_covered, title, "Classes covered", width, height)


def rare_class_recall(summary: Summary, *, width: int = 620, height: int = 300) -> Spec | None:
    """Return the mean recall of the rare classes over labels; None if no class is rare or nothing was measured."""

    def percent(point: CurvePoint) -> float | None:
        return None if point.rare_recall is None else points_of(point.rare_recall)

    count = len(summary.rare_classes)
    title = f"recall of the {count} rare classes (%)" if count > 1 else "recall of the rare class (%)"
    return _figure(summary, percent, title, "Rare classes", width, height)


def _curve_rows(arm: ArmSummary) -> list[Spec]:
    means = [
        {
            "kind": "mean", "arm": arm.name, "network": _panel(arm.trains), "labels": point.labels,
            "accuracy": points_of(point.mean),
            "low": None if point.low is None else points_of(point.low),
            "high": None if point.high is None else points_of(point.high),
            "text": _words(arm, point),
        }
        for point in arm.curve
    ]  # fmt: skip
    if arm.curve[0].low is not None or len(arm.runs) < 2:
        return means
    runs = [
        {
            "kind": "run", "arm": arm.name, "network": _panel(arm.trains), "seed": seed, "labels": labels,
            "accuracy": points_of(accuracy),
        }
        for seed, points in arm.runs.items()
        for labels, accuracy in points
    ]  # fmt: skip
    return runs + means


def _words(arm: ArmSummary, point: CurvePoint) -> str:
    text = f"{arm.name}, {point.labels} labels: {points_of(point.mean):.1f} %"
    if point.low is not None and point.high is not None:
        text += f" [{points_of(point.low):.1f}, {points_of(point.high):.1f}]"
    return f"{text}, {len(arm.seeds)} seed{'s' * (len(arm.seeds) != 1)}"


def _figure(
    summary: Summary, read: Callable[[CurvePoint], float | None], title: str, name: str, width: int, height: int
) -> Spec | None:
    values: list[Spec] = [
        {
            "arm": arm.name, "network": _panel(arm.trains), "labels": point.labels, "value": value,
            "text": f"{arm.name}, {point.labels} labels: {value:.1f}",
        }
        for arm in summary.arms
        for point in arm.curve
        if (value := read(point)) is not None
    ]  # fmt: skip
    if not values:
        return None
    scales = arm_scales([arm.name for arm in summary.arms if any(row["arm"] == arm.name for row in values)])
    x = labels_axis(int(row["labels"]) for row in values)
    y: Spec = {"field": "value", "type": "quantitative", "title": title, "scale": {"zero": False}}
    layers: list[Spec] = [
        {
            "mark": {"type": "line", "strokeWidth": 2.2, "aria": False},
            "encoding": {
                "x": x, "y": y, "color": scales["color"], "strokeDash": scales["strokeDash"], "opacity": _picked(),
            },
        },
        {
            "params": [_legend_pick()],
            "mark": {"type": "point", "filled": True, "size": 40, "opacity": 1},
            "encoding": {
                "x": x, "y": y, "color": scales["color"], "shape": scales["shape"], "opacity": _picked(), **_hover(),
            },
        },
    ]  # fmt: skip
    return _panels(summary, values, layers, width, height, name)


def _panels(summary: Summary, values: list[Spec], layers: list[Spec], width: int, height: int, name: str) -> Spec:
    """Return layers over values, one panel for each network that was trained."""
    networks = list(dict.fromkeys(_panel(arm.trains) for arm in summary.arms))
    head: Spec = {"$schema": SCHEMA, "description": name, "data": {"values": values}}
    if len(networks) == 1:
        return {**head, "width": width, "height": height, "layer": layers}
    return {
        **head,
        "facet": {"column": {"field": "network", "type": "nominal", "sort": networks, "title": None}},
        "spec": {"width": width // 2, "height": height, "layer": layers},
    }


def _panel(trains: str) -> str:
    return f"trains {trains}" if trains else "trains the network that asks"


def _hover() -> Spec:
    """Return hover text for pages, and the same as a description for pictures without a script."""
    return {"tooltip": {"field": "text", "type": "nominal"}, "description": {"field": "text", "type": "nominal"}}


def _legend_pick() -> Spec:
    return {"name": "arm_picked", "select": {"type": "point", "fields": ["arm"]}, "bind": "legend"}


def _picked() -> Spec:
    return {"condition": {"param": "arm_picked", "value": 1}, "value": 0.12}
