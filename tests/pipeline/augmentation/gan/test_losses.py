from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pipeline.augmentation.gan.discriminators import Discriminator
from pipeline.augmentation.gan.losses import LOSSES, Knobs, gan_loss
from pipeline.augmentation.gan.networks import Shape
from pipeline.augmentation.gan.objectives import Batch, Objective
from pipeline.augmentation.gan.penalties import around_real_penalty, clip_weights, interpolated_penalty
from pipeline.augmentation.gan.recipe import GanRecipe
from pipeline.augmentation.gan.terms import class_loss, code_loss, next_balance
from pipeline.errors import TrainingError

LOG_3 = math.log(3)  # a logit with probability 3/4
REAL, FAKE = torch.tensor([LOG_3, 0.0]), torch.tensor([-LOG_3, 0.0])

# D on real, D on fake, G on fake, by hand for the scores above; as probabilities D(x) = 3/4, 1/2, D(G(z)) = 1/4, 1/2.
LOGISTIC = ([math.log(4 / 3), math.log(2)], [math.log(4 / 3), math.log(2)], [math.log(4), math.log(2)])
FORMULAS = {
    "minimax": (*LOGISTIC[:2], [math.log(3 / 4), math.log(1 / 2)]),
    "non_saturating": LOGISTIC,
    "cgan": LOGISTIC,
    "infogan": LOGISTIC,
    "acgan": LOGISTIC,
    "dragan": LOGISTIC,
    "lsgan": ([(LOG_3 - 1) ** 2 / 2, 0.5], [LOG_3**2 / 2, 0.0], [(LOG_3 + 1) ** 2 / 2, 0.5]),
    "wgan": ([-LOG_3, 0.0], [-LOG_3, 0.0], [LOG_3, 0.0]),
    "wgan_gp": ([-LOG_3, 0.0], [-LOG_3, 0.0], [LOG_3, 0.0]),
    "hinge": ([0.0, 1.0], [0.0, 1.0], [LOG_3, 0.0]),
    "ebgan": ([LOG_3, 0.0], [0.4 + LOG_3, 0.4], [-LOG_3, 0.0]),
    "began": ([LOG_3, 0.0], [0.25 * LOG_3, 0.0], [-LOG_3, 0.0]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_each_formula_by_hand(name: str) -> None:
    knobs, loss = Knobs(margin=0.4, balance=0.25), gan_loss(name)
    real, fake, generator = FORMULAS[name]
    assert loss.real(REAL, knobs).tolist() == pytest.approx(real, abs=1e-6)
    assert loss.fake(FAKE, knobs).tolist() == pytest.approx(fake, abs=1e-6)
    assert loss.generator(FAKE).tolist() == pytest.approx(generator, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_all_are_minimised(name: str) -> None:
    """A step downhill makes real images score better and lets generated ones pass."""
    loss, knobs = gan_loss(name), Knobs(margin=5.0, balance=0.5)
    scores = torch.tensor([0.3], requires_grad=True)
    wanted = 1.0 if loss.energy else -1.0  # a logit goes up on real images, an energy down
    (of_real,) = torch.autograd.grad(loss.real(scores, knobs).sum(), scores)
    (of_fake,) = torch.autograd.grad(loss.fake(scores, knobs).sum(), scores)
    (of_generator,) = torch.autograd.grad(loss.generator(scores).sum(), scores)
    assert of_real.sign().item() == wanted
    assert of_fake.sign().item() == -wanted
    assert of_generator.sign().item() == wanted


def test_the_page_names_every_loss() -> None:
    page = (Path(__file__).parents[4] / "docs" / "generator.md").read_text(encoding="utf-8")
    assert [name for name in LOSSES if f"`{name}`" not in page] == []


def test_hinge_stops_at_the_margin_on_each_side() -> None:
    hinge = gan_loss("hinge")
    assert hinge.real(torch.tensor([1.0, 1.5, 0.5]), Knobs()).tolist() == [0.0, 0.0, 0.5]
    assert hinge.fake(torch.tensor([-1.0, -1.5, -0.5]), Knobs()).tolist() == [0.0, 0.0, 0.5]


def test_ebgan_leaves_images_beyond_the_margin_alone() -> None:
    assert gan_loss("ebgan").fake(torch.tensor([0.3, 2.0]), Knobs(margin=1.0)).tolist() == pytest.approx([0.7, 0.0])


def test_labels_are_smoothed_on_the_real_side_alone() -> None:
    smooth, loss = Knobs(smoothing=0.9), gan_loss("non_saturating")
    expected = 0.9 * math.log(4 / 3) + 0.1 * math.log(4)
    assert loss.real(torch.tensor([LOG_3]), smooth).item() == pytest.approx(expected, abs=1e-6)
    assert loss.fake(FAKE, smooth).tolist() == loss.fake(FAKE, Knobs()).tolist()
    assert gan_loss("lsgan").real(torch.tensor([0.9]), smooth).item() == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(TrainingError, match="smoothing"):
        GanRecipe(loss="hinge", smoothing=0.9)


def linear(images: Tensor) -> Tensor:
    return 3.0 * images.flatten(1)[:, 0]


def bowl(images: Tensor) -> Tensor:
    return (images.flatten(1) ** 2).sum(dim=1) / 2  # its slope at x has the length of x


def test_wgan_gp_penalizes_a_slope_of_three_by_four() -> None:
    real, fake = torch.rand(5, 1, 4, 4), torch.rand(5, 1, 4, 4)
    penalty = interpolated_penalty(linear, real, fake, torch.Generator().manual_seed(0))
    assert penalty.item() == pytest.approx(4.0)  # (3 - 1)^2


def test_wgan_gp_looks_between_real_and_generated_images() -> None:
    share = torch.rand(6, 1, 1, 1, generator=torch.Generator().manual_seed(5)).flatten()
    real, fake = torch.full((6, 1, 2, 2), 1.0), torch.full((6, 1, 2, 2), 3.0)
    lengths = 2 * (share * 1.0 + (1 - share) * 3.0)  # of x^ = a x + (1 - a) G(z), four pixels each
    penalty = interpolated_penalty(bowl, real, fake, torch.Generator().manual_seed(5))
    assert penalty.item() == pytest.approx(((lengths - 1) ** 2).mean().item(), rel=1e-5)


def test_dragan_looks_around_real_images_within_half_a_deviation() -> None:
    real = torch.tensor([[0.0, 0.0], [4.0, 0.0]]).view(2, 1, 1, 2)
    noise = torch.rand(real.shape, generator=torch.Generator().manual_seed(2))
    points = (real + 0.5 * real.std() * noise).flatten(1)
    penalty = around_real_penalty(bowl, real, torch.Generator().manual_seed(2))
    assert penalty.item() == pytest.approx(((points.norm(dim=1) - 1) ** 2).mean().item(), rel=1e-5)


def test_penalties_reach_the_weights() -> None:
    layer = nn.Linear(16, 1)
    real = torch.rand(3, 1, 4, 4)
    interpolated_penalty(lambda x: layer(x.flatten(1))[:, 0], real, real + 1, torch.Generator()).backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().sum() > 0


def test_wgan_clips_every_weight() -> None:
    layer = nn.Linear(3, 3)
    nn.init.constant_(layer.weight, -2.0)
    clip_weights(layer, 0.01)
    assert layer.weight.eq(-0.01).all()
    assert layer.bias.abs().max() <= 0.01


def test_began_keeps_its_balance_between_zero_and_one() -> None:
    assert next_balance(0.0, 1.0, 0.1, diversity=0.5, rate=1.0) == pytest.approx(0.4)
    assert next_balance(0.0, 1.0, 9.0, diversity=0.5, rate=1.0) == 0.0
    assert next_balance(0.9, 9.0, 0.0, diversity=0.5, rate=1.0) == 1.0


class Known(Discriminator):
    """Scores that are known: features are pixels."""

    def __init__(self, recipe: GanRecipe, logits: Tensor) -> None:
        super().__init__(Shape(classes=2, channels=1, side=16), recipe)
        self.logits = logits

    def body(self, images: Tensor) -> Tensor:
        return images.flatten(1)

    def free(self, features: Tensor, images: Tensor) -> Tensor:
        return features[:, 0]

    def classify(self, features: Tensor) -> Tensor:
        return self.logits.expand(len(features), 2)

    def codes(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return features[:, 1:3], torch.zeros(len(features), 2)

    def of_class(self, features: Tensor, targets: Tensor) -> Tensor:
        return features[:, 0] + targets


def batch(*, condition: float = 1.0, unlabeled: Tensor | None = None, weights: Tensor | None = None) -> Batch:
    real, made = torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)
    real[0, 0, 0, 0], made[0, 0, 0, 0] = LOG_3, -LOG_3
    one = torch.ones(1, dtype=torch.int64)
    return Batch(
        labeled=real, labels=one, unlabeled=unlabeled, made=made, targets=one * 0,
        weights=torch.ones(1) if weights is None else weights, codes=torch.full((1, 4), 2.0), condition=condition,
    )  # fmt: skip


def costs(loss: str, given: Batch, **options: object) -> tuple[float, float]:
    recipe = replace(GanRecipe(loss=loss, changes=()), **options)
    objective = Objective(Known(recipe, torch.tensor([LOG_3, 0.0])), recipe, 1)  # P(class 0) = 3/4
    draws = torch.Generator()
    return objective.discriminator(given, 0.0, draws).total.item(), objective.generator(given, draws).total.item()


def test_acgan_adds_the_cross_entropy_of_real_and_generated_images() -> None:
    discriminator, generator = costs("acgan", batch())
    assert discriminator == pytest.approx(2 * math.log(4 / 3) + math.log(4) + math.log(4 / 3), abs=1e-5)
    assert generator == pytest.approx(math.log(4) + math.log(4 / 3), abs=1e-5)


def test_infogan_adds_the_likelihood_of_codes_to_both_networks() -> None:
    discriminator, generator = costs("infogan", batch())
    codes = 2.0  # (2 - 0)^2 / 2
    assert discriminator == pytest.approx(2 * math.log(4 / 3) + math.log(4) + math.log(4 / 3) + codes, abs=1e-5)
    assert generator == pytest.approx(math.log(4) + math.log(4 / 3) + codes, abs=1e-5)
    assert code_loss(torch.zeros(1, 2), torch.zeros(1, 2), torch.full((1, 2), 2.0)).item() == codes
    assert class_loss(torch.tensor([[LOG_3, 0.0]]), torch.tensor([1])).item() == pytest.approx(math.log(4))


def test_a_class_score_comes_beside_the_free_one() -> None:
    discriminator, generator = costs("hinge", batch())
    # free: 0 + 0; as class 1 real LOG_3 + 1 -> 0; as class 0 fake -LOG_3 -> 0
    assert discriminator == pytest.approx(0.0)
    assert generator == pytest.approx(2 * LOG_3, abs=1e-5)
    assert costs("hinge", batch(condition=0.25))[1] == pytest.approx(1.25 * LOG_3, abs=1e-5)
    assert costs("hinge", batch(condition=0.0))[1] == pytest.approx(LOG_3, abs=1e-5)


def test_the_pool_takes_the_place_of_labels_in_the_free_term_alone() -> None:
    pool = torch.zeros(1, 1, 16, 16)  # score 0: hinge 1
    assert costs("hinge", batch(unlabeled=pool))[0] == pytest.approx(1.0)
    plain, pooled = costs("acgan", batch()), costs("acgan", batch(unlabeled=pool))
    assert pooled[0] - plain[0] == pytest.approx(math.log(2) - math.log(4 / 3), abs=1e-5)


def test_class_shares_weigh_generated_images_in_the_free_term_alone() -> None:
    weighted = costs("hinge", batch(weights=torch.tensor([0.5])))
    assert weighted[1] == pytest.approx(1.5 * LOG_3, abs=1e-5)


def test_feature_matching_pulls_means_together() -> None:
    plain = costs("hinge", batch())[1]
    matched = costs("hinge", batch(), feature_matching=0.5)[1]
    assert matched - plain == pytest.approx(0.5 * (2 * LOG_3) ** 2, abs=1e-4)


def test_unknown_losses_and_conditionings_are_named() -> None:
    with pytest.raises(TrainingError, match="did you mean hinge"):
        gan_loss("hinges")
    for loss in ("ebgan", "infogan", "acgan"):
        with pytest.raises(TrainingError, match="auto"):
            GanRecipe(loss=loss, conditioning="projection")
    with pytest.raises(TrainingError, match="both"):
        GanRecipe(loss="wgan", spectral_norm=True)
