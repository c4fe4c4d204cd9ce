from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pipeline.augmentation.translation import TranslationMaker, TranslationRecipe, train_translation
from pipeline.augmentation.translation.collapse import Watch, pair_distance
from pipeline.augmentation.translation.networks import Translator
from pipeline.errors import ModelError, TrainingError
from pipeline.training.labeled import LabeledImages
from tests.pipeline.augmentation.translation.pairs import TINY, bright_and_dark, of_class
from tests.pipeline.toys import CPU


class Stopped(Exception):
    pass


def weights(maker: TranslationMaker) -> list[Tensor]:
    return list(maker.translator.state_dict().values())


def same(one: TranslationMaker, other: TranslationMaker) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def test_one_seed_gives_one_result_and_leaves_the_global_state() -> None:
    common, rare = of_class(0, 9), of_class(3, 5)
    before = torch.get_rng_state()
    first, report = train_translation(TINY, common, rare, seed=1, device=CPU)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert same(first, train_translation(TINY, common, rare, seed=1, device=CPU)[0])
    assert not same(first, train_translation(TINY, common, rare, seed=2, device=CPU)[0])
    assert (report.source, report.target, report.common, report.rare, report.steps) == (0, 3, 9, 5, 12)
    assert not report.collapsed
    assert math.isfinite(report.cycle_loss + report.discriminator_loss + report.spread + report.change)


