"""What runs have in common, where some are unfinished or missing: the largest block of seeds times label counts.

A comparison must not change what it measures from seed to seed. So it covers label counts up to one end, and the seeds
that have every one of them. Where runs stopped early the end could be later with fewer seeds or earlier with more; the
block with the most points is taken. It is chosen by what exists, never by how good it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.statistics.curves import Curve


@dataclass(frozen=True, kw_only=True)
class Block:
    """Seeds and label counts that all arms of a comparison have.

    Attributes:
        labels: Rising (P,).
        seeds: Rising (S,).
        left_out: Seeds that at least one arm has, but not all of them, or not for all of these labels.
        cut: Label counts that at least one run reached beyond these.
    """

    labels: tuple[int, ...]
    seeds: tuple[int, ...]
    left_out: tuple[int, ...]
    cut: tuple[int, ...]


def common_block(*arms: Sequence[Curve]) -> Block | None:
    """Return the largest block of the runs of one or more arms; None if they share no seed or no label count.

    >>> done, short = [Curve(arm="a", seed=s, labels=[10, 20, 30][:n], accuracy=[0.5] * n) for s, n in ((0, 3), (1, 1))]
    >>> common_block([done, short])
    Block(labels=(10, 20, 30), seeds=(0,), left_out=(1,), cut=())
    """
    held = [{curve.seed: frozenset(curve.labels) for curve in arm} for arm in arms]
    everything = {label for runs in held for labels in runs.values() for label in labels}
    grid = sorted(label for label in everything if all(any(label in run for run in runs.values()) for runs in held))
    shared = sorted(set.intersection(*(set(runs) for runs in held)))
    best: tuple[int, list[int], list[int]] | None = None
    for end in range(1, len(grid) + 1):
        wanted = set(grid[:end])
        seeds = [seed for seed in shared if all(wanted <= runs[seed] for runs in held)]
        if seeds and (best is None or len(seeds) * end >= best[0]):
            best = (len(seeds) * end, grid[:end], seeds)
    if best is None:
        return None
    _, labels, kept = best
    return Block(
        labels=tuple(labels),
        seeds=tuple(kept),
        left_out=tuple(sorted({seed for runs in held for seed in runs} - set(kept))),
        cut=tuple(sorted(everything - set(labels))),
    )


def accuracies(curves: Sequence[Curve], block: Block) -> NDArray[np.float64]:
    """Return the accuracy of each seed at each label count of a block (S, P)."""
    return np.array(values_at(curves, block, "accuracy"), dtype=np.float64)


def values_at(curves: Sequence[Curve], block: Block, figure: str) -> list[list[object]]:
    """Return a figure of each run at each label count of a block (S, P); rows are empty where it was not measured."""
    by_seed = {curve.seed: curve for curve in curves}
    rows = []
    for seed in block.seeds:
        curve = by_seed[seed]
        at = dict(zip(curve.labels, getattr(curve, figure), strict=False))
        rows.append([at[label] for label in block.labels] if at else [])
    return rows
