from __future__ import annotations

import pytest
import torch

from pipeline.augmentation.translation import nearest_common_class
from pipeline.augmentation.translation.nearest import nearest_class
from pipeline.errors import TrainingError
from pipeline.training.labeled import LabeledImages
from tests.pipeline.toys import stripes, trained


def uneven(counts: dict[int, int]) -> LabeledImages:
    images = stripes(400, seed=3)
    rows = torch.cat([(images.targets == place).nonzero()[:count, 0] for place, count in counts.items()])
    return LabeledImages(images.images[rows], images.targets[rows], images.ids[rows])


def test_the_neighboring_bar_is_nearest_in_a_classifiers_features() -> None:
    model = trained("convnet")
    mode = model.training
    labeled = uneven({0: 30, 1: 30, 2: 30, 3: 6})
    assert nearest_common_class(model, labeled, 3, enough=20) == 2
    assert nearest_common_class(model, uneven({0: 30, 1: 30, 2: 5, 3: 6}), 3, enough=20) in (0, 1)
    assert model.training is mode


def test_order_does_not_matter_and_ties_go_to_the_lower_class() -> None:
    features = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    targets = torch.tensor([4, 2, 2, 1, 1])
    assert nearest_class(features, targets, 4, enough=2) == 1
    order = torch.tensor([3, 1, 0, 4, 2])
    assert nearest_class(features[order], targets[order], 4, enough=2) == 1


def test_a_class_as_rare_or_too_small_is_no_source() -> None:
    features, targets = torch.rand(9, 2), torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2])
    with pytest.raises(TrainingError, match="4 labels or more"):
        nearest_class(features, targets, 0, enough=1)
    with pytest.raises(TrainingError, match="100 labels or more"):
        nearest_class(features, targets, 0)
    with pytest.raises(TrainingError, match="of class 5, got none"):
        nearest_class(features, targets, 5)
