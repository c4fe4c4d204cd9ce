"""The surest images of each class: the same as a slow reference finds, whatever the order and the size of blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.strategies import confident
from pipeline.strategies.confident import Surest, by_turns
from pipeline.strategies.one_pass import Block


def logits_of(count: int, classes: int = 5, *, scale: float = 4.0, seed: int = 0) -> torch.Tensor:
    logits = scale * torch.randn(count, classes, generator=torch.Generator().manual_seed(seed))
    logits[:, 0] += 2.0  # one class is far more frequent
    return logits


def slow(ids: np.ndarray, logits: torch.Tensor, most: int, confidence: float, without: set[int]) -> list[int]:
    """Take from each class in turn, surest first, by plain Python."""
    probabilities = torch.softmax(logits.double(), dim=1)
    waiting: dict[int, list[tuple[float, int]]] = {}
    for sample_id, row in zip(ids.tolist(), probabilities, strict=True):
        best = float(row.max())
        if best >= confidence and sample_id not in without:
            waiting.setdefault(int(row.argmax()), []).append((float((row.sum() - row.max())), sample_id))
    for entries in waiting.values():
        entries.sort()
    chosen: list[int] = []
    while waiting and len(chosen) < most:
        turn = sorted(entries.pop(0) for entries in waiting.values())
        chosen += [sample_id for _, sample_id in turn]
        waiting = {position: entries for position, entries in waiting.items() if entries}
    return chosen[:most]


def collected(ids: np.ndarray, logits: torch.Tensor, size: int, surest: Surest) -> list[int]:
    for start in range(0, len(ids), size):
        rows = slice(start, start + size)
        surest.collect(Block(ids[rows], logits[rows], None, None))
    return surest.selection().ids.tolist()


@pytest.mark.parametrize("most", [1, 7, 40, 1000])
@pytest.mark.parametrize("confidence", [0.0, 0.6, 0.99])
def test_the_same_as_by_hand(most: int, confidence: float) -> None:
    ids, logits = 3 * np.arange(300) + 5, logits_of(300)
    without = ids[::4]
    expected = slow(ids, logits, most, confidence, set(without.tolist()))
    assert collected(ids, logits, 64, Surest(most, confidence, without)) == expected


def test_neither_order_nor_blocks_nor_pruning_change_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confident, "_SPARE", 3)
    ids, logits = np.arange(500), logits_of(500)
    logits[100:200] = logits[:100]  # ties, by id
    expected = slow(ids, logits, 30, 0.5, set())
    shuffled = np.random.default_rng(0).permutation(500)
    for order, size in ((np.arange(500), 500), (np.arange(500), 7), (shuffled, 11)):
        surest = Surest(30, 0.5, np.empty(0, dtype=np.int64))
        assert collected(ids[order], logits[torch.from_numpy(order)], size, surest) == expected


def test_fewer_are_the_first_of_more() -> None:
    rng = np.random.default_rng(1)
    ids, doubts, predicted = np.arange(90), rng.random(90), rng.integers(0, 4, 90)
    whole = by_turns(ids, doubts, predicted, 90).tolist()
    assert sorted(whole) == list(range(90))
    for most in (0, 1, 4, 33):
        assert by_turns(ids, doubts, predicted, most).tolist() == whole[:most]


def test_classes_are_balanced_while_they_last() -> None:
    ids, logits = np.arange(400), logits_of(400)
    surest = Surest(40, 0.9, np.empty(0, dtype=np.int64))
    collected(ids, logits, 100, surest)
    counts = np.bincount(surest.selection().predicted, minlength=5)
    assert counts.sum() == 40
    assert counts.max() - counts.min() <= 1  # although class 0 has several times as many candidates


def test_none_is_sure_enough() -> None:
    surest = Surest(10, 1.0, np.empty(0, dtype=np.int64))
    collected(np.arange(20), torch.zeros(20, 3), 8, surest)
    selection = surest.selection()
    assert len(selection.ids) == len(selection.predicted) == len(selection.nearest) == 0


def test_sureness_beyond_floating_point_is_no_tie() -> None:
    logits = torch.tensor([[60.0, 0.0], [80.0, 0.0], [70.0, 0.0]])
    assert collected(np.arange(3), logits, 3, Surest(3, 1.0, np.empty(0, dtype=np.int64))) == [1, 2, 0]
