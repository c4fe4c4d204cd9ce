"""When to stop: simulated projects whose curves are known say whether the intervals are honest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.statistics import advice_sentences, advise, cohen_kappa, expected_gain
from pipeline.statistics.stopping import WINDOW, StoppingAdvice, paired_change, unpaired_change


@dataclass(frozen=True)
class Point:
    labels: int
    correct: int
    total: int


@dataclass(frozen=True)
class Facts:
    labels: int = 100
    budget: int | None = None
    points: Sequence[Point] = ()
    changed: tuple[int, int] | None = None
    kappas: Sequence[float] = field(default_factory=tuple)


def told(facts: Facts) -> StoppingAdvice:
    return advise(facts, np.random.default_rng(0))


def curve(shares: Sequence[float], *, total: int, first: int = 20, step: int = 20) -> list[Point]:
    return [Point(first + step * place, round(share * total), total) for place, share in enumerate(shares)]


def law(labels: float | np.ndarray, top: float, slope: float, rate: float) -> float | np.ndarray:
    return top - slope * labels**-rate


@pytest.mark.parametrize("points", [4, 6, 12])
@pytest.mark.parametrize(("images", "scatter"), [(100, 0.0), (300, 0.01), (2000, 0.01)])
def test_the_interval_of_the_next_labels_covers_the_truth(points: int, images: int, scatter: float) -> None:
    """200 simulated projects: each has a curve, a test set, and trainings that scatter around it."""
    generator = np.random.default_rng(7)
    covered = []
    for _ in range(200):
        rate, top = generator.uniform(0.3, 1.3), generator.uniform(0.8, 0.995)
        slope = (top - generator.uniform(0.2, 0.6)) * 20**rate
        labels = 20 + np.arange(points) * generator.choice([10, 20, 50, 100])
        shares = law(labels.astype(float), top, slope, rate) + scatter * generator.standard_normal(points)
        correct = generator.binomial(images, np.clip(shares, 0, 1))
        measured = [Point(int(n), int(k), images) for n, k in zip(labels, correct, strict=True)]
        found = expected_gain(measured, generator)
        assert found is not None
        truth = law(labels[-1] + 100.0, top, slope, rate) - law(float(labels[-1]), top, slope, rate)
        covered.append(found.low <= truth <= found.high)
    assert 0.88 <= np.mean(covered) <= 1.0


def test_few_points_give_nothing_and_then_a_wide_interval() -> None:
    shares = [law(20.0 + 20 * place, 0.95, 3.0, 0.6) for place in range(12)]
    wide = expected_gain(curve(shares[:4], total=100), np.random.default_rng(0))
    narrow = expected_gain(curve(shares, total=2000), np.random.default_rng(0))
    assert expected_gain(curve(shares[:3], total=100), np.random.default_rng(0)) is None
    assert wide is not None
    assert narrow is not None
    assert wide.high - wide.low > 0.05
    assert wide.high - wide.low > 4 * (narrow.high - narrow.low)
    assert narrow.gain == pytest.approx(law(340.0, 0.95, 3.0, 0.6) - law(240.0, 0.95, 3.0, 0.6), abs=0.01)


def test_the_same_facts_and_seed_give_the_same_advice_whatever_the_order() -> None:
    points = curve([0.5, 0.7, 0.8, 0.84, 0.86], total=200)
    assert expected_gain(points, np.random.default_rng(3)) == expected_gain(points[::-1], np.random.default_rng(3))
    assert expected_gain(points, np.random.default_rng(3)) != expected_gain(points, np.random.default_rng(4))


def test_models_with_the_same_labels_are_no_curve() -> None:
    assert expected_gain([Point(50, 80 + place, 100) for place in range(9)], np.random.default_rng(0)) is None
    assert expected_gain([Point(0, 10, 100)] * 9, np.random.default_rng(0)) is None
    with pytest.raises(DataError, match="expected 0 <= correct"):
        expected_gain([Point(10, 5, 4)], np.random.default_rng(0))


def test_curves_at_their_ceiling_and_falling_ones_expect_no_gain() -> None:
    for shares in ([1.0] * 6, [0.9, 0.88, 0.85, 0.84, 0.82]):
        found = expected_gain(curve(shares, total=500), np.random.default_rng(0))
        assert found is not None
        assert 0 <= found.low <= found.gain < 0.005


def test_kappa_against_scikit_learn() -> None:
    from sklearn.metrics import cohen_kappa_score

    generator = np.random.default_rng(0)
    first = generator.integers(0, 5, 400)
    second = np.where(generator.random(400) < 0.8, first, generator.integers(0, 5, 400))
    assert cohen_kappa(first, second) == pytest.approx(cohen_kappa_score(first, second))
    assert cohen_kappa([2, 2], [2, 2]) == 1.0  # one class alone: by chance is all there is
    with pytest.raises(DataError):
        cohen_kappa([], [])


def test_intervals_of_changes_cover_the_truth() -> None:
    generator = np.random.default_rng(1)
    paired, unpaired = [], []
    for _ in range(1000):
        gained, lost, _ = generator.multinomial(150, [0.08, 0.05, 0.87])
        found = paired_change(int(gained), int(lost), 150)
        paired.append(found.low <= 0.03 <= found.high)
        new, old = (Point(1, int(generator.binomial(150, share)), 150) for share in (0.83, 0.80))
        apart = unpaired_change(new, old)
        unpaired.append(apart.low <= 0.03 <= apart.high)
    assert 0.92 <= np.mean(paired) <= 0.99
    assert 0.92 <= np.mean(unpaired) <= 0.99


def test_going_on_is_advised_while_the_curve_rises() -> None:
    rising = told(
        Facts(points=curve([0.5, 0.65, 0.75, 0.82, 0.86], total=400), changed=(90, 6), kappas=[0.6, 0.7, 0.8])
    )
    assert rising.verdict == "go on"
    assert rising.change is not None
    assert rising.change.low > 0
    said = advice_sentences(rising, "holdout")
    assert len(said) == 3
    assert "next 100 labels are expected to add" in said[1]
    assert "on 400 holdout images)." in said[2]
    assert "kappa 0.700 (settled from 0.99)" in said[2]


def test_one_sign_alone_does_not_say_flat() -> None:
    few = curve([0.5, 0.65, 0.75, 0.72], total=30)  # too few images to see a gain
    assert told(Facts(points=few, changed=(4, 3))).verdict == "go on"
    assert told(Facts(kappas=[1.0, 1.0, 1.0])).verdict == "go on"
    assert told(Facts(points=few, changed=(4, 3), kappas=[0.99, 0.995, 0.99])).verdict == "nearly flat"
    flat = told(Facts(points=curve([0.9, 0.951, 0.95, 0.95, 0.95, 0.95], total=5000)))
    assert flat.gain is not None
    assert flat.gain.high < 0.01
    assert flat.verdict == "nearly flat"
    assert "no gain beyond noise" in advice_sentences(flat, "test")[2]


def test_the_window_and_what_is_not_known_yet() -> None:
    young = told(Facts(points=curve([0.5, 0.6, 0.7], total=100), kappas=[0.9] * (WINDOW - 1)))
    assert (young.verdict, young.change, young.agreement, young.gain) == ("not known yet", None, None, None)
    assert "not known yet: that takes 4 measured models" in " ".join(advice_sentences(young))
    old_ones = told(Facts(kappas=[0.1, 0.99, 0.99, 0.99]))
    assert old_ones.agreement == pytest.approx(0.99)


def test_the_budget_comes_first() -> None:
    rising = curve([0.5, 0.65, 0.75, 0.82, 0.86], total=400)
    assert told(Facts(labels=99, budget=100, points=rising, changed=(90, 6))).verdict == "go on"
    used = told(Facts(labels=100, budget=100, points=rising, changed=(90, 6)))
    assert used.verdict == "budget used"
    assert "100 of 100 labels are used." in advice_sentences(used)[0]
