"""The figures of a comparison as files for other programs: JSON, and CSV of points, areas and pairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from operator import attrgetter
from typing import Any

from pipeline.reports.cells import csv_text
from pipeline.statistics.curves import Curve
from pipeline.statistics.paired import Difference
from pipeline.statistics.summary import ArmSummary, Pair, Summary


def to_json(summary: Summary, *, device: str, versions: Mapping[str, str]) -> dict[str, Any]:
    """Return a comparison as plain values for `json.dumps`.

    `p` of a pair is corrected for all pairs (Holm) and is the one to judge by; `p_raw` is not.

    Args:
        summary: Of `summarize`.
        device: Where it ran, in words.
        versions: Of what it ran with, by name.
    """
    return {
        "arms": [_arm(arm) for arm in summary.arms],
        "paired": [_pair(pair) for pair in summary.pairs],
        "verdict": summary.verdict,
        "notes": list(summary.notes),
        "reference": summary.reference,
        "seeds": list(summary.seeds),
        "confidence": summary.confidence,
        "rare_classes": list(summary.rare_classes),
        "device": device,
        "versions": dict(versions),
    }


def points_csv(curves: Iterable[Curve]) -> str:
    """Return every point of every run, one a line; recalls and labels of classes in columns of their own."""
    found = sorted(curves, key=attrgetter("arm", "seed"))
    classes = max((len(row) for curve in found for row in (*curve.class_recall, *curve.class_labels)), default=0)
    per_class = [f"{figure}_{place}" for figure in ("recall", "labels") for place in range(classes)]
    header = ["arm", "trains", "seed", "labels", "accuracy", *_SIMPLE, *per_class]
    return csv_text(header, [_point(curve, place, classes) for curve in found for place in range(len(curve.labels))])


def areas_csv(summary: Summary) -> str:
    """Return the area and final accuracy of each arm, one a line."""
    header = [
        "arm", "trains", "seeds", "labels_from", "labels_to", "area", "area_low", "area_high",
        "final", "final_low", "final_high", "query_seconds", "train_seconds",
    ]  # fmt: skip
    return csv_text(
        header,
        [
            (
                arm.name, arm.trains, len(arm.seeds), *arm.labels, arm.area.mean, arm.area.low, arm.area.high,
                arm.final.mean, arm.final.low, arm.final.high, arm.query_seconds, arm.train_seconds,
            )
            for arm in summary.arms
        ],
    )  # fmt: skip


def paired_csv(summary: Summary) -> str:
    """Return every pair, one a line: differences of area and of final accuracy."""
    figures = ("difference", "low", "high", "p", "p_raw", "p_exact")
    header = ["a", "b", "seeds", "labels_from", "labels_to", *figures, *(f"final_{name}" for name in figures), "winner"]
    return csv_text(
        header,
        [
            (pair.a, pair.b, len(pair.seeds), *pair.labels, *_cells(pair.area), *_cells(pair.final), pair.winner)
            for pair in summary.pairs
        ],
    )


_SIMPLE = ("balanced_accuracy", "calibration_error", "query_seconds", "train_seconds")


def _point(curve: Curve, place: int, classes: int) -> list[object]:
    simple = [values[place] if (values := getattr(curve, figure)) else None for figure in _SIMPLE]
    recalls, labels = (rows[place] if rows else () for rows in (curve.class_recall, curve.class_labels))
    padded = [cell for row in (recalls, labels) for cell in (*row, *[None] * (classes - len(row)))]
    return [curve.arm, curve.trains, curve.seed, curve.labels[place], curve.accuracy[place], *simple, *padded]


def _cells(difference: Difference) -> tuple[float | None, ...]:
    return (difference.mean, difference.low, difference.high, difference.p, difference.p_raw, difference.p_exact)


def _arm(arm: ArmSummary) -> dict[str, Any]:
    return {
        "strategy": arm.name,
        "trains": arm.trains,
        "seeds": list(arm.seeds),
        "missing_seeds": list(arm.missing),
        "area": arm.area.mean,
        "area_low": arm.area.low,
        "area_high": arm.area.high,
        "final": asdict(arm.final),
        "curve": [asdict(point) for point in arm.curve],
        "budgets": [{"labels": at.labels, **asdict(at.accuracy)} for at in arm.budgets],
        "targets": [asdict(target) for target in arm.targets],
        "query_seconds": arm.query_seconds,
        "train_seconds": arm.train_seconds,
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "a": pair.a,
        "b": pair.b,
        **_difference(pair.area),
        "seeds": list(pair.seeds),
        "labels": list(pair.labels),
        "wins": pair.area.wins,
        "losses": pair.area.losses,
        "winner": pair.winner,
        "final": _difference(pair.final),
        "curve": [{"labels": at.labels, "difference": at.mean, "low": at.low, "high": at.high} for at in pair.curve],
    }


def _difference(difference: Difference) -> dict[str, float | None]:
    names = ("difference", "low", "high", "p", "p_raw", "p_exact")
    return dict(zip(names, _cells(difference), strict=True))
