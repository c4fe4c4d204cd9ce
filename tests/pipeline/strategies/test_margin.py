from __future__ import annotations

import math

import pytest
import torch

from pipeline.strategies.uncertainty import margin_score


def test_the_score_orders_as_the_margin_does_and_gives_it_back() -> None:
    logits = torch.randn(500, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
    top = logits.softmax(dim=1).topk(2, dim=1).values
    margin = top[:, 0] - top[:, 1]
    assert torch.allclose(-torch.expm1(-margin_score(logits)), margin, rtol=1e-9)
    assert torch.equal(margin_score(logits).argsort(), margin.argsort())


def test_a_saturated_softmax_is_no_tie() -> None:
    logits = torch.tensor([[90.0, 0.0, -5.0], [80.0, 0.0, -5.0], [80.0, 0.0, -1.0], [2000.0, 0.0, 0.0]])
    probabilities = logits.softmax(dim=1).topk(2, dim=1).values
    assert len((probabilities[:, 0] - probabilities[:, 1]).unique()) == 1  # margins are all 1.0 ...
    score = margin_score(logits)
    assert score.isfinite().all()
    assert score.argsort().tolist() == [2, 1, 0, 3]  # ... and their scores are not


def test_tiny_margins_keep_their_digits() -> None:
    score = margin_score(torch.tensor([[1e-13, 0.0], [3e-13, 0.0]], dtype=torch.float64))
    assert score.tolist() == pytest.approx([0.5e-13, 1.5e-13], rel=1e-3)
    assert margin_score(torch.tensor([[5.0, 5.0, 1.0]])).tolist() == [0.0]


def test_against_plain_numbers() -> None:
    logits = torch.tensor([[math.log(0.7), math.log(0.2), math.log(0.1)]], dtype=torch.float64)
    assert margin_score(logits).item() == pytest.approx(-math.log(1 - 0.5))
