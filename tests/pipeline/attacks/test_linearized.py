from __future__ import annotations

import pytest
import torch

from pipeline.attacks.border import Norm, nearest_border, rank_others
from pipeline.attacks.linearized import Linearized, Pruning, Steepness
from tests.pipeline.toys import stripes, trained


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("name", ["lenet5", "convnet"])
def test_classes_left_out_change_nothing(name: str, norm: Norm, monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = trained(name), stripes(200, seed=2).images.float() / 255
    graph = Linearized(model, images)
    predicted, others = rank_others(graph.logits, None)
    plain = nearest_border(model, graph.graph, graph.images, predicted, others, norm)
    steepness = Steepness()
    Linearized(model, images[:64]).nearest_border(predicted[:64], others[:64], norm, Pruning(steepness, 0.0))
    seen: list[int] = []
    monkeypatch.setattr(steepness, "see", lambda gradient, _norm: seen.append(len(gradient)))
    quick = Linearized(model, images).nearest_border(predicted, others, norm, Pruning(steepness, 0.75))
    assert sum(seen) < others.numel()
    assert torch.allclose(quick.distance, plain.distance, rtol=1e-4)
    assert torch.equal(quick.nearest, plain.nearest)
    assert torch.allclose(quick.gradient, plain.gradient, rtol=1e-3, atol=1e-5)


def test_what_is_past_the_limit_is_not_looked_at() -> None:
    model, images = trained("lenet5"), stripes(100, seed=2).images.float() / 255
    graph = Linearized(model, images)
    predicted, others = rank_others(graph.logits, None)
    steepness = Steepness()
    plain = graph.nearest_border(predicted, others, "l2", Pruning(steepness, 0.0))
    limit = float(plain.distance.median())
    some = graph.nearest_border(predicted, others, "l2", Pruning(steepness, 0.75, limit))
    near = plain.distance <= limit
    assert torch.equal(some.distance[near], plain.distance[near])
    assert (some.distance[~near] > limit).all()
    assert some.distance.isinf().any()


def test_fewer_rows_in_the_same_graph_or_in_a_new_one() -> None:
    model, images = trained("lenet5"), stripes(10, seed=2).images.float() / 255
    graph = Linearized(model, images)
    predicted, others = rank_others(graph.logits, None)
    whole = graph.gradient(predicted, others[:, 0])
    for rows, kept in ((torch.arange(1, 10), 10), (torch.tensor([7, 2]), 2)):
        fewer = graph.keep(rows, 1)
        assert len(fewer.images) == kept
        assert torch.allclose(fewer.logits, graph.logits[rows], atol=1e-5)
        assert torch.allclose(fewer.gradient(predicted[rows], others[rows, 0]), whole[rows], atol=1e-5)
        last = fewer.keep(torch.tensor([1]), 0)
        assert torch.allclose(last.gradient(predicted[rows[1:2]], others[rows[1:2], 0]), whole[rows[1:2]], atol=1e-5)
