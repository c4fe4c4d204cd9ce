"""From the curves of all runs to what a person wants to know; see `summarize`.

Ways of a fair comparison: Lueth et al. (NeurIPS 2023), Munjal et al. (CVPR 2022), Werner et al. (CDALBench,
arXiv:2408.00426): many seeds, paired, all of them shown, corrected for the number of pairs, never a running maximum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from operator import attrgetter

import numpy as np

from pipeline.errors import DataError
from pipeline.statistics.blocks import Block, accuracies, common_block
from pipeline.statistics.coverage import classes_covered, mean_figure, rare_classes, rare_recall
from pipeline.statistics.curves import Curve, learning_curve_area
from pipeline.statistics.intervals import bootstrap_bands, t_interval
from pipeline.statistics.notes import notes_on
from pipeline.statistics.paired import Difference, holm, paired_difference
from pipeline.statistics.summary import ArmSummary, CurvePoint, DifferenceAt, Pair, Summary
from pipeline.statistics.targets import at_budget, default_budgets, default_targets, to_target
from pipeline.statistics.verdict import verdict

Arms = Mapping[str, Sequence[Curve]]


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What the caller asked for, with the defaults filled in."""

    budgets: tuple[int, ...]
    targets: tuple[float, ...]
    rare: tuple[int, ...]
    seeds: tuple[int, ...]
    last: int
    confidence: float
    seed: int


