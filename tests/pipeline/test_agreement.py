"""Alpha against Krippendorff's own numbers and a slow reference; confusion of two annotators counted by hand."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.statistics import agreement, class_agreement, krippendorff_alpha, pairwise_confusion

Votes = list[tuple[int, int, int]]

# Krippendorff, Computing Krippendorff's alpha-reliability: 4 observers, 12 units; nominal alpha 0.743
FOUR = ("1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3", ". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 .")
# the same paper: 2 observers, 10 units, two classes (0.095), and 12 units, five classes (0.692)
TWO = ("0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0")
FIVE = ("1 1 2 2 4 3 3 3 5 4 4 1", "2 1 2 2 2 3 3 3 5 4 4 4")


def votes_of(rows: tuple[str, ...]) -> Votes:
    return [
        (unit, observer, int(value))
        for observer, row in enumerate(rows)
        for unit, value in enumerate(row.split())
        if value != "."
    ]


def arrays(votes: Votes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.asarray(votes, dtype=np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def slow_alpha(votes: Votes) -> float | None:
    """By the definition: all pairs within units against all pairs of pairable values."""
    units: dict[int, dict[int, int]] = {}
    for unit, observer, value in votes:
        units.setdefault(unit, {})[observer] = value
    pairable = [list(values.values()) for values in units.values() if len(values) > 1]
    flat = [value for values in pairable for value in values]
    n = len(flat)
    expected = sum(a != b for a, b in itertools.permutations(flat, 2))
    if not expected:
        return None
    observed = sum(sum(a != b for a, b in itertools.permutations(values, 2)) / (len(values) - 1) for values in pairable)
    return 1 - (observed / n) / (expected / (n * (n - 1)))


def random_votes(seed: int, units: int = 30, observers: int = 4, classes: int = 3) -> Votes:
    generator = np.random.default_rng(seed)
    truth = generator.integers(classes, size=units)
    return [
        (unit * 7, observer + 100, int(truth[unit] if generator.random() < 0.6 else generator.integers(classes)))
        for unit in range(units)
        for observer in range(observers)
        if generator.random() < 0.6
    ]


@pytest.mark.parametrize(("rows", "alpha"), [(FOUR, 0.743), (TWO, 0.095), (FIVE, 0.692)])
def test_alpha_is_krippendorffs(rows: tuple[str, ...], alpha: float) -> None:
    assert krippendorff_alpha(*arrays(votes_of(rows))) == pytest.approx(alpha, abs=5e-4)


@pytest.mark.parametrize("seed", range(20))
def test_alpha_equals_a_slow_reference_in_any_order(seed: int) -> None:
    votes = random_votes(seed)
    shuffled = [votes[place] for place in np.random.default_rng(seed).permutation(len(votes))]
    assert krippendorff_alpha(*arrays(votes)) == pytest.approx(slow_alpha(votes), abs=1e-12)
    assert krippendorff_alpha(*arrays(shuffled)) == pytest.approx(slow_alpha(votes), abs=1e-12)


def test_alpha_of_a_class_is_that_class_against_the_rest() -> None:
    votes = random_votes(3)
    found = class_agreement(*arrays(votes), np.random.default_rng(0))
    for wanted, result in found.items():
        binary = [(unit, observer, int(value == wanted)) for unit, observer, value in votes]
        assert result.alpha == pytest.approx(slow_alpha(binary), abs=1e-12)
    assert set(found) == {0, 1, 2}


@pytest.mark.parametrize(
    ("votes", "items"),
    [
        ([], 0),
        ([(1, 1, 0)], 0),
        ([(1, 1, 0), (2, 1, 1), (3, 2, 0)], 0),  # no overlap
        ([(1, 1, 0), (1, 1, 1)], 0),  # one annotator twice is no second opinion
        ([(1, 1, 0), (1, 2, 0), (2, 1, 0), (2, 2, 0)], 2),  # all of one class: chance agrees as well
    ],
)
def test_where_alpha_is_not_defined_it_is_none(votes: Votes, items: int) -> None:
    found = agreement(*arrays(votes), np.random.default_rng(0))
    assert (found.alpha, found.low, found.high, found.items) == (None, None, None, items)
    assert krippendorff_alpha(*arrays(votes)) is None
    assert all(entry.alpha is None for entry in class_agreement(*arrays(votes), np.random.default_rng(0)).values())


def test_the_last_vote_of_an_annotator_counts() -> None:
    votes = [(1, 1, 0), (1, 2, 1), (2, 1, 1), (2, 2, 1), (1, 1, 1), (3, 1, 0), (3, 2, 0)]
    assert krippendorff_alpha(*arrays(votes)) == 1.0


def test_the_interval_is_that_of_resampled_items() -> None:
    votes = random_votes(5, units=60)
    found = agreement(*arrays(votes), np.random.default_rng(1), resamples=2000)
    units = sorted({unit for unit, _, _ in votes if sum(unit == other for other, _, _ in votes) > 1})
    generator, drawn = np.random.default_rng(2), []
    for _ in range(300):
        picked = generator.choice(units, size=len(units))
        copies = [(place, o, v) for place, unit in enumerate(picked) for u, o, v in votes if u == unit]
        drawn.append(slow_alpha(copies))
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.05)
    assert found.high == pytest.approx(high, abs=0.05)
    assert found.items == len(units)
    same = agreement(*arrays(votes), np.random.default_rng(1), resamples=2000)
    assert same == found


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Two annotators, each right with 0.8, two even classes: alpha of the whole population is 0.36."""
    covered = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        truth = generator.integers(2, size=120)
        given = np.where(generator.random((2, 120)) < 0.8, truth, 1 - truth)
        items, people = np.tile(np.arange(120), 2), np.repeat([0, 1], 120)
        found = agreement(items, people, given.ravel(), generator, resamples=400)
        covered += found.low <= 0.36 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_confusion_counts_the_items_two_annotators_share() -> None:
    votes = [(1, 7, 3), (2, 7, 3), (3, 7, 5), (1, 8, 3), (2, 8, 5), (3, 9, 5), (4, 8, 5)]
    ids, counts = pairwise_confusion(*arrays(votes))
    assert ids.tolist() == [3, 5]
    assert {pair: table.tolist() for pair, table in counts.items()} == {
        (7, 8): [[1, 1], [0, 0]],
        (7, 9): [[0, 0], [0, 1]],
    }
    assert pairwise_confusion([], [], [])[1] == {}


