from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.augmentation.gan.batches import Source
from pipeline.augmentation.gan.collapse import Look, why_collapsed
from pipeline.augmentation.gan.losses import LOSSES
from pipeline.augmentation.gan.recipe import GanRecipe
from pipeline.augmentation.gan.run import Run
from pipeline.errors import TrainingError
from pipeline.training.labeled import LabeledImages
from tests.pipeline.augmentation.gan.toys import TINY, halves, left_brighter, run, same
from tests.pipeline.toys import CPU


class Stop(Exception):
    pass


def stop_at(step: int) -> object:
    def on_sheet(done: int, _: Tensor) -> None:
        if done == step:
            raise Stop

    return on_sheet


@pytest.mark.parametrize("name", LOSSES)
def test_a_seed_gives_the_same_bits_and_leaves_the_global_state_alone(name: str) -> None:
    recipe = replace(TINY, loss=name, steps=4, look_every=2)
    before = torch.random.get_rng_state()
    first, report = run(recipe)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(7)
    assert same(first, run(recipe)[0])
    assert report.steps == 4
    assert not report.collapsed
    assert not first.generator.training


def test_seeds_and_pools_make_a_difference() -> None:
    first = run()[0]
    assert not same(first, run(seed=4)[0])
    assert not same(first, run(pool=None)[0])
    assert not same(first, run(trusted=halves(6, seed=5))[0])


@pytest.mark.parametrize("name", ["hinge", "began"])
def test_a_resumed_training_equals_an_unbroken_one_bit_for_bit(name: str, tmp_path: Path) -> None:
    recipe, path = replace(TINY, loss=name), tmp_path / "gan.safetensors"
    unbroken, whole = run(recipe)
    told: list[int] = []

    def stop(done: int, total: int, _: str) -> None:
        told.append(done)
        raise Stop

    with pytest.raises(Stop):  # at the second look; the checkpoint is of an earlier step
        run(recipe, path, checkpoint_seconds=0.0, on_sheet=stop_at(12))
    maker, report = run(recipe, path, checkpoint_seconds=0.0)
    assert same(unbroken, maker)
    assert report.looks == whole.looks
    steps: list[int] = []
    again, _ = run(recipe, path, on_sheet=lambda done, _: steps.append(done))
    assert same(unbroken, again)
    assert not steps  # a finished training is not done again


def test_a_checkpoint_of_another_training_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "gan.safetensors"
    run(TINY, path)
    assert same(run(TINY, path, seed=9)[0], run(TINY, seed=9)[0])


def test_progress_can_stop_it() -> None:
    def stop(done: int, total: int, _: str) -> None:
        assert (done, total) == (12, 12)
        raise Stop

    with pytest.raises(Stop):
        run(on_progress=stop)


def test_a_loss_that_is_no_number_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "gan.safetensors"
    with pytest.raises(TrainingError, match="finite"):
        run(replace(TINY, loss="wgan", clip=float("inf"), discriminator_rate=1e30), path, checkpoint_seconds=0.0)


def test_a_generator_that_makes_one_image_is_stopped() -> None:
    recipe = replace(TINY, steps=60, look_every=5, warm_up=0.0, blending=0.0, generator_rate=0.0, collapse_share=0.6)
    _, report = run(recipe)  # it never learns: its images stay nearly the same gray
    assert report.collapsed
    assert report.steps == 25  # looks count from a quarter of the steps on: 15, 20, 25
    assert report.planned == 60
    assert "alike" in str(report.reason)
    assert "0 (" in str(report.reason)


def look(step: int, loss: float = 1.0, *variety: float | None) -> Look:
    return Look(step=step, discriminator_loss=loss, generator_loss=1.0, variety=variety or (0.9, None))


def test_collapse_needs_some_looks_in_a_row() -> None:
    bad, good = look(1, 1.0, 0.1, 0.9), look(2, 1.0, 0.5, 0.9)
    assert why_collapsed([bad, bad], share=0.3, times=3, floor=True) is None
    assert why_collapsed([bad, bad, good, bad, bad], share=0.3, times=3, floor=True) is None
    assert "alike" in str(why_collapsed([good, bad, bad, bad], share=0.3, times=3, floor=True))
    turns = [look(1, 1.0, 0.1, 0.9), look(2, 1.0, 0.9, 0.1), look(3, 1.0, 0.1, 0.9)]
    assert why_collapsed(turns, share=0.3, times=3, floor=True) is None


