"""Dawid and Skene's model against the paper's own data, crowd-kit's published first step, and a slow reference."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.statistics import DawidSkene, dawid_skene

# Table 1 of the paper: 45 patients; observer 1 (three times) and observers 2 to 5 give a class of 1 to 4
PATIENTS = (
    "1111111", "3334334", "1122122", "2223121", "2223222", "2223322", "1222111", "3333433", "2222223", "2322223",
    "4444444", "2223343", "1111111", "2223212", "1211111", "1112111", "1111111", "1111111", "2222221", "2221322",
    "2222222", "2222221", "2223222", "2212222", "1111111", "1111111", "2322222", "1111111", "1111111", "1121121",
    "1111111", "3333233", "1111111", "2222222", "2223232", "4334343", "2212232", "2323233", "3333432", "1111111",
    "1111111", "1212111", "2322222", "1211111", "2222222",
)  # fmt: skip

# crowd-kit, tests/aggregation/test_ds_aggregation.py: five workers, five tasks, 0 'no' and 1 'yes', '.' for none
TASKS = ("01.10", "11100", "10010", "11111", "10000")


def paper() -> tuple[list[int], list[int], list[int]]:
    votes = [
        (patient, observer, int(given))
        for patient, row in enumerate(PATIENTS)
        for observer, given in zip((1, 1, 1, 2, 3, 4, 5), row, strict=True)
    ]
    items, people, classes = zip(*votes, strict=True)
    return list(items), list(people), list(classes)


def crowd_kit() -> tuple[list[int], list[int], list[int]]:
    votes = [
        (task, worker, int(given)) for task, row in enumerate(TASKS) for worker, given in enumerate(row) if given != "."
    ]
    items, people, classes = zip(*votes, strict=True)
    return list(items), list(people), list(classes)


def slow(votes: tuple[list[int], list[int], list[int]], steps: int, smoothing: float) -> tuple[list, dict, list, float]:
    """The paper's equations with plain loops; posteriors, confusion, prior and the last log-likelihood."""
    rows = list(zip(*votes, strict=True))
    items, people, classes = (sorted(set(part)) for part in votes)
    posterior, likelihood = {}, 0.0
    for item in items:
        given = [value for unit, _, value in rows if unit == item]
        posterior[item] = [given.count(value) / len(given) for value in classes]
    for _ in range(steps):
        prior, confusion = slow_maximize(rows, people, classes, posterior, smoothing)
        likelihood = 0.0
        for item in items:
            given = [(who, classes.index(value)) for unit, who, value in rows if unit == item]
            joint = [
                share * math.prod(confusion[who, k, place] for who, place in given) for k, share in enumerate(prior)
            ]
            posterior[item] = [value / sum(joint) for value in joint]
            likelihood += math.log(sum(joint))
    prior, confusion = slow_maximize(rows, people, classes, posterior, smoothing)
    return list(posterior.values()), confusion, prior, likelihood


def slow_maximize(rows: list, people: list[int], classes: list[int], posterior: dict, smoothing: float) -> tuple:
    prior = [sum(row[k] for row in posterior.values()) / len(posterior) for k in range(len(classes))]
    confusion = {}
    for person, k in itertools.product(people, range(len(classes))):
        counts = [smoothing / len(classes)] * len(classes)
        for unit, who, value in rows:
            counts[classes.index(value)] += posterior[unit][k] if who == person else 0
        for place, count in enumerate(counts):
            confusion[person, k, place] = count / sum(counts) if sum(counts) else 1 / len(classes)
    return prior, confusion


def rising(found: DawidSkene) -> bool:
    steps = np.diff(found.objective)
    return bool((steps >= -1e-9 * np.abs(found.objective[1:])).all())


def test_the_papers_data_gives_the_papers_estimates() -> None:
    found = dawid_skene(*paper(), smoothing=0, tolerance=1e-9, steps=1000)
    assert found.prior.round(2).tolist() == [0.40, 0.42, 0.11, 0.07]  # table 2
    assert found.confusion[0, :2].round(2).tolist() == [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0]]  # observer 1
    assert rising(found)
    assert found.converged