@pytest.mark.parametrize(
    "votes",
    [
        ([1], [1, 2], [0]),
        ([[1]], [[1]], [[0]]),
        ([1.5], [1], [0]),
        ([1], [1], [-1]),
        (["a"], [1], [0]),
    ],
)
def test_what_is_no_vote_is_refused(votes: tuple[list, list, list]) -> None:
    for function in (krippendorff_alpha, pairwise_confusion):
        with pytest.raises(DataError, match="expected"):
            function(*votes)


def test_settings_out_of_range_are_refused() -> None:
    for settings in ({"resamples": 0}, {"confidence": 1.0}):
        with pytest.raises(DataError, match="expected resamples"):
            agreement([1, 1], [1, 2], [0, 1], np.random.default_rng(0), **settings)


def test_a_hundred_thousand_votes_take_seconds_at_most() -> None:
    generator = np.random.default_rng(0)
    items, people = np.repeat(np.arange(50_000), 2), np.tile([0, 1], 50_000)
    classes = np.where(generator.random(100_000) < 0.8, np.repeat(generator.integers(10, size=50_000), 2), 0)
    started = time.perf_counter()
    overall = agreement(items, people, classes, generator)
    by_class = class_agreement(items, people, classes, generator)
    assert time.perf_counter() - started < 10
    assert overall.items == 50_000
    assert len(by_class) == 10
