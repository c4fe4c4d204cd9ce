from __future__ import annotations

import pytest
import torch

from pipeline.attacks.fixed import push_by
from pipeline.errors import StrategyError
from tests.pipeline.toys import Linear, stripes, trained

# Two classes, four pixels: the gap f_0 - f_1 is 2 a - b + 3 c + 1 (d does not matter).
WEIGHT = torch.tensor([[2.0, -1.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
BIAS = torch.tensor([1.0, 0.0], dtype=torch.float64)


def image(*pixels: float) -> torch.Tensor:
    return torch.tensor(pixels, dtype=torch.float64).reshape(1, 1, 2, 2)


@pytest.mark.parametrize("steps", [1, 4])
def test_a_linear_model_worked_by_hand(steps: int) -> None:
    model = Linear(WEIGHT, BIAS)  # predicts class 0: to raise its loss a and c fall, b rises, d stays
    pushed = push_by(model, image(0.5, 0.5, 0.5, 0.5), epsilon=0.2, steps=steps)
    assert torch.allclose(pushed, image(0.3, 0.7, 0.3, 0.5), atol=1e-12)


@pytest.mark.parametrize("steps", [1, 4])
def test_no_pixel_leaves_the_range_nor_goes_further_than_epsilon(steps: int) -> None:
    pushed = push_by(Linear(WEIGHT, BIAS), image(0.1, 0.9, 1.0, 0.0), epsilon=0.2, steps=steps)
    assert torch.allclose(pushed, image(0.0, 1.0, 0.8, 0.0), atol=1e-12)


def test_it_is_the_models_prediction_that_is_left_and_no_label() -> None:
    model = Linear(WEIGHT, torch.tensor([-9.0, 0.0], dtype=torch.float64))  # predicts class 1
    pushed = push_by(model, image(0.5, 0.5, 0.5, 0.5), epsilon=0.2)
    assert torch.allclose(pushed, image(0.7, 0.3, 0.7, 0.5), atol=1e-12)


def test_bim_keeps_the_class_that_it_left_and_goes_on_beyond_the_border() -> None:
    model = Linear(WEIGHT, torch.tensor([-1.9, 0.0], dtype=torch.float64))  # gap 0.1: the first step crosses
    pushed = push_by(model, image(0.5, 0.5, 0.5, 0.5), epsilon=0.4, steps=4)
    assert torch.allclose(pushed, image(0.1, 0.9, 0.1, 0.5), atol=1e-12)


def test_bytes_chunks_and_an_empty_batch() -> None:
    model, images = trained("lenet5"), stripes(7).images
    whole = push_by(model, images, epsilon=0.1, steps=2)
    assert torch.equal(whole, push_by(model, images, epsilon=0.1, steps=2, chunk=7))
    assert torch.allclose(whole, push_by(model, images, epsilon=0.1, steps=2, chunk=3), atol=1e-6)
    assert float((whole - images.float() / 255).abs().max()) <= 0.1 + 1e-6
    assert len(push_by(model, images[:0], epsilon=0.1)) == 0


@pytest.mark.parametrize(("epsilon", "steps"), [(0.0, 1), (1.5, 1), (0.1, 0)])
def test_arguments_out_of_range(epsilon: float, steps: int) -> None:
    with pytest.raises(StrategyError, match="epsilon in"):
        push_by(Linear(WEIGHT, BIAS), image(0.5, 0.5, 0.5, 0.5), epsilon=epsilon, steps=steps)