def test_the_first_step_is_crowd_kits() -> None:
    found = dawid_skene(*crowd_kit(), smoothing=0, tolerance=0, steps=1)
    posterior = [[0.35, 0.65], [0.26, 0.74], [0.87, 0.13], [0.00, 1.00], [0.95, 0.05]]
    np.testing.assert_allclose(found.posterior, posterior, atol=0.005)
    np.testing.assert_allclose(found.prior, [0.49, 0.51], atol=0.005)
    answered_no = [[0.14, 0.25], [0.75, 0.07], [0.87, 0.09], [0.50, 0.31], [1.00, 0.61]]
    np.testing.assert_allclose(found.confusion[:, :, 0], answered_no, atol=0.005)


@pytest.mark.parametrize("overlap", [3, 300])
def test_annotators_in_a_circle_are_crowd_kits(overlap: int) -> None:
    votes = [(task, person, int((person - task) % 3 != 0)) for person in range(overlap) for task in range(3)]
    found = dawid_skene(*zip(*votes, strict=True), smoothing=0, steps=20)
    np.testing.assert_allclose(found.posterior, [[1 / 3, 2 / 3]] * 3, atol=0.005)
    np.testing.assert_allclose(found.prior, [1 / 3, 2 / 3], atol=0.005)


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
@pytest.mark.parametrize("steps", [1, 4])
def test_it_equals_a_slow_reference(smoothing: float, steps: int) -> None:
    for votes in (crowd_kit(), random_votes(0)[0]):
        found = dawid_skene(*votes, smoothing=smoothing, tolerance=0, steps=steps)
        posterior, confusion, prior, likelihood = slow(votes, steps, smoothing)
        np.testing.assert_allclose(found.posterior, posterior, atol=1e-9)
        np.testing.assert_allclose(found.prior, prior, atol=1e-9)
        assert list(found.confusion.shape) == [len(found.annotators), len(found.classes), len(found.classes)]
        for (person, k, place), value in confusion.items():
            row = found.annotators.tolist().index(person)
            assert found.confusion[row, k, place] == pytest.approx(value, abs=1e-9)
        if smoothing == 0:
            assert found.objective[-1] == pytest.approx(likelihood, rel=1e-9)


def random_votes(
    seed: int, items: int = 40, classes: int = 3, skills: tuple[float, ...] = (0.9, 0.7, 0.5)
) -> tuple[tuple[list[int], list[int], list[int]], np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.integers(classes, size=items)
    given = [
        (item, person + 10, int(truth[item] if generator.random() < skill else generator.integers(classes)))
        for item in range(items)
        for person, skill in enumerate(skills)
        if generator.random() < 0.9
    ]
    units, people, values = (list(part) for part in zip(*given, strict=True))
    return (units, people, values), truth


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_the_likelihood_never_falls(seed: int, smoothing: float) -> None:
    found = dawid_skene(*random_votes(seed)[0], smoothing=smoothing, tolerance=0, steps=60)
    assert rising(found)
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1)
    np.testing.assert_allclose(found.confusion.sum(axis=2), 1)
    assert found.prior.sum() == pytest.approx(1)


def test_good_annotators_outweigh_bad_ones_where_the_majority_is_wrong() -> None:
    votes, truth = random_votes(1, items=600, skills=(0.98, 0.95, 0.4, 0.4, 0.4))
    found = dawid_skene(*votes)
    table = np.zeros((600, 3))
    np.add.at(table, (votes[0], votes[2]), 1)
    by_model = found.classes[found.posterior.argmax(axis=1)] == truth[found.items]
    by_majority = table.argmax(axis=1)[found.items] == truth[found.items]
    assert by_model.mean() > by_majority.mean() + 0.03
    assert by_model.mean() > 0.97
    assert found.converged


def test_a_tie_of_two_strangers_is_not_decided() -> None:
    """Nothing tells who is right: the posterior stays even."""
    found = dawid_skene([1, 1], [1, 2], [0, 1])
    np.testing.assert_allclose(found.posterior, [[0.5, 0.5]])


def test_one_annotator_is_believed() -> None:
    found = dawid_skene([1, 2, 3, 4], [9] * 4, [0, 1, 1, 0])
    assert found.classes[found.posterior.argmax(axis=1)].tolist() == [0, 1, 1, 0]
    assert dawid_skene([1], [1], [4]).posterior.tolist() == [[1.0]]


