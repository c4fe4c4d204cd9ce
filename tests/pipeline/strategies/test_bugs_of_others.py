"""Mistakes that published toolkits made, each with a case in which it shows (see docs/performance.md)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.data.pool import ImagePool
from pipeline.models.base import Architecture, Classifier
from pipeline.strategies.bald import mutual_information
from pipeline.strategies.base import QueryContext
from pipeline.strategies.registry import get_strategy
from pipeline.strategies.uncertainty import entropy
from tests.pipeline.toys import Linear, stripes, trained


def test_the_nearest_class_is_measured_and_not_the_last() -> None:
    """DeepAL until 2022, BADGE's repository and DeepAL+: the nearest class so far was never kept."""
    weight = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 0.01]], dtype=torch.float64)
    model = Linear(weight, torch.tensor([1.0, 0.0, 0.5], dtype=torch.float64))
    images = torch.tensor([[40, 0], [10, 0], [60, 0]], dtype=torch.uint8).view(3, 1, 1, 2)
    context = QueryContext(pool=ImagePool.from_tensor(images), model=model, classes=3, seed=0)
    for spec in ("dfal_0", "dfal_one_step"):
        found = get_strategy(spec).select(context, 3)
        assert found.ids.tolist() == [2, 0, 1]  # by the distance to class 1; class 2 is equally far from all, 50
        expected = [(1 - 4 * x / 255) / 4 for x in (60, 40, 10)]
        assert found.scores == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("spec", ["bald", "batch_bald", "power_bald", "variation_ratios", "mean_std"])
def test_dropout_without_dropout_layers_is_no_column_of_zeros(spec: str) -> None:
    """DeepAL+: BALD on a ResNet18 without dropout scores zero everywhere."""
    model = Linear(torch.eye(4, 256), torch.zeros(4))
    images = stripes(9)
    context = QueryContext(pool=ImagePool.from_tensor(images.images), model=model, classes=4, seed=0)
    with pytest.raises(Exception, match="expected a model with dropout layers"):
        get_strategy(spec).select(context, 3)


@pytest.mark.parametrize("spec", ["bald", "batch_bald", "mean_std"])
def test_drawing_networks_moves_no_batchnorm(spec: str) -> None:
    """DeepAL+: model.train() at scoring drifts the running statistics."""
    model = trained("convnet")
    images = stripes(30, seed=2)
    context = QueryContext(pool=ImagePool.from_tensor(images.images), model=model, classes=4, seed=0)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    get_strategy(spec).select(context, 3)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


class Sure(Classifier):
    """So sure that a softmax is exactly 0 and 1, with dropout in front of the last layer."""

    def __init__(self) -> None:
        super().__init__(Architecture(name="sure", classes=3, channels=1, image_size=2))
        self.last = nn.Linear(4, 3)
        self.drop = nn.Dropout(0.5)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1) * 2000

    def head(self, features: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.last(self.drop(features)))


@pytest.mark.parametrize("spec", ["entropy", "least_confidence", "margin", "bald", "batch_bald", "mean_std", "ceal"])
def test_a_saturated_softmax_gives_numbers(spec: str) -> None:
    """DeepAL: log(softmax) of 0 is -inf, and 0 times that is NaN."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Sure().eval()
    pool = ImagePool.from_tensor(torch.randint(1, 255, (20, 1, 2, 2), dtype=torch.uint8))
    found = get_strategy(spec).select(QueryContext(pool=pool, model=model, classes=3, seed=0), 5)
    assert np.isfinite(found.scores).all()


def test_information_and_entropy_of_sure_networks_are_zero_and_not_nan() -> None:
    sure = torch.log_softmax(torch.tensor([[[5000.0, 0.0]], [[5000.0, 0.0]]], dtype=torch.float64), dim=2)
    assert mutual_information(sure).tolist() == [0.0]
    torn = torch.log_softmax(torch.tensor([[[5000.0, 0.0]], [[0.0, 5000.0]]], dtype=torch.float64), dim=2)
    assert mutual_information(torn).tolist() == pytest.approx([math.log(2)])
    assert entropy(torch.tensor([[5000.0, 0.0]])).tolist() == [0.0]


@pytest.mark.parametrize("spec", ["core_set", "core_set_robust", "kmeans", "badge", "typiclust", "probcover"])
def test_ids_are_the_pools_and_not_places_in_it(spec: str) -> None:
    """Core-set in several toolkits returns places relative to the unlabeled rest."""
    images, known = stripes(40, seed=2), stripes(6, seed=3)
    ids = np.arange(40) * 1000 + 7
    context = QueryContext(
        pool=ImagePool.from_tensor(images.images, ids), model=trained("convnet"), classes=4, seed=0,
        labeled_ids=known.ids.numpy(), labeled_targets=known.targets.numpy(),
        labeled_images=ImagePool.from_tensor(known.images, known.ids.numpy()),
    )  # fmt: skip
    found = get_strategy(spec).select(context, 10)
    assert set(found.ids.tolist()) <= set(ids.tolist())
    renamed = ImagePool.from_tensor(images.images, ids + 500_000)
    from dataclasses import replace

    again = get_strategy(spec).select(replace(context, pool=renamed), 10)
    if spec not in ("core_set_robust", "badge"):  # chance by the id
        assert again.ids.tolist() == (found.ids + 500_000).tolist()


def test_core_set_does_not_pick_what_is_labeled_already() -> None:
    """A pool image equal to a labeled one is the last to be asked."""
    images = stripes(30, seed=2)
    pool, labeled = ImagePool.from_tensor(images.images), ImagePool.from_tensor(images.images[:5], np.arange(900, 905))
    context = QueryContext(
        pool=pool, model=trained("convnet"), classes=4, seed=0, labeled_ids=labeled.ids,
        labeled_targets=np.zeros(5, dtype=np.int64), labeled_images=labeled,
    )  # fmt: skip
    found = get_strategy("core_set").select(context, 30)
    assert set(found.ids[-5:].tolist()) == {0, 1, 2, 3, 4}
    assert found.scores[-5:].max() < 0.01 * found.scores[0]


def test_expected_gradient_length_weighs_labels_by_their_chances() -> None:
    """The authors of DFAL averaged the gradients over the classes with equal weight."""
    model = Linear(torch.tensor([[0.0], [8.0]], dtype=torch.float64), torch.tensor([0.0, -4.0], dtype=torch.float64))
    images = torch.tensor([128, 255], dtype=torch.uint8).view(2, 1, 1, 1)  # in doubt, and sure with a larger pixel
    context = QueryContext(pool=ImagePool.from_tensor(images), model=model, classes=2, seed=0)
    found = get_strategy("egl").select(context, 2)
    assert found.ids.tolist() == [0, 1]
    p = 1 / (1 + math.exp(-4.0))
    expected = 2 * p * (1 - p) * math.sqrt(2) * math.sqrt(1 + 1.0)  # by weight and bias
    assert found.scores[1] == pytest.approx(expected, rel=1e-6)
    equal_weights = math.sqrt(2) * math.sqrt(2) * 0.5
    assert found.scores[1] != pytest.approx(equal_weights, rel=0.1)
