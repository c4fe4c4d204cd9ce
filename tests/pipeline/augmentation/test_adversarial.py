from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from pipeline.augmentation.adversarial import (
    check_copies,
    copies_in_batch,
    copies_weight,
    logits_of_both,
    own_batch_statistics,
)
from pipeline.errors import TrainingError
from pipeline.models.registry import build_model
from pipeline.training.labeled import LabeledImages
from pipeline.training.supervised import train
from tests.pipeline.toys import CPU, QUICK, stripes


def copies_of(labeled: LabeledImages, count: int) -> LabeledImages:
    return LabeledImages(labeled.images[:count].float() / 255 + 0.5, labeled.targets[:count], labeled.ids[:count])


@pytest.mark.parametrize(("labeled", "copies"), [(1, 1), (10, 1), (10, 10), (10, 500), (1000, 3), (7, 0)])
@pytest.mark.parametrize("batch", [2, 8, 32, 33])
def test_never_more_than_half(labeled: int, copies: int, batch: int) -> None:
    weight = copies_weight(labeled, copies, 0.5)
    count = copies_in_batch(batch, weight)
    assert weight <= 0.5
    assert count <= batch / 2
    assert (count > 0) == (copies > 0)


def test_in_training_copies_fill_half_a_batch_at_most() -> None:
    labeled, batches = stripes(12), []
    model = build_model("lenet5", classes=4, channels=1, image_size=16, seed=0)
    with model.register_forward_hook(lambda _m, inputs, _o: batches.append(inputs[0])):
        recipe = replace(QUICK, least_steps=5, most_steps=5, augmentation="none")
        train(model, labeled, recipe, seed=0, device=CPU, copies=copies_of(labeled, 12))
    bright = [int((batch.amax(dim=(1, 2, 3)) > 1.2).sum()) for batch in batches]
    assert bright == [8] * 5
    assert all(len(batch) == 16 for batch in batches)


def test_copies_leave_the_running_statistics_alone() -> None:
    model = build_model("convnet", classes=4, channels=1, image_size=16, seed=0).train()
    twin = build_model("convnet", classes=4, channels=1, image_size=16, seed=0).train()
    real, copies = torch.rand(8, 1, 16, 16), torch.rand(8, 1, 16, 16) * 9
    torch.manual_seed(0)
    logits_of_both(model, real, copies)
    twin(real)
    buffers, expected = dict(model.named_buffers()), dict(twin.named_buffers())
    assert all(torch.equal(buffers[key], expected[key]) for key in buffers)
    assert all(layer.track_running_stats for layer in model.modules() if isinstance(layer, nn.BatchNorm2d))


def test_copies_are_normalized_by_their_own_statistics() -> None:
    model = build_model("convnet", classes=4, channels=1, image_size=16, seed=0).train()
    model.classifier[0].p = 0.0
    real, copies = torch.rand(8, 1, 16, 16), torch.rand(8, 1, 16, 16) * 9
    of_real, of_copies = logits_of_both(model, real, copies)
    with own_batch_statistics(model):
        assert torch.equal(of_real, model(real))
        assert torch.equal(of_copies, model(copies))
        together = model(torch.cat([real, copies]))
    assert not torch.allclose(together[8:], of_copies, atol=1e-3)


def test_the_statistics_come_back_after_an_error() -> None:
    model = build_model("convnet", classes=4, channels=1, image_size=16, seed=0)
    with pytest.raises(RuntimeError), own_batch_statistics(model):
        raise RuntimeError
    assert all(layer.track_running_stats for layer in model.modules() if isinstance(layer, nn.BatchNorm2d))


def test_a_copy_without_its_original_or_with_another_label_is_refused() -> None:
    labeled = stripes(10)
    good = copies_of(labeled, 4)
    check_copies(good, labeled, None)
    wrong = replace(good, targets=(good.targets + 1) % 4)
    strange = replace(good, ids=good.ids + 1)
    for bad in (wrong, strange):
        with pytest.raises(TrainingError, match="its original's class"):
            check_copies(bad, labeled, None)


def test_validation_stays_apart() -> None:
    labeled = stripes(10)
    with pytest.raises(TrainingError, match="stay apart"):
        check_copies(copies_of(labeled, 4), labeled, replace(labeled))
    model = build_model("lenet5", classes=4, channels=1, image_size=16, seed=0)
    with pytest.raises(TrainingError, match="apart from the labeled ones"):
        train(model, labeled, QUICK, seed=0, device=CPU, validation=labeled)
