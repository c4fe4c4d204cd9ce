"""Other people's DeepFool gives the same distances: foolbox run beside ours, adv-lib as stored numbers."""

from __future__ import annotations

import math
from copy import deepcopy

import foolbox
import pytest
import torch
from torch import Tensor, nn

from pipeline.attacks.border import Norm
from pipeline.attacks.deepfool import deepfool
from tests.pipeline.toys import stripes, trained

# The adv-lib figures were made with adv-lib 0.2.8 in an environment of its own (visdom, which it imports at load and
# does not need, replaced by an empty module):
#   moved = adv_lib.attacks.deepfool.df(model, images, model(images).argmax(dim=1), steps=50, norm=2 or inf) - images
#   moved.flatten(1).norm(p=2 or inf, dim=1)
ADV_LIB: dict[Norm, list[float]] = {
    "l2": [
        0.17175171, 0.08657488, 0.04745493, 0.02295821, 0.01057926, 0.01326427, 0.08184362, 0.04758425, 0.00620971,
        0.04978057,
    ],
    "linf": [
        0.03927159, 0.01937022, 0.00974282, 0.00456542, 0.00247000, 0.00278300, 0.01700765, 0.00982631, 0.00133224,
        0.00960747,
    ],
}  # fmt: skip


class Waves(nn.Module):
    """A curved classifier, five classes that meet at gray; its weights are a formula, the same with every torch."""

    def __init__(self) -> None:
        super().__init__()
        numbers = torch.arange(36 * 12 + 12 * 5, dtype=torch.float64)
        weights = (numbers * numbers * 0.37).sin() * 0.7
        self.first = nn.Parameter(weights[: 36 * 12].view(36, 12))
        self.second = nn.Parameter(weights[36 * 12 :].view(12, 5))

    def forward(self, images: Tensor) -> Tensor:
        return torch.as_tensor(((images.flatten(1) - 0.5) @ self.first).tanh() @ self.second)


def wave_images() -> Tensor:
    """Ten images (10, 1, 6, 6) far from black and white, so that clipping, which adv-lib does, changes nothing."""
    numbers = torch.arange(360, dtype=torch.float64)
    return 0.5 + 0.15 * (numbers * numbers * 0.61).sin().view(10, 1, 6, 6)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_adv_lib(norm: Norm) -> None:
    found = deepfool(Waves(), wave_images(), norm=norm)
    assert found.distance.tolist() == pytest.approx(ADV_LIB[norm], rel=1e-4)
    assert len(found.adversarial.unique()) > 2


@pytest.mark.parametrize(("norm", "attack"), [("l2", "L2DeepFoolAttack"), ("linf", "LinfDeepFoolAttack")])
@pytest.mark.parametrize("candidates", [2, 3, 10])
@pytest.mark.parametrize("name", ["lenet5", "convnet"])
def test_foolbox(name: str, candidates: int, norm: Norm, attack: str) -> None:
    model = deepcopy(trained(name)).requires_grad_(False)  # foolbox would leave gradients at a model that tests share
    images = stripes(32, seed=3).images.float() / 255
    labels = model(images).argmax(dim=1)
    theirs = getattr(foolbox.attacks, attack)(steps=50, candidates=candidates, overshoot=0.02)
    peer = foolbox.PyTorchModel(model, bounds=(-1000, 1000), device=torch.device("cpu"))  # wide: no clipping
    moved = theirs.run(peer, images, labels) - images
    expected = moved.flatten(1).double().norm(p=2 if norm == "l2" else math.inf, dim=1)
    found = deepfool(model, images, norm=norm, candidates=candidates - 1)  # foolbox counts the predicted class
    flipped = found.distance.isfinite()
    assert flipped.double().mean() > 0.9
    assert torch.allclose(found.distance[flipped], expected[flipped], rtol=1e-4, atol=1e-5)
