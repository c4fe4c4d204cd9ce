"""What each arm asked in one round of one seed, laid side by side for the Compare page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from db.records.comparisons import ComparisonPoint, ComparisonRun

MOST_TILES = 40


def seeds_of(runs: Sequence[ComparisonRun], arms: Sequence[str]) -> list[int]:
    """Return the seeds for which at least one of the arms has a point, in order."""
    return sorted({run.seed for run in runs if run.arm in arms and run.points})


def rounds_of(runs: Sequence[ComparisonRun], arms: Sequence[str], seed: int) -> int:
    """Return how many rounds the longest run of a seed has, that of the seed set included."""
    return max((len(run.points) for run in runs if run.arm in arms and run.seed == seed), default=0)


def asked(runs: Sequence[ComparisonRun], arms: Sequence[str], seed: int, turn: int) -> dict[str, ComparisonPoint]:
    """Return the point of each arm in a round (0: the seed set); arms that are not so far are left out."""
    found = {run.arm: run.points for run in runs if run.seed == seed}
    return {arm: found[arm][turn] for arm in arms if len(found.get(arm, ())) > turn}


def strips(points: Mapping[str, ComparisonPoint], classes: Mapping[int, str]) -> list[dict[str, Any]]:
    """Return what the wall of images shows, a strip an arm.

    Args:
        points: What was asked, by arm.
        classes: Class name by sample id, as far as it is known.
    """
    askers: dict[int, list[str]] = {}
    for arm, point in points.items():
        for sample in point.queried:
            askers.setdefault(sample, []).append(arm)
    return [_strip(arm, point, askers, classes) for arm, point in points.items()]


def _strip(
    arm: str, point: ComparisonPoint, askers: Mapping[int, Sequence[str]], classes: Mapping[int, str]
) -> dict[str, Any]:
    shown = point.queried[:MOST_TILES]
    more = len(point.queried) - len(shown)
    kinds = len({classes[sample] for sample in point.queried if sample in classes})
    parts = [f"{len(point.queried):,} images" if len(point.queried) != 1 else "1 image"]
    parts += [f"{kinds} classes" if kinds != 1 else "1 class"] if kinds else []
    parts += [f"then {point.accuracy:.1%} right"]
    parts += [f"the first {len(shown)} are shown"] if more else []
    tiles = [_tile(arm, sample, place, askers[sample], classes) for place, sample in enumerate(shown)]
    return {"title": arm, "detail": " · ".join(parts), "tiles": tiles}


def _tile(arm: str, sample: int, place: int, askers: Sequence[str], classes: Mapping[int, str]) -> dict[str, Any]:
    others = [other for other in askers if other != arm]
    note = f"Also asked by {', '.join(others)}" if others else ""
    name = classes.get(sample, "")
    alt = f"Image {sample}" + (f", {name}" if name else "") + f", asked as number {place + 1} by {arm}"
    return {"sample": sample, "caption": name or str(sample), "alt": f"{alt}. {note}" if note else alt, "note": note}