@pytest.mark.parametrize("killed_at", [3, 10, 11])
def test_a_killed_training_ends_with_the_same_bits(killed_at: int, tmp_path: Path) -> None:
    common, rare = of_class(0, 9), of_class(3, 5)
    whole, report = train_translation(TINY, common, rare, seed=1, device=CPU)
    path = tmp_path / "translation.safetensors"
    looks = []

    def kill(step: int, _sheet: Tensor) -> None:
        looks.append(step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.augmentation.translation.training._TELL_EVERY", 1)
        with pytest.raises(Stopped):
            train_translation(
                TINY, common, rare, seed=1, device=CPU, checkpoint=path, checkpoint_seconds=0,
                on_progress=_stop_at(killed_at), on_sheet=kill,
            )  # fmt: skip
    assert path.exists()
    again, resumed = train_translation(
        TINY, common, rare, seed=1, device=CPU, checkpoint=path, on_sheet=lambda step, _: looks.append(step)
    )  # fmt: skip
    assert same(whole, again)
    assert replace(resumed, seconds=0) == replace(report, seconds=0)
    assert looks == [10, 12]
    finished, _ = train_translation(TINY, common, rare, seed=1, device=CPU, checkpoint=path)
    assert same(whole, finished)


def _stop_at(wanted: int):
    def on_progress(step: int, steps: int, line: str) -> None:
        assert steps == TINY.steps
        assert line
        if step == wanted:
            raise Stopped

    return on_progress


def test_a_checkpoint_of_another_training_is_not_taken_up(tmp_path: Path) -> None:
    common, rare = of_class(0, 9), of_class(3, 5)
    path = tmp_path / "translation.safetensors"
    train_translation(TINY, common, rare, seed=1, device=CPU, checkpoint=path)
    other = replace(TINY, cycle=3.0)
    expected, _ = train_translation(other, common, rare, seed=1, device=CPU)
    assert same(expected, train_translation(other, common, rare, seed=1, device=CPU, checkpoint=path)[0])


def test_it_learns_to_translate() -> None:
    common, rare = bright_and_dark(30, 12)
    recipe = TranslationRecipe(width=6, blocks=1, steps=80, batch_size=4, augmentation="none", learning_rate=2e-3)
    maker, report = train_translation(recipe, common, rare, seed=0, device=CPU)
    made = maker.make(1, 20, seed=0).float().mean()
    dark, bright = common.images.float().mean(), rare.images.float().mean()
    assert bright - dark > 60
    assert abs(float(made - bright)) < 30
    assert report.change > 0.2
    assert report.cycle_loss < 0.25
    assert not report.collapsed


def test_a_sheet_shows_images_and_below_what_becomes_of_them() -> None:
    common, rare = of_class(0, 9), of_class(3, 5)
    sheets: list[Tensor] = []
    train_translation(TINY, common, rare, seed=1, device=CPU, on_sheet=lambda _, sheet: sheets.append(sheet))
    sheet = sheets[-1]  # gaps of 2 pixels, 9 columns, 2 rows
    assert (sheet.dtype, sheet.shape) == (torch.uint8, (1, 2 + 2 * 18, 2 + 9 * 18))
    above, below = (
        {sheet[:, top : top + 16, 2 + 18 * column : 18 + 18 * column].numpy().tobytes() for column in range(9)}
        for top in (2, 20)
    )
    assert above == {image.numpy().tobytes() for image in common.images}
    assert not above & below


def test_a_generator_that_answers_all_with_one_image_ends_early() -> None:
    common, rare = of_class(0, 9), of_class(3, 5)
    recipe = replace(TINY, steps=60, learning_rate=0.1)  # so high that weights run off until tanh says nothing
    _, report = train_translation(recipe, common, rare, seed=1, device=CPU)
    assert report.collapsed
    assert report.steps == 40, "a quarter of the steps is grace, and two looks are patience"
    assert "alike" in str(report.reason)
    assert report.spread < 0.25


def test_a_collapse_is_remembered_by_the_checkpoint(tmp_path: Path) -> None:
    common, rare = of_class(0, 9), of_class(3, 5)
    recipe, path = replace(TINY, steps=60, learning_rate=0.1), tmp_path / "translation.safetensors"
    _, report = train_translation(recipe, common, rare, seed=1, device=CPU, checkpoint=path)
    _, again = train_translation(recipe, common, rare, seed=1, device=CPU, checkpoint=path)
    assert replace(again, seconds=0) == replace(report, seconds=0)


class Constant(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return torch.zeros_like(images)


def test_the_watch_waits_for_its_grace_and_its_patience_and_forgives() -> None:
    common, rare = of_class(0, 9).images, of_class(3, 5).images
    watch = Watch(common, rare, 2, seed=0)
    for step in (10, 20, 25):
        watch.look(Constant(), step, 100)
    assert (watch.spread, watch.reason) == (0.0, None)
    watch.look(Constant(), 30, 100)
    watch.look(nn.Identity(), 40, 100)
    assert (watch.change, watch.reason) == (0.0, None)
    assert watch.spread > 0.5
    watch.look(Constant(), 50, 100)
    assert watch.reason is None
    watch.look(Constant(), 60, 100)
    assert "step 60 of 100" in str(watch.reason)


def test_pair_distance_of_one_image_is_none() -> None:
    assert pair_distance(torch.zeros(1, 1, 2, 2)) == 0.0


def test_a_loss_that_is_no_number_raises() -> None:
    common, rare = of_class(0, 9), of_class(3, 5)
    broken = replace(common, images=torch.full((9, 1, 16, 16), torch.nan))
    with pytest.raises(TrainingError, match="finite"):
        train_translation(TINY, broken, rare, seed=1, device=CPU)


def mixed(images: LabeledImages) -> LabeledImages:
    targets = images.targets.clone()
    targets[0] = 2
    return replace(images, targets=targets)


def test_images_that_do_not_belong_together_are_refused() -> None:
    common, rare = of_class(0, 9), of_class(3, 5)
    one = LabeledImages(rare.images[:1], rare.targets[:1], rare.ids[:1])
    small = replace(rare, images=rare.images[..., :12, :12])
    none = LabeledImages(rare.images[:0], rare.targets[:0], rare.ids[:0])
    alike = replace(rare, images=rare.images[:1].expand(5, -1, -1, -1))
    for left, right, words in [
        (common, of_class(0, 5, seed=1), "two classes"),
        (mixed(common), rare, "one class"),
        (common, mixed(rare), "one class"),
        (common, none, "got 0 of classes"),
        (common, one, "2 images of the rare class"),
        (common, small, "one shape"),
        (common, replace(rare, ids=common.ids[:5]), "some in both"),
        (common, alike, "all the same"),
    ]:
        with pytest.raises(TrainingError, match=words):
            train_translation(TINY, left, right, seed=0, device=CPU)
    with pytest.raises(ModelError, match="16 pixels"):
        train_translation(TINY, replace(common, images=common.images[..., :12, :12]), small, seed=0, device=CPU)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"width": 0}, {"average": 1.0}, {"learning_rate": 0.0}, {"cycle": -1.0}, {"history": -1}]
)
def test_senseless_recipes_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(TrainingError):
        TranslationRecipe(**wrong)


def test_averaging_is_what_translates() -> None:
    common, rare = of_class(0, 9), of_class(3, 5)
    last, _ = train_translation(replace(TINY, average=0.0), common, rare, seed=1, device=CPU)
    mean, _ = train_translation(TINY, common, rare, seed=1, device=CPU)
    assert isinstance(mean.translator, Translator)
    assert not same(last, mean)
