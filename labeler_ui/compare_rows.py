"""The Compare page's tables as rows: figures in percent, intervals in brackets, what is not known as a dash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labeler_ui.compare_words import span
from pipeline.statistics import ENOUGH_SEEDS, ArmSummary, Curve, Difference, Estimate, Pair, Summary
from pipeline.statistics.targets import ToTarget, at_budget, to_target

Row = dict[str, Any]
Arms = Mapping[str, Sequence[Curve]]
NOTHING = "–"
SMALL_P = 0.001
AT_THE_END = ("Balanced, at the end", "Calibration error, at the end")


def area_rows(summary: Summary) -> list[Row]:
    """Return one row an arm: area under the curve, and how good its last models are, the best area first."""
    ordered = sorted(summary.arms, key=lambda arm: arm.area.mean, reverse=True)
    return [
        {
            "Strategy": arm.name,
            "Area": 100 * arm.area.mean,
            "Area, interval": interval(arm.area),
            "At the end": 100 * arm.final.mean,
            "At the end, interval": interval(arm.final),
            AT_THE_END[0]: _percent(arm.curve[-1].balanced_accuracy),
            AT_THE_END[1]: _percent(arm.curve[-1].calibration_error),
            "Labels": f"{arm.labels[0]:,} to {arm.labels[1]:,}",
            "Seeds": _seeds(arm),
        }
        for arm in ordered
    ]


def _seeds(arm: ArmSummary) -> str:
    total = len(arm.seeds) + len(arm.missing)
    return f"{total}" if not arm.missing else f"{len(arm.seeds)} of {total}"


def budget_rows(arms: Arms, budgets: Sequence[int], confidence: float) -> list[Row]:
    """Return one row an arm, with the accuracy of the newest model that each budget pays for."""
    rows = []
    for name, curves in arms.items():
        row: Row = {"Strategy": name}
        for budget in budgets:
            found = at_budget(curves, budget, confidence)
            row[f"{budget:,} labels"] = NOTHING if found is None else with_interval(found.accuracy)
        rows.append(row)
    return rows


def target_rows(arms: Arms, target: float) -> list[Row]:
    """Return one row an arm: how many labels it takes to reach an accuracy; the quickest first, then the others."""
    last = max(curve.labels[-1] for curves in arms.values() for curve in curves)
    found = {name: to_target(curves, target, last) for name, curves in arms.items()}
    ordered = sorted(found, key=lambda name: (found[name].median is None, found[name].median or 0))
    return [{"Strategy": name, **_target_row(found[name])} for name in ordered]


def _target_row(found: ToTarget) -> Row:
    ends = NOTHING if found.fewest is None or found.most is None else f"{found.fewest:,.0f} to {found.most:,.0f}"
    return {
        "Median labels": "not reached by half" if found.median is None else f"{found.median:,.0f}",
        "Reached by": f"{found.reached} of {found.seeds} seeds",
        "Labels of those": ends,
        "Not finished": str(found.unfinished) if found.unfinished else NOTHING,
    }


def pair_rows(summary: Summary, reference: str | None = None) -> list[Row]:
    """Return one row a pair, or those of a reference, told as 'other minus reference'; the largest difference first."""
    rows = []
    for pair in summary.pairs:
        if reference is None or reference in (pair.a, pair.b):
            turned = pair.a == reference
            rows.append(_pair_row(pair, -1 if turned else 1))
    return sorted(rows, key=lambda row: -float(row["Difference"]))


def _pair_row(pair: Pair, sign: int) -> Row:
    first, second = (pair.a, pair.b) if sign > 0 else (pair.b, pair.a)
    won, lost = (pair.area.wins, pair.area.losses) if sign > 0 else (pair.area.losses, pair.area.wins)
    return {
        "Strategy": first,
        "Against": second,
        "Difference": sign * 100 * pair.area.mean,
        "Interval": difference_interval(pair.area, sign),
        "p, corrected": p_words(pair.area.p),
        "Wins": f"{won} of {pair.area.seeds}",
        "Losses": f"{lost} of {pair.area.seeds}",
        "So": conclusion(pair),
    }


def win_rows(summary: Summary) -> list[Row]:
    """Return a square of arms: in how many seeds the row's area beat the column's, with a star where that decides."""
    names = [arm.name for arm in summary.arms]
    return [{"Strategy": first, **{second: _won(summary, first, second) for second in names}} for first in names]


def _won(summary: Summary, first: str, second: str) -> str:
    pair = None if first == second else summary.pair(first, second)
    if pair is None:
        return NOTHING
    wins = pair.area.wins if pair.a == first else pair.area.losses
    return f"{wins} of {pair.area.seeds}" + (" *" if pair.winner == first else "")


def conclusion(pair: Pair) -> str:
    """Return what a pair comes to, in a few words."""
    if pair.identical:
        return "no difference"
    if pair.winner is not None:
        return f"{pair.winner} is better"
    return "too few seeds" if pair.area.seeds < ENOUGH_SEEDS else "cannot be told"


def time_rows(summary: Summary) -> list[Row]:
    """Return one row an arm: what choosing and training took, and how they grew."""
    return [
        {
            "Strategy": arm.name,
            "Choosing, mean": _time(arm.query_seconds),
            "Choosing, last round": _time(arm.curve[-1].query_seconds),
            "Training, mean": _time(arm.train_seconds),
            "Training, last round": _time(arm.curve[-1].train_seconds),
        }
        for arm in summary.arms
    ]


def class_rows(arms: Arms, names: Sequence[str]) -> list[Row]:
    """Return one row a class: its labels and its recall at the end of each arm, as means over the seeds."""
    return [
        {
            "Class": name,
            **{f"{arm}: labels": _last(curves, "class_labels", place) for arm, curves in arms.items()},
            **{f"{arm}: recall": _percent(_last(curves, "class_recall", place)) for arm, curves in arms.items()},
        }
        for place, name in enumerate(names)
    ]


def _last(curves: Sequence[Curve], figure: str, place: int) -> float | None:
    tables = [getattr(curve, figure) for curve in curves]
    found = [table[-1][place] for table in tables if table and place < len(table[-1])]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if known else None


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _time(seconds: float | None) -> str:
    return NOTHING if seconds is None else span(seconds)


def interval(estimate: Estimate) -> str:
    """Return an interval in percent, or a dash where there are too few seeds for one.

    >>> interval(Estimate(mean=0.9, low=0.8812, high=0.9188, seeds=5))
    '88.1 to 91.9'
    """
    if estimate.low is None or estimate.high is None:
        return NOTHING
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}"


def with_interval(estimate: Estimate) -> str:
    """Return a mean and its interval in percent.

    >>> with_interval(Estimate(mean=0.9, low=0.8812, high=0.9188, seeds=5))
    '90.0 % [88.1, 91.9]'
    """
    if estimate.low is None or estimate.high is None:
        return f"{100 * estimate.mean:.1f} %"
    return f"{100 * estimate.mean:.1f} % [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def difference_interval(difference: Difference, sign: int) -> str:
    """Return a difference's interval in points, turned around for a sign of -1."""
    if difference.low is None or difference.high is None:
        return NOTHING
    low, high = sorted((sign * 100 * difference.low, sign * 100 * difference.high))
    return f"{low:+.1f} to {high:+.1f}"


def p_words(p: float | None) -> str:
    """Return a p-value as tables have it.

    >>> p_words(None), p_words(0.0002), p_words(0.0312)
    ('–', '< 0.001', '0.031')
    """
    if p is None:
        return NOTHING
    return f"< {SMALL_P}" if p < SMALL_P else f"{p:.3f}"
