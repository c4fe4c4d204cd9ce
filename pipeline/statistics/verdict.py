"""The answer in plain words; the corrected p-value decides, and too few seeds decide nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.statistics.intervals import ENOUGH_SEEDS
from pipeline.statistics.summary import Pair, Summary


def verdict(summary: Summary) -> str:
    """Return what a comparison says about its reference arm, a paragraph of a few sentences.

    With a transfer, the same is said about each network that was trained.
    """
    groups = dict.fromkeys(arm.trains for arm in summary.arms)
    return " ".join(sentence for trains in groups for sentence in _about(summary, trains))


def _about(summary: Summary, trains: str) -> Iterable[str]:
    names = [arm.name for arm in summary.arms if arm.trains == trains]
    hero = _hero(names, summary.reference, trains)
    if len(names) == 1:
        yield f"{hero} is the only arm{trains and f' that trains {trains}'}: there is nothing to compare it with."
        return
    pairs = [pair for name in names if name != hero and (pair := summary.pair(hero, name)) is not None]
    if not pairs:
        yield f"{hero} shares no seed with another arm yet: nothing can be compared."
        return
    early = [pair for pair in pairs if len(pair.seeds) < ENOUGH_SEEDS and not pair.identical]
    yield from _decided(hero, [pair for pair in pairs if pair not in early])
    yield from _too_early(hero, early)
    yield _how(summary, pairs)


def _hero(names: Sequence[str], reference: str, trains: str) -> str:
    wanted = reference if reference in names else f"{reference} to {trains}"
    return wanted if wanted in names else names[0]


def _decided(hero: str, pairs: Sequence[Pair]) -> Iterable[str]:
    """Yield one sentence about the pairs with enough seeds; best news first, worst news in full."""
    if not pairs:
        return
    seeds = {len(pair.seeds) for pair in pairs}
    each = len(seeds) > 1
    pairs = sorted(pairs, key=lambda pair: -pair.area.mean if pair.a == hero else pair.area.mean)
    beaten = [pair for pair in pairs if pair.winner == hero]
    lost = [pair for pair in pairs if pair.winner not in (hero, None)]
    same = [pair for pair in pairs if pair.identical]
    open_ = [pair for pair in pairs if pair.winner is None and not pair.identical]
    parts = []
    if beaten:
        parts.append("beats " + _listed(f"{_other(p, hero)} by {_points(p, hero, each)}" for p in beaten))
    if lost:
        parts.append("loses to " + _listed(f"{_other(p, hero)} by {_points(p, hero, each, -1)}" for p in lost))
    if open_:
        parts.append("does not beat " + _listed(f"{_other(p, hero)}: {_points(p, hero, each, unit='')}" for p in open_))
    if same:
        parts.append("shows no difference from " + _listed(_other(p, hero) for p in same))
    parts[0] += "" if each else f" over {seeds.pop()} seeds"
    yield f"{hero} " + "; it ".join(parts) + "."


def _too_early(hero: str, pairs: Sequence[Pair]) -> Iterable[str]:
    if not pairs:
        return
    seeds = sorted({len(pair.seeds) for pair in pairs})
    counted = f"{seeds[0]} seed{'s' * (seeds[0] != 1)}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    so_far = _listed(f"{_other(pair, hero)}: {_points(pair, hero, unit='')}" for pair in pairs)
    yield (
        f"With {counted} it is too early to tell whether {hero} beats the other arms; {ENOUGH_SEEDS} seeds are needed "
        f"(so far, in points: {so_far})."
    )


def _how(summary: Summary, pairs: Sequence[Pair]) -> str:
    spans = {pair.labels for pair in pairs}
    span = f" from {min(spans)[0]} to {min(spans)[1]} labels" if len(spans) == 1 else " over the labels they share"
    corrected = len([pair for pair in summary.pairs if pair.area.p is not None])
    decided = any(len(pair.seeds) >= ENOUGH_SEEDS for pair in pairs)
    by = f"; corrected p-values decide ({corrected} comparisons)" if corrected > 1 and decided else ""
    return f"Points are of the mean accuracy{span}, with {summary.confidence:.0%} intervals{by}."


def _other(pair: Pair, hero: str) -> str:
    return pair.b if pair.a == hero else pair.a


def _points(pair: Pair, hero: str, with_seeds: bool = False, sign: int = 1, unit: str = " points") -> str:
    """Return '2.1 points [1.6, 2.6]' in percentage points, as the hero sees it (sign 1) or the other (sign -1).

    One digit, two where the mean is below half a point: a small win must not read as 0.0.
    """
    sign = sign if pair.a == hero else -sign
    digits = 2 if 0 < abs(pair.area.mean) < 0.005 else 1
    text = f"{_number(sign * pair.area.mean, digits)}{unit}"
    if pair.area.low is not None and pair.area.high is not None:
        low, high = sorted((sign * pair.area.low, sign * pair.area.high))
        text += f" [{_number(low, digits)}, {_number(high, digits)}]"
    return text + (f" ({len(pair.seeds)} seeds)" if with_seeds else "")


def _number(share: float, digits: int) -> str:
    text = f"{100 * share:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _listed(parts: Iterable[str]) -> str:
    found = list(parts)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"
