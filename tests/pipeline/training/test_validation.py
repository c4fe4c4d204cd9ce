"""What validation images say, and which weights are kept for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from pipeline.models.registry import build_model
from pipeline.training.supervised import train
from pipeline.training.validation import Validated, validate
from tests.pipeline.toys import CPU, QUICK, stripes, trained

RECIPE = replace(QUICK, least_steps=12, most_steps=12, window=4, batch_size=8, patience=0)


def test_figures_are_those_of_scikit_learn() -> None:
    model, images = trained("lenet5"), stripes(200, seed=12)
    images = images.take(torch.nonzero((images.targets != 1) | (torch.arange(200) < 20)).flatten())  # uneven
    with torch.inference_mode():
        probabilities = model(images.images.float() / 255).double().softmax(dim=1)
    truth, predicted = images.targets.numpy(), probabilities.argmax(dim=1).numpy()
    found = validate(model, images, CPU)
    assert found.accuracy == pytest.approx(accuracy_score(truth, predicted))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert found.accuracy != pytest.approx(found.balanced_accuracy)
    assert found.loss == pytest.approx(log_loss(truth, probabilities.numpy(), labels=[0, 1, 2, 3]), rel=1e-4)


@pytest.mark.parametrize(("balance", "kept"), [("none", 0.9), ("sampling", 0.8), ("logit_adjustment", 0.8)])
def test_training_for_rare_classes_keeps_the_weights_that_suit_them(
    monkeypatch: pytest.MonkeyPatch, balance: str, kept: float
) -> None:
    told: Iterator[Validated] = iter(
        [
            Validated(loss=0.5, accuracy=0.9, balanced_accuracy=0.5),
            Validated(loss=0.5, accuracy=0.8, balanced_accuracy=0.7),
            Validated(loss=0.5, accuracy=0.7, balanced_accuracy=0.6),
        ]
    )
    monkeypatch.setattr("pipeline.training.run.validate", lambda *given: next(told))
    model = build_model("lenet5", classes=4, channels=1, image_size=16, seed=1)
    labeled, validation = stripes(40), stripes(20, seed=3)
    validation = replace(validation, ids=validation.ids + 1000)
    report = train(model, labeled, replace(RECIPE, balance=balance), seed=0, device=CPU, validation=validation)
    assert report.validation_accuracy == kept
