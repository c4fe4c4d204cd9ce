"""What an item most likely is, given who voted what: annotators weighed by their own confusion matrices.

Dawid and Skene, Maximum likelihood estimation of observer error-rates using the EM algorithm, Applied Statistics 28
(1979). crowd-kit has it too, but brings transformers and pandas along for these hundred lines; its published first
step, and the paper's own table, are among our tests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import DataError
from pipeline.statistics.agreement import Ids, as_votes

Floats = NDArray[np.float64]
_TEAM_VOTES = 20  # how many votes the team's accuracy counts for in an annotator's
_BEST_ACCURACY = 0.99
_COIN_STEPS = 50


@dataclass(frozen=True, kw_only=True)
class DawidSkene:
    """The fitted model.

    Attributes:
        items: Item ids (I,), rising.
        annotators: Annotator ids (A,), rising.
        classes: Class ids (K,), rising.
        prior: Share of each class (K,).
        confusion: P(answer | truth) of each annotator (A, K, K): [annotator, truth, answer].
        posterior: P(truth) of each item (I, K).
        objective: Log-likelihood after each step (with smoothing: plus its log-prior); it never falls.
        converged: Whether it stopped by the tolerance.
    """

    items: Ids
    annotators: Ids
    classes: Ids
    prior: Floats
    confusion: Floats
    posterior: Floats
    objective: tuple[float, ...]
    converged: bool

    def posterior_of(self, items: ArrayLike, annotators: ArrayLike, classes: ArrayLike) -> tuple[Ids, Floats]:
        """Return item ids (J,), rising, and P(truth) (J, K) of other items by what was learned of their annotators.

        Votes of annotators or for classes that the model does not know count for nothing.

        Raises:
            DataError: The arrays are no votes.
        """
        units, people, values = as_votes(items, annotators, classes)
        found, item = np.unique(units, return_inverse=True)
        known = np.isin(people, self.annotators) & np.isin(values, self.classes)
        person, answer = (
            np.searchsorted(ids, part[known]) for ids, part in ((self.annotators, people), (self.classes, values))
        )
        with np.errstate(divide="ignore"):
            joint = np.tile(np.log(self.prior), (len(found), 1))
            np.add.at(joint, item[known], np.log(self.confusion)[person, :, answer])
        scaled = np.exp(joint - joint.max(axis=1, keepdims=True)) if len(found) else joint
        return found, scaled / scaled.sum(axis=1, keepdims=True)


@dataclass(frozen=True, kw_only=True)
class _Votes:
    """Votes in the two orders that sums need: by item, and by (annotator, answer)."""

    item: Ids  # (V,) places, by item
    person: Ids  # (V,)
    answer: Ids  # (V,)
    starts: Ids  # (I,) first vote of each item
    by_cell: Ids  # (V,) order by (annotator, answer)
    cell_starts: Ids
    cells: tuple[Ids, Ids]  # (annotator, answer) of each cell
    allowed: Floats  # (I, K) 0, or -inf where the truth is known to be another
    shape: tuple[int, int, int]  # (I, A, K)


def dawid_skene(
    items: ArrayLike,
    annotators: ArrayLike,
    classes: ArrayLike,
    *,
    known_items: ArrayLike = (),
    known_classes: ArrayLike = (),
    smoothing: float = 1.0,
    shrinkage: float = 0.0,
    tolerance: float = 1e-6,
    steps: int = 200,
) -> DawidSkene:
    """Fit prior, confusion matrices and posteriors by expectation maximization, from the shares of votes.

    Args:
        items: Item id of each vote (V,), V >= 1.
        annotators: Annotator id of each vote (V,); several votes of one annotator on an item all count.
        classes: Class id of each vote (V,), 0 or more.
        known_items: Items whose truth is known (gold, reviewed); those without a vote are left out.
        known_classes: Their classes.
        smoothing: Votes added to each row of a confusion matrix, spread evenly; 0 is the paper's estimate. Annotators
            with few votes are thus believed less.
        shrinkage: Votes added to each row of a confusion matrix, spread as by the annotator's overall accuracy: with
            few votes a class single cells mean nothing, and what counts is how good somebody is on the whole.
        tolerance: Stop when a step gains less than this a vote.
        steps: At most so many.

    Raises:
        DataError: There is no vote, or an argument is out of range.

    >>> found = dawid_skene([0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 1, 2] * 3, [0, 0, 1, 1, 1, 0, 0, 0, 1])
    >>> found.classes[found.posterior.argmax(axis=1)].tolist()
    [0, 1, 0]
    """
    if not (smoothing >= 0 and shrinkage >= 0 and tolerance >= 0 and steps >= 1):
        given = f"{smoothing}, {shrinkage}, {tolerance} and {steps}"
        raise DataError(f"expected smoothing, shrinkage and tolerance >= 0 and steps >= 1, got {given}")
    votes, ids = _arranged(as_votes(items, annotators, classes), _truths(known_items, known_classes))
    posterior = _shares(votes)
    extra = np.full((votes.shape[1], votes.shape[2], votes.shape[2]), smoothing / votes.shape[2])
    if shrinkage and votes.shape[2] > 1:
        extra += shrinkage * _one_coin(votes, posterior, steps)
    prior, confusion = _maximize(votes, posterior, extra)
    objective: list[float] = []
    converged = False
    while len(objective) < steps and not converged:
        posterior, likelihood = _expect(votes, prior, confusion)
        objective.append(likelihood + _log_prior(confusion, extra))
        prior, confusion = _maximize(votes, posterior, extra)
        converged = len(objective) > 1 and objective[-1] - objective[-2] < tolerance * len(votes.item)
    return DawidSkene(
        items=ids[0],
        annotators=ids[1],
        classes=ids[2],
        prior=prior,
        confusion=confusion,
        posterior=posterior,
        objective=tuple(objective),
        converged=converged,
    )


def _truths(items: ArrayLike, classes: ArrayLike) -> dict[int, int]:
    found, truth = np.asarray(items), np.asarray(classes)
    if found.shape != truth.shape or found.ndim != 1:
        raise DataError(f"expected a class for each known item, got {found.shape} items and {truth.shape} classes")
    return dict(zip(found.tolist(), truth.tolist(), strict=True))


def _arranged(votes: tuple[Ids, Ids, Ids], truths: dict[int, int]) -> tuple[_Votes, tuple[Ids, Ids, Ids]]:
    if not len(votes[0]):
        raise DataError("expected votes, got none; ask annotators first")
    order = np.argsort(votes[0], kind="stable")
    item_ids, item = np.unique(votes[0][order], return_inverse=True)
    person_ids, person = np.unique(votes[1][order], return_inverse=True)
    known = {place: truths[int(item_id)] for place, item_id in enumerate(item_ids) if int(item_id) in truths}
    class_ids = np.unique(np.concatenate([votes[2], np.asarray(list(known.values()), dtype=np.int64)]))
    answer = np.searchsorted(class_ids, votes[2][order])
    size = len(class_ids)
    cell = person * size + answer
    by_cell = np.argsort(cell, kind="stable")
    cells, cell_starts = np.unique(cell[by_cell], return_index=True)
    allowed = np.zeros((len(item_ids), size))
    for place, truth in known.items():
        allowed[place, class_ids != truth] = -np.inf
    arranged = _Votes(
        item=item,
        person=person,
        answer=answer,
        starts=np.searchsorted(item, np.arange(len(item_ids))),
        by_cell=by_cell,
        cell_starts=cell_starts,
        cells=(cells // size, cells % size),
        allowed=allowed,
        shape=(len(item_ids), len(person_ids), size),
    )
    return arranged, (item_ids, person_ids, class_ids)


def _shares(votes: _Votes) -> Floats:
    """The paper's start (3.1): each item's shares of votes; what is known is certain."""
    places, _, size = votes.shape
    counts = np.bincount(votes.item * size + votes.answer, minlength=places * size).reshape(places, size)
    shares = np.where(np.isneginf(votes.allowed), 0.0, counts / counts.sum(axis=1, keepdims=True))
    certain = np.isneginf(votes.allowed).any(axis=1)
    shares[certain] = ~np.isneginf(votes.allowed[certain])
    return shares


def _one_coin(votes: _Votes, posterior: Floats, steps: int) -> Floats:
    """Return confusion matrices (A, K, K) of annotators who are right with one probability each, all errors alike."""
    for _ in range(min(steps, _COIN_STEPS)):
        posterior, _ = _expect(votes, posterior.mean(axis=0), _by_accuracy(votes, posterior))
    return _by_accuracy(votes, posterior)


def _by_accuracy(votes: _Votes, posterior: Floats) -> Floats:
    """An annotator's accuracy on items that somebody else answered or whose truth is known, drawn to the team's."""
    _, people, size = votes.shape
    compared = (np.bincount(votes.item) > 1) | np.isneginf(votes.allowed).any(axis=1)
    tells = compared[votes.item]
    right = np.bincount(votes.person[tells], posterior[votes.item, votes.answer][tells], minlength=people)
    total = np.bincount(votes.person[tells], minlength=people)
    of_team = (right.sum() + 1) / (total.sum() + 2)
    accuracy = np.minimum((right + _TEAM_VOTES * of_team) / (total + _TEAM_VOTES), _BEST_ACCURACY)
    matrices = np.repeat((1 - accuracy) / (size - 1), size * size).reshape(people, size, size)
    matrices[:, np.arange(size), np.arange(size)] = accuracy[:, None]
    return matrices


def _maximize(votes: _Votes, posterior: Floats, extra: Floats) -> tuple[Floats, Floats]:
    """Return the prior (K,) and the confusion matrices (A, K, K) that fit the posteriors best (2.3, 2.4)."""
    size = votes.shape[2]
    sums = np.add.reduceat(posterior[votes.item[votes.by_cell]], votes.cell_starts, axis=0)  # (cells, K)
    counts = extra.copy()
    counts[votes.cells[0], :, votes.cells[1]] += sums
    total = counts.sum(axis=2, keepdims=True)
    confusion = np.divide(counts, total, out=np.full_like(counts, 1 / size), where=total > 0)
    return posterior.mean(axis=0), confusion


def _expect(votes: _Votes, prior: Floats, confusion: Floats) -> tuple[Floats, float]:
    """Return the posteriors (I, K) (2.5) and the log-likelihood (2.7)."""
    with np.errstate(divide="ignore"):
        answers = np.log(confusion)[votes.person, :, votes.answer]  # (V, K)
        joint = np.log(prior) + np.add.reduceat(answers, votes.starts, axis=0) + votes.allowed
    top = joint.max(axis=1, keepdims=True)
    scaled = np.exp(joint - top)
    total = scaled.sum(axis=1, keepdims=True)
    return scaled / total, float((top + np.log(total)).sum())


def _log_prior(confusion: Floats, extra: Floats) -> float:
    """Log-density of the added votes (a Dirichlet prior), up to a constant."""
    return float((extra * np.log(confusion)).sum()) if extra.any() else 0.0
