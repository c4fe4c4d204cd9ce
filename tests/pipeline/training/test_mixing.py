from __future__ import annotations

import pytest
import torch

from pipeline.training.losses import class_loss
from pipeline.training.mixing import Rows, draw_mixed


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_a_step_is_drawn_from_its_seed_alone(kind: str) -> None:
    state = torch.get_rng_state()
    first, second = (draw_mixed(kind, (6, 2), 12, seed=3, step=5) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.partner, second.partner)
    assert torch.equal(first.keep, second.keep)
    assert first.share == second.share != draw_mixed(kind, (6, 2), 12, seed=3, step=6).share


def test_partners_are_of_one_kind() -> None:
    for step in range(20):
        partner = draw_mixed("mixup", (5, 3), 8, seed=0, step=step).partner
        assert sorted(partner[:5].tolist()) == [0, 1, 2, 3, 4]
        assert sorted(partner[5:].tolist()) == [5, 6, 7]


def test_mixup_adds_two_images_up_and_their_losses_in_the_same_shares() -> None:
    """Zhang et al. (2018), section 2: x = share x_i + (1 - share) x_j, and the same for the classes."""
    generator = torch.Generator().manual_seed(0)
    images, logits = torch.rand(4, 1, 6, 6, generator=generator), torch.randn(4, 3, generator=generator)
    targets = torch.tensor([0, 1, 2, 0])
    mixed = draw_mixed("mixup", (4,), 6, seed=1, step=1)
    assert 0 < mixed.share < 1
    expected = mixed.share * images + (1 - mixed.share) * images[mixed.partner]
    assert torch.allclose(mixed.images(images), expected)
    rows = Rows(targets, None, mixed)
    found = mixed.loss(lambda others: class_loss(logits, rows.classes_of(others).targets))
    one_hot = torch.nn.functional.one_hot(targets, 3).float()
    soft = mixed.share * one_hot + (1 - mixed.share) * one_hot[mixed.partner]
    assert float(found) == pytest.approx(float(torch.nn.functional.cross_entropy(logits, soft)))


def test_cutmix_puts_a_rectangle_of_one_image_onto_the_other_and_counts_its_area() -> None:
    """Yun et al. (2019), section 3.1."""
    shares = []
    images = torch.arange(3.0)[:, None, None, None].expand(3, 1, 28, 28)
    for step in range(100):
        mixed = draw_mixed("cutmix", (3,), 28, seed=0, step=step)
        cut = mixed.keep == 0
        rows, columns = cut.any(dim=1).sum(), cut.any(dim=0).sum()
        assert int(cut.sum()) == rows * columns  # a rectangle
        assert mixed.share == pytest.approx(1 - int(cut.sum()) / 784)
        out = mixed.images(images)
        assert torch.equal(out[:, 0][:, ~cut], images[:, 0][:, ~cut])
        assert torch.equal(out[:, 0][:, cut], images[mixed.partner][:, 0][:, cut])
        shares.append(mixed.share)
    assert min(shares) < 0.3
    assert max(shares) > 0.95


def test_rows_count_as_their_partners() -> None:
    mixed = draw_mixed("mixup", (3, 2), 4, seed=0, step=0)
    rows = Rows(torch.tensor([0, 1, 2, 3, 4]), torch.tensor([1.0, 2.0, 3.0]), mixed)
    others = rows.classes_of(mixed.partner)
    assert others.targets.tolist() == mixed.partner.tolist()
    assert others.factors.tolist() == [1.0 + place for place in mixed.partner[:3].tolist()]
