from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.attacks.border import Norm
from pipeline.attacks.deepfool import deepfool
from pipeline.errors import StrategyError
from tests.pipeline.toys import Linear, linear, stripes, trained


def closed_form(model: Linear, images: Tensor, norm: Norm) -> tuple[Tensor, Tensor]:
    """Distance to the nearest border of a linear model, and the class behind it."""
    logits = model(images)
    predicted = logits.argmax(dim=1)
    gaps = logits.gather(1, predicted[:, None]) - logits  # (B, K)
    steps = model.weight[None] - model.weight[predicted][:, None]  # (B, K, D)
    sizes = steps.norm(p=2 if norm == "l2" else 1, dim=2)
    ratio = torch.where(sizes > 0, gaps / sizes, math.inf)
    return ratio.min(dim=1)


def one_by_one(
    model: nn.Module, image: Tensor, norm: Norm, *, overshoot: float = 0.02, most: int = 50
) -> tuple[float, int, int, Tensor]:
    """The authors' loop, one image and one class at a time, as an independent reference."""
    x, total = image.clone(), torch.zeros_like(image)
    start = int(model(x[None]).argmax())
    for iteration in range(most + 1):
        x.requires_grad_()
        logits = model(x[None])[0]
        found = int(logits.argmax())
        if found != start:
            moved = (1 + overshoot) * total
            return float(moved.flatten().norm(p=2 if norm == "l2" else math.inf)), found, iteration, image + moved
        gradients = [torch.autograd.grad(value, x, retain_graph=True)[0] for value in logits]
        best, step = math.inf, torch.zeros_like(image)
        for k in range(len(logits)):
            if k == start:
                continue
            w = gradients[k] - gradients[start]
            size = float(w.flatten().norm(p=2 if norm == "l2" else 1))
            ratio = abs(float((logits[k] - logits[start]).detach())) / size
            if ratio < best:
                best = ratio
                step = (ratio + 1e-4) * (w / size if norm == "l2" else w.sign())
        total = total + step
        x = (image + (1 + overshoot) * total).detach()
    return math.inf, start, most, image


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_linear_model_is_solved_in_closed_form(norm: Norm) -> None:
    model = linear(6, 2 * 3 * 3)
    images = torch.rand(40, 2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    distance, nearest = closed_form(model, images, norm)
    found = deepfool(model, images, norm=norm, minimum_step=1e-9)
    assert torch.allclose(found.distance, 1.02 * distance, rtol=1e-6, atol=1e-8)
    assert torch.equal(found.adversarial, nearest)
    assert len(nearest.unique()) > 2  # also others than the last class, which a known bug always takes
    assert set(found.iterations.tolist()) == {1}


def test_the_nearest_class_is_by_distance_and_not_by_logit_or_place() -> None:
    # from (1, 0): class 1 is the runner-up by logit, but class 2 has the steep border and is nearer; class 3 is last
    model = Linear(
        torch.tensor([[1.0, 0.0], [0.9, 0.0], [-9.0, 0.0], [0.0, 0.1]], dtype=torch.float64),
        torch.tensor([0.0, 0.0, 8.9, 0.0], dtype=torch.float64),
    )
    found = deepfool(model, torch.tensor([1.0, 0.0], dtype=torch.float64).view(1, 2, 1, 1), minimum_step=1e-9)
    assert found.adversarial.tolist() == [2]
    assert found.distance.tolist() == pytest.approx([1.02 * 1.1 / 10])


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("name", ["lenet5", "convnet"])
def test_batched_equals_one_by_one(name: str, norm: Norm) -> None:
    model = trained(name)
    images = stripes(24, seed=3).images.float() / 255
    found = deepfool(model, images, norm=norm, chunk=7)
    assert len(found.iterations.unique()) > 1  # images leave the active set at different steps
    for row, image in enumerate(images):
        distance, adversarial, iterations, perturbed = one_by_one(model, image, norm)
        assert float(found.distance[row]) == pytest.approx(distance, rel=1e-3, abs=1e-5)
        assert int(found.adversarial[row]) == adversarial
        assert int(found.iterations[row]) == iterations
        assert torch.allclose(found.perturbed[row], perturbed, atol=1e-4)


def test_perturbed_images_lie_just_over_the_border() -> None:
    model = trained("lenet5")
    images = stripes(30, seed=4).images
    found = deepfool(model, images)
    over, before = model(found.perturbed), images.float() / 255
    back = before + (found.perturbed - before) * 0.95
    assert torch.equal(over.argmax(dim=1), found.adversarial)
    assert not torch.equal(found.adversarial, found.original)
    assert torch.equal(found.original, model(before).argmax(dim=1))
    assert (model(back).argmax(dim=1) == found.original).double().mean() > 0.9
    assert torch.allclose(found.distance, (found.perturbed - before).flatten(1).double().norm(dim=1), atol=1e-5)


def test_what_cannot_flip_is_infinitely_far() -> None:
    flat = Linear(torch.zeros(3, 4), torch.tensor([0.0, 2.0, 1.0]))  # no gradient at all
    found = deepfool(flat, torch.rand(2, 1, 2, 2))
    assert torch.isinf(found.distance).all()
    assert torch.equal(found.adversarial, found.original)
    one_step = deepfool(trained("lenet5"), stripes(40, seed=3).images, max_iterations=1)
    assert torch.isinf(one_step.distance).any()
    assert torch.equal(torch.isinf(one_step.distance), one_step.adversarial == one_step.original)


def test_an_image_on_the_border_is_moved_off_it() -> None:
    model = Linear(torch.tensor([[1.0], [-1.0]]), torch.zeros(2))
    found = deepfool(model, torch.zeros(1, 1, 1, 1))
    assert found.adversarial.tolist() == [1]
    assert found.distance.item() == pytest.approx(1.02e-4, rel=1e-4)


def test_a_bound_gives_up_only_what_is_past_it() -> None:
    model, images = trained("convnet"), stripes(40, seed=6).images
    whole = deepfool(model, images)
    limit = float(whole.distance.median())
    some = deepfool(model, images, bound=limit)
    near = whole.distance <= limit
    assert torch.allclose(some.distance[near], whole.distance[near], rtol=1e-3)
    assert torch.isinf(some.distance[whole.distance > limit * 1.001]).all()


def test_more_classes_never_make_the_first_step_longer() -> None:
    model = linear(8, 9)
    images = torch.rand(30, 1, 3, 3, dtype=torch.float64)
    two, some, all_ = (deepfool(model, images, candidates=c).distance for c in (1, 3, None))
    assert (two >= some - 1e-9).all()
    assert (some >= all_ - 1e-9).all()
    assert (two > all_ + 1e-6).any()


def test_one_forward_pass_a_step_and_a_shrinking_batch() -> None:
    model, seen = linear(2, 4), []
    model.register_forward_hook(lambda _m, inputs, _o: seen.append(len(inputs[0])))
    images = torch.rand(16, 1, 2, 2, dtype=torch.float64)
    found = deepfool(model, images, chunk=16)
    assert seen == [16, 16]
    assert (found.iterations == 1).all()
    rows: list[int] = []
    with trained("lenet5").register_forward_hook(lambda _m, inputs, _o: rows.append(len(inputs[0]))):
        found = deepfool(trained("lenet5"), stripes(40, seed=3).images)
    steps = int(found.iterations.sum())
    assert max(rows[3:]) < 40
    assert sum(rows) <= 40 + 2 * steps


@pytest.mark.parametrize("name", ["lenet5", "convnet"])
def test_the_model_is_left_as_it_was_found(name: str) -> None:
    model = trained(name)
    model.train()
    model.get_submodule("classifier").eval()  # a mode for each module
    parameter = next(iter(model.parameters()))
    parameter.requires_grad_(False)
    parameter.grad = torch.ones_like(parameter)
    modes = [module.training for module in model.modules()]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    random = torch.random.get_rng_state()
    try:
        with torch.no_grad():
            deepfool(model, stripes(9).images)
        assert modes == [module.training for module in model.modules()]
        assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
        assert torch.equal(parameter.grad, torch.ones_like(parameter))
        assert not parameter.requires_grad
        assert all(other.requires_grad and other.grad is None for other in list(model.parameters())[1:])
        assert torch.equal(torch.random.get_rng_state(), random)
    finally:
        parameter.requires_grad_(True)
        parameter.grad = None
        model.eval()


def test_works_inside_inference_mode() -> None:
    images = stripes(6).images
    outside = deepfool(trained("lenet5"), images).distance
    with torch.inference_mode():
        inside = deepfool(trained("lenet5"), images.float() / 255).distance
    assert np.allclose(outside.numpy(), inside.numpy(), rtol=1e-4)


def test_memory_that_is_too_small_makes_the_chunks_smaller() -> None:
    class Greedy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = linear(3, 4)

        def forward(self, images: Tensor) -> Tensor:
            if len(images) > 3:
                raise torch.OutOfMemoryError("no room")
            return self.inner(images)

    images = torch.rand(10, 1, 2, 2, dtype=torch.float64)
    model = Greedy()
    assert torch.allclose(deepfool(model, images).distance, deepfool(model.inner, images).distance)


@pytest.mark.parametrize(
    ("model", "arguments", "words"),
    [
        (Linear(torch.full((3, 4), math.nan), torch.zeros(3)), {}, "finite logits, got NaN"),
        (Linear(torch.ones(1, 4), torch.zeros(1)), {}, "2 classes or more"),
        (linear(3, 4), {"norm": "l1"}, "norm 'l2' or 'linf'"),
        (linear(3, 4), {"max_iterations": 0}, "1 or more"),
        (linear(3, 4), {"candidates": 0}, "1 or more"),
    ],
)
def test_clear_errors(model: nn.Module, arguments: dict[str, object], words: str) -> None:
    with pytest.raises(StrategyError, match=words):
        deepfool(model, torch.rand(2, 1, 2, 2), **arguments)


def test_no_images_give_an_empty_answer() -> None:
    found = deepfool(linear(3, 4), torch.empty(0, 1, 2, 2))
    assert found.distance.shape == (0,)
    assert found.perturbed.shape == (0, 1, 2, 2)
