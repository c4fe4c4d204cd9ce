"""What a comparison left out, in plain sentences: unfinished and missing runs are never hidden, and never filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipeline.statistics.blocks import Block
from pipeline.statistics.curves import Curve
from pipeline.statistics.summary import Pair


def notes_on(
    arms: Mapping[str, Sequence[Curve]],
    blocks: Mapping[str, Block],
    pairs: Sequence[Pair],
    wanted: Sequence[tuple[str, str]],
) -> tuple[str, ...]:
    """Return sentences about runs that are missing or too short, and pairs that could not be compared."""
    return (*_on_arms(arms, blocks), *_on_pairs(pairs, wanted))


def _on_arms(arms: Mapping[str, Sequence[Curve]], blocks: Mapping[str, Block]) -> Iterable[str]:
    seeds = {run.seed for runs in arms.values() for run in runs}
    last = max(run.labels[-1] for runs in arms.values() for run in runs)
    for name, block in blocks.items():
        missing = seeds - {run.seed for run in arms[name]}
        if missing:
            yield f"{name} has no run with {_seeds(missing)} yet."
        if block.left_out:
            ends = ", ".join(
                f"seed {run.seed} stopped at {run.labels[-1]}" for run in arms[name] if run.seed in block.left_out
            )
            yield f"The curve and area of {name} leave out unfinished runs: {ends} labels."
        if block.labels[-1] < last:
            yield f"{name} was followed to {block.labels[-1]} labels only, not to {last}: its area covers less."


def _on_pairs(pairs: Sequence[Pair], wanted: Sequence[tuple[str, str]]) -> Iterable[str]:
    compared = {(pair.a, pair.b) for pair in pairs}
    for a, b in wanted:
        if (a, b) not in compared:
            yield f"{a} and {b} could not be compared: they have no seed, or no label count, in common."


def _seeds(seeds: Iterable[int]) -> str:
    ordered = sorted(seeds)
    return f"seed{'s' * (len(ordered) > 1)} {', '.join(map(str, ordered))}"