def summarize(
    curves: Iterable[Curve],
    *,
    reference: str | None = None,
    budgets: Sequence[int] | None = None,
    targets: Sequence[float] | None = None,
    rare: Sequence[int] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Summary:
    """Compare arms by the curves of their runs; finished or not, what all have in common is compared.

    Args:
        curves: Each arm with each seed at most once; the first seen arm comes first in tables.
        reference: The arm that the verdict is about; 'dfal' by default, or the first arm where there is none.
        budgets: Label counts to give accuracies at; four spread evenly by default.
        targets: Accuracies to give labels for, in (0, 1]; by default the three highest round ones that are reached.
        rare: Positions of the rare classes; by default those with few labels in the random arm or the seed sets.
        confidence: Of all intervals, in (0, 1); corrected p-values are judged against 1 - confidence.
        seed: Draws the bootstrap, and sign flips beyond 16 seeds.

    Raises:
        DataError: There is no curve, a run comes twice, or an argument is out of range.

    >>> runs = [Curve(arm=arm, seed=s, labels=[10, 20], accuracy=[0.5, 0.6 + s / 100 + bonus])
    ...         for arm, bonus in (("dfal", 0.1), ("random_sampling", 0.0)) for s in range(5)]
    >>> summarize(runs).pair("dfal", "random_sampling").winner
    'dfal'
    """
    arms = _by_arm(curves)
    if not 0 < confidence < 1:
        raise DataError(f"expected a confidence in (0, 1), got {confidence}")
    if reference is not None and reference not in arms:
        raise DataError(f"expected a reference among {', '.join(arms)}, got {reference!r}")
    blocks = {name: block for name, runs in arms.items() if (block := common_block(runs)) is not None}
    asked = _Asked(
        budgets=tuple(budgets) if budgets is not None else default_budgets(_all_labels(arms)),
        targets=tuple(targets) if targets is not None else default_targets(arms, blocks),
        rare=_rare(arms, rare),
        seeds=tuple(sorted({run.seed for runs in arms.values() for run in runs})),
        last=_all_labels(arms)[-1],
        confidence=confidence,
        seed=seed,
    )
    pairs = _corrected([pair for a, b in _to_compare(arms) if (pair := _pair(a, b, arms, asked)) is not None])
    summary = Summary(
        arms=tuple(_arm(name, arms[name], blocks[name], asked) for name in arms),
        pairs=tuple(pairs),
        reference=reference or ("dfal" if "dfal" in arms else next(iter(arms))),
        seeds=asked.seeds,
        confidence=confidence,
        rare_classes=asked.rare,
        classes=next((len(run.class_labels[0]) for runs in arms.values() for run in runs if run.class_labels), None),
        notes=notes_on(arms, blocks, pairs, _to_compare(arms)),
    )
    return replace(summary, verdict=verdict(summary))


def _by_arm(curves: Iterable[Curve]) -> dict[str, list[Curve]]:
    arms: dict[str, list[Curve]] = {}
    for curve in curves:
        runs = arms.setdefault(curve.arm, [])
        if any(run.seed == curve.seed for run in runs):
            raise DataError(f"expected each run once, got {curve.arm!r} with seed {curve.seed} twice; keep one")
        if runs and runs[0].trains != curve.trains:
            raise DataError(f"expected one network for all runs of {curve.arm!r}, got {runs[0].trains!r} and others")
        runs.append(curve)
    if not arms:
        raise DataError("expected the curves of one run or more, got none; wait for the first point")
    return {name: sorted(runs, key=attrgetter("seed")) for name, runs in arms.items()}


def _all_labels(arms: Arms) -> list[int]:
    return sorted({label for runs in arms.values() for run in runs for label in run.labels})


def _rare(arms: Arms, given: Sequence[int] | None) -> tuple[int, ...]:
    if given is None:
        return rare_classes(arms)
    known = min((len(row) for runs in arms.values() for run in runs for row in run.class_recall), default=None)
    if known is not None and not all(0 <= place < known for place in given):
        raise DataError(f"expected rare classes as positions in 0 to {known - 1}, got {list(given)}")
    return tuple(given)


def _to_compare(arms: Arms) -> list[tuple[str, str]]:
    """Return every two arms that train the same network."""
    return [(a, b) for a, b in combinations(arms, 2) if arms[a][0].trains == arms[b][0].trains]


def _arm(name: str, runs: Sequence[Curve], block: Block, asked: _Asked) -> ArmSummary:
    table = accuracies(runs, block)  # (S, P)
    return ArmSummary(
        name=name,
        trains=runs[0].trains,
        seeds=block.seeds,
        missing=tuple(seed for seed in asked.seeds if seed not in block.seeds),
        area=t_interval([learning_curve_area(block.labels, row) for row in table], asked.confidence, within=(0, 1)),
        final=t_interval(table[:, -1], asked.confidence, within=(0, 1)),
        curve=_mean_curve(runs, block, table, asked),
        budgets=tuple(at for budget in asked.budgets if (at := at_budget(runs, budget, asked.confidence)) is not None),
        targets=tuple(to_target(runs, target, asked.last) for target in asked.targets),
        query_seconds=_mean_time(runs, "query_seconds"),
        train_seconds=_mean_time(runs, "train_seconds"),
        runs={run.seed: tuple(zip(run.labels, run.accuracy, strict=True)) for run in runs},
    )


def _mean_curve(
    runs: Sequence[Curve], block: Block, table: np.ndarray[tuple[int, ...], np.dtype[np.float64]], asked: _Asked
) -> tuple[CurvePoint, ...]:
    bands = bootstrap_bands(table, confidence=asked.confidence, seed=asked.seed)
    columns = {
        "balanced_accuracy": mean_figure(runs, block, "balanced_accuracy"),
        "classes_covered": classes_covered(runs, block),
        "rare_recall": rare_recall(runs, block, asked.rare),
        "calibration_error": mean_figure(runs, block, "calibration_error"),
        "query_seconds": mean_figure(runs, block, "query_seconds"),
        "train_seconds": mean_figure(runs, block, "train_seconds"),
    }
    return tuple(
        CurvePoint(
            labels=label,
            mean=float(table[:, place].mean()),
            low=None if bands is None else float(bands[0][place]),
            high=None if bands is None else float(bands[1][place]),
            **{figure: values[place] for figure, values in columns.items()},
        )
        for place, label in enumerate(block.labels)
    )


def _mean_time(runs: Sequence[Curve], figure: str) -> float | None:
    known = [seconds for run in runs for seconds in getattr(run, figure) if seconds is not None]
    return float(np.mean(known)) if known else None


def _pair(a: str, b: str, arms: Arms, asked: _Asked) -> Pair | None:
    block = common_block(arms[a], arms[b])
    if block is None:
        return None
    first, second = accuracies(arms[a], block), accuracies(arms[b], block)  # (S, P)
    areas = [[learning_curve_area(block.labels, row) for row in table] for table in (first, second)]
    points = [_difference(first[:, place], second[:, place], asked) for place in range(len(block.labels))]
    return Pair(
        a=a,
        b=b,
        seeds=block.seeds,
        labels=(block.labels[0], block.labels[-1]),
        area=_difference(areas[0], areas[1], asked),
        final=points[-1],
        curve=tuple(
            DifferenceAt(labels=label, mean=point.mean, low=point.low, high=point.high, p_raw=point.p_raw)
            for label, point in zip(block.labels, points, strict=True)
        ),
        identical=bool((first == second).all()),
        alpha=round(1 - asked.confidence, 12),
    )


def _difference(a: object, b: object, asked: _Asked) -> Difference:
    return paired_difference(np.asarray(a), np.asarray(b), confidence=asked.confidence, seed=asked.seed)


def _corrected(pairs: Sequence[Pair]) -> list[Pair]:
    """Return pairs with p corrected over all of them: areas by themselves, final accuracies by themselves."""
    areas = holm([pair.area.p_raw for pair in pairs])
    finals = holm([pair.final.p_raw for pair in pairs])
    return [
        replace(pair, area=replace(pair.area, p=area), final=replace(pair.final, p=final))
        for pair, area, final in zip(pairs, areas, finals, strict=True)
    ]