def test_known_truth_is_certain_and_tells_who_is_good() -> None:
    """Two annotators always disagree; the gold says that the first one is right."""
    items, people = [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6], [1, 2] * 6
    classes = [0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0]
    found = dawid_skene(items, people, classes, known_items=[1, 2, 3, 4, 99], known_classes=[0, 1, 0, 1, 0])
    assert found.items.tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(found.posterior[:4], [[1, 0], [0, 1], [1, 0], [0, 1]])
    assert found.posterior[4, 0] > 0.9
    assert found.posterior[5, 1] > 0.9
    unheard = dawid_skene(items, people, classes, known_items=[1], known_classes=[7])
    assert unheard.classes.tolist() == [0, 1, 7]
    assert unheard.posterior[0].tolist() == [0, 0, 1]


def test_ties_judged_by_the_records_of_settled_images() -> None:
    """Ten classes, few votes a class: single cells tell nothing, the accuracy on the whole does."""
    generator = np.random.default_rng(0)
    truth = generator.integers(10, size=300)
    hasty = np.where(generator.random(300) < 0.5, truth, (truth + 1 + generator.integers(9, size=300)) % 10)
    items, people, classes = np.tile(np.arange(300), 2), np.repeat([0, 1], 300), np.concatenate([truth, hasty])
    ties = np.flatnonzero(hasty != truth)
    known, asked = ties[:30], np.isin(items, ties[30:])
    votes = items[~asked], people[~asked], classes[~asked]
    found = dawid_skene(*votes, known_items=known, known_classes=truth[known], shrinkage=100)
    ids, posterior = found.posterior_of(items[asked], people[asked], classes[asked])
    assert ids.tolist() == ties[30:].tolist()
    assert (found.classes[posterior.argmax(axis=1)] == truth[ids]).all()
    assert np.median(posterior.max(axis=1)) > 0.9
    assert rising(found)
    settled = ~np.isin(items, ties)
    alike = dawid_skene(items[settled], people[settled], classes[settled], shrinkage=100)
    _, even = alike.posterior_of(items[asked], people[asked], classes[asked])
    assert even.max() < 0.9  # both were always right so far: nobody knows


def test_strangers_and_new_classes_tell_nothing() -> None:
    found = dawid_skene([1, 2, 3], [1, 1, 1], [0, 1, 1])
    ids, posterior = found.posterior_of([9, 9, 8], [5, 1, 1], [0, 7, 1])
    assert ids.tolist() == [8, 9]
    np.testing.assert_allclose(posterior[1], found.prior)
    assert found.posterior_of([], [], [])[1].shape == (0, 2)


def test_known_truth_that_nobody_named_is_possible_without_smoothing() -> None:
    known = {"known_items": [1, 2], "known_classes": [0, 7]}
    found = dawid_skene([1, 2, 2], [1, 1, 2], [0, 0, 0], **known, smoothing=0, steps=5)
    np.testing.assert_allclose(found.posterior, [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("votes", "settings"),
    [
        (([], [], []), {}),
        (([1, 2], [1], [0]), {}),
        (([1], [1], [-1]), {}),
        (([1], [1], [0.5]), {}),
        (([1], [1], [0]), {"smoothing": -1}),
        (([1], [1], [0]), {"smoothing": math.nan}),
        (([1], [1], [0]), {"shrinkage": -1}),
        (([1], [1], [0]), {"steps": 0}),
        (([1], [1], [0]), {"known_items": [1], "known_classes": []}),
    ],
)
def test_bad_input_is_refused(votes: tuple, settings: dict) -> None:
    with pytest.raises(DataError, match="expected"):
        dawid_skene(*votes, **settings)


def test_it_stops_by_its_tolerance_and_says_when_it_did_not() -> None:
    votes = random_votes(2)[0]
    assert not dawid_skene(*votes, steps=2).converged
    assert len(dawid_skene(*votes, tolerance=1.0).objective) == 2


def test_a_hundred_thousand_votes_take_seconds_at_most() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(10, size=40_000)
    items, people = np.repeat(np.arange(40_000), 3)[:100_000], generator.integers(20, size=100_000)
    classes = np.where(generator.random(100_000) < 0.8, truth[items], generator.integers(10, size=100_000))
    started = time.perf_counter()
    found = dawid_skene(items, people, classes)
    assert time.perf_counter() - started < 30
    assert (found.classes[found.posterior.argmax(axis=1)] == truth[found.items]).mean() > 0.9