def test_a_discriminator_that_has_won_is_seen_where_its_loss_has_a_floor() -> None:
    won = [look(step, 0.0) for step in range(3)]
    assert "without a doubt" in str(why_collapsed(won, share=0.3, times=3, floor=True))
    assert why_collapsed(won, share=0.3, times=3, floor=False) is None
    assert why_collapsed([*won[:2], look(3, 0.2)], share=0.3, times=3, floor=True) is None


def test_sheets_have_a_row_a_class() -> None:
    sheets: dict[int, Tensor] = {}
    run(on_sheet=sheets.__setitem__)
    assert list(sheets) == [6, 12]
    assert sheets[6].dtype == torch.uint8
    assert sheets[6].shape == (1, 2 + 2 * 18, 2 + 16 * 18)


def test_it_draws_the_class_that_is_asked_for() -> None:
    recipe = replace(TINY, width=8, latent=8, batch_size=16, steps=150, look_every=75, averaging=0.9, warm_up=0.2,
                     blending=0.1, generator_rate=2e-3, discriminator_rate=4e-3)  # fmt: skip
    maker, report = run(recipe, labeled=halves(20), pool=halves(200, seed=1).images)
    assert not report.collapsed
    assert left_brighter(maker.make(0, 100, seed=0)).double().mean() > 0.9
    assert left_brighter(maker.make(1, 100, seed=0)).double().mean() < 0.1


def source(labeled: LabeledImages, trusted: LabeledImages | None = None) -> Source:
    return Source(labeled, trusted, None, classes=3, trusted_share=0.75, device=CPU)


def coded(*classes: int, first: int = 0) -> LabeledImages:
    """Images whose pixels say which they are."""
    count = len(classes)
    images = (torch.arange(count) + first).to(torch.uint8)[:, None, None, None].expand(count, 1, 16, 16)
    return LabeledImages(images.clone(), torch.tensor(classes), torch.arange(count))


def drawn(images: Tensor) -> Tensor:
    return ((images[:, 0, 0, 0] + 1) * 127.5).round().long()


def test_batches_have_each_class_as_often() -> None:
    labeled = coded(*[0] * 95, *[1] * 4, 2)
    images, targets = source(labeled).of_classes(3000, torch.Generator().manual_seed(0))
    counts = targets.bincount()
    assert counts.min() > 900
    assert torch.equal(labeled.targets[drawn(images)], targets)
    assert len(drawn(images)[targets == 1].unique()) == 4


def test_classes_without_an_image_are_never_drawn() -> None:
    _, targets = source(coded(0, 2)).of_classes(100, torch.Generator().manual_seed(0))
    assert set(targets.tolist()) == {0, 2}


def test_trusted_images_take_their_share_and_no_more() -> None:
    both = source(coded(0, 1), coded(*[0] * 50, 2, first=100))
    images, targets = both.of_classes(4000, torch.Generator().manual_seed(0))
    guessed = drawn(images) >= 100
    assert guessed[targets == 0].double().mean() == pytest.approx(0.75, abs=0.04)
    assert not guessed[targets == 1].any()
    assert guessed[targets == 2].all()  # a class without a label


def test_the_free_term_weighs_classes_by_their_share_in_the_pool() -> None:
    labeled = coded(0, 0, 0, 1)
    pool = labeled.images
    options = {"classes": 2, "seed": 0, "device": CPU}
    assert Run(TINY, labeled, None, pool, shares=None, **options).weights.tolist() == [1.5, 0.5]
    assert Run(TINY, labeled, None, None, shares=None, **options).weights.tolist() == [1.0, 1.0]
    weights = Run(TINY, labeled, None, pool, shares=[0.9, 0.1], **options).weights
    assert weights.tolist() == pytest.approx([1.8, 0.2])


def test_images_that_do_not_fit_are_refused() -> None:
    few = halves(4)
    with pytest.raises(TrainingError, match="got none"):
        run(labeled=LabeledImages(few.images[:0], few.targets[:0], few.ids[:0]))
    with pytest.raises(TrainingError, match="uint8"):
        run(pool=torch.rand(4, 1, 16, 16))
    with pytest.raises(TrainingError, match="uint8"):
        run(trusted=halves(4, side=20))
    with pytest.raises(TrainingError, match="classes from 0 to 2"):
        run(labeled=LabeledImages(few.images, few.targets + 1, few.ids))
    with pytest.raises(TrainingError, match="pool_shares"):
        run(pool_shares=[1.0])


def test_recipes_say_what_is_wrong() -> None:
    with pytest.raises(TrainingError, match="warm_up"):
        GanRecipe(warm_up=0.8, blending=0.2)
    with pytest.raises(TrainingError, match="batch_size"):
        GanRecipe(batch_size=1)
