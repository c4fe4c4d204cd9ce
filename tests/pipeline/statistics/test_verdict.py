"""The verdict for cases whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.statistics import Curve, summarize
from tests.pipeline.statistics.made import run, runs

TEN = range(10)


def shifted(arm: str, base: list[Curve], points: list[float]) -> list[Curve]:
    """Return an arm that is ahead of another by so many points with each seed, all along the curve."""
    return [
        run(arm, curve.seed, [accuracy + lead / 100 for accuracy in curve.accuracy])
        for curve, lead in zip(base, points, strict=True)
    ]


BASE = runs("random_sampling", 0.0, TEN)
SPREAD = np.array([-0.7, -0.5, -0.3, -0.2, -0.1, 0.1, 0.2, 0.3, 0.5, 0.7])  # mean 0, t interval 0.32 each way


def test_it_beats_one_and_does_not_beat_another() -> None:
    dfal = shifted("dfal", BASE, (2.1 + SPREAD).tolist())
    margin = shifted("margin", dfal, (-0.1 - SPREAD[::-1]).tolist())
    assert summarize([*dfal, *BASE, *margin]).verdict == (
        "dfal beats random_sampling by 2.1 points [1.8, 2.4] over 10 seeds; it does not beat margin: "
        "0.10 [-0.22, 0.42]. Points are of the mean accuracy from 20 to 80 labels, with 95% intervals; corrected "
        "p-values decide (3 comparisons)."
    )


def test_it_says_so_when_dfal_loses() -> None:
    dfal = shifted("dfal", BASE, (-1.5 + SPREAD).tolist())
    text = summarize([*dfal, *BASE]).verdict
    assert text.startswith("dfal loses to random_sampling by 1.5 points [1.2, 1.8] over 10 seeds.")
    turned = summarize([*BASE, *dfal], reference="random_sampling").verdict
    assert turned.startswith("random_sampling beats dfal by 1.5 points [1.2, 1.8] over 10 seeds.")


def test_identical_arms_show_no_difference() -> None:
    summary = summarize([*BASE, *(replace(curve, arm="dfal") for curve in BASE)])
    assert summary.verdict.startswith("dfal shows no difference from random_sampling over 10 seeds.")
    assert summary.pairs[0].winner is None
    assert (summary.pairs[0].area.p, summary.pairs[0].identical) == (1.0, True)


def test_a_difference_that_correction_takes_away_is_not_a_win() -> None:
    """One interval leaves 0 out, but among 15 comparisons that is no wonder."""
    dfal = shifted("dfal", BASE, (0.4 + SPREAD).tolist())
    others = [shifted(name, BASE, (SPREAD[::step]).tolist()) for name, step in (("a", 1), ("b", -1))]
    more = [shifted(name, BASE, np.roll(SPREAD, k).tolist()) for name, k in (("c", 3), ("d", 5))]
    alone = summarize([*dfal, *BASE])
    assert alone.verdict.startswith("dfal beats random_sampling by 0.40 points [0.08, 0.72]")
    many = summarize([*dfal, *BASE, *(c for arm in (*others, *more) for c in arm)])
    assert many.pair("dfal", "random_sampling").area.p_raw < 0.05 < many.pair("dfal", "random_sampling").area.p
    assert "random_sampling: 0.40 [0.08, 0.72]" in many.verdict
    assert "beats random_sampling" not in many.verdict


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_few_seeds_are_too_early_however_large_the_lead(seeds: int) -> None:
    dfal = shifted("dfal", BASE[:seeds], [10.0, 10.1, 9.9, 10.0][:seeds])
    text = summarize([*dfal, *BASE[:seeds]]).verdict
    assert text.startswith(f"With {seeds} seed{'s' * (seeds > 1)} it is too early to tell whether dfal beats")
    assert "beats random_sampling by" not in text
    assert "random_sampling: 10.0" in text


def test_pairs_with_different_numbers_of_seeds_say_theirs() -> None:
    dfal = shifted("dfal", BASE, (2.1 + SPREAD).tolist())
    text = summarize([*dfal, *BASE[:6], *runs("margin", -0.1, TEN), *runs("bald", -0.1, range(3))]).verdict
    assert "(10 seeds)" in text
    assert "(6 seeds)" in text
    assert "With 3 seeds it is too early to tell whether dfal beats the other arms" in text
    assert "over 10 seeds" not in text


def test_one_arm_has_nothing_to_be_compared_with() -> None:
    assert "dfal is the only arm" in summarize(runs("dfal", 0, TEN)).verdict
    assert "shares no seed" in summarize([*runs("dfal", 0, (0, 1)), *runs("margin", 0, (2,))]).verdict


def test_each_network_of_a_transfer_has_its_own_verdict() -> None:
    arms = [("dfal", 0.1, ""), ("margin", 0.0, ""), ("dfal to vgg8", 0.0, "vgg8"), ("margin to vgg8", 0.1, "vgg8")]
    text = summarize([curve for arm, bonus, trains in arms for curve in runs(arm, bonus, TEN, trains=trains)]).verdict
    assert "dfal beats margin by 10" in text or "dfal beats margin by 9.9" in text
    assert "dfal to vgg8 loses to margin to vgg8 by" in text
