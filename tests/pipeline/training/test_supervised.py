from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline.errors import TrainingError
from pipeline.models.registry import build_model
from pipeline.models.small import VGG8
from pipeline.training.labeled import LabeledImages
from pipeline.training.recipes import SupervisedRecipe
from pipeline.training.supervised import train
from tests.pipeline.toys import CPU, QUICK, Linear, stripes

State = dict[str, torch.Tensor]
RECIPE = replace(QUICK, least_steps=30, most_steps=30, window=8, batch_size=8)


class Stop(Exception):
    """What a test throws in the middle of a training."""


def run(name: str = "convnet", checkpoint: Path | None = None, stop: int | None = None, **options: object) -> State:
    model = build_model(name, classes=4, channels=1, image_size=16, seed=1)

    def progress(done: int, total: int, text: str) -> None:
        if done == stop:
            raise Stop

    arguments: dict[str, object] = {"seed": 3, "device": CPU, "checkpoint_seconds": 0.0, **options}
    labeled = arguments.pop("labeled", stripes(20))
    recipe = arguments.pop("recipe", RECIPE)
    train(model, labeled, recipe, checkpoint=checkpoint, on_progress=progress, **arguments)
    return model.state_dict()


def same(first: State, second: State) -> bool:
    return all(torch.equal(first[key], second[key]) for key in first)


def copies_of(labeled: LabeledImages, count: int) -> LabeledImages:
    noise = torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(8))
    return LabeledImages(noise, labeled.targets[:count], labeled.ids[:count])


def test_it_learns() -> None:
    model = build_model("convnet", classes=4, channels=1, image_size=16, seed=0)
    report = train(model, stripes(60), replace(QUICK, least_steps=150, most_steps=150), seed=0, device=CPU)
    new = stripes(300, seed=77)
    right = (model(new.images.float() / 255).argmax(dim=1) == new.targets).double().mean()
    assert right > 0.7  # a quarter by chance; a fifth of the bars lie over the edge of their class
    assert report.steps == 150
    assert report.epochs == pytest.approx(150 * 16 / 60, abs=0.01)
    assert report.train_loss < 1.0
    assert report.validation_accuracy is None
    assert report.device == "cpu"
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", ["lenet5", "convnet"])
def test_a_seed_gives_the_same_bits_and_leaves_the_global_state_alone(name: str) -> None:
    before = torch.random.get_rng_state()
    first = run(name)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(7)  # a global state that differs
    assert same(first, run(name))
    assert not same(first, run(name, seed=4))


@pytest.mark.parametrize("name", ["lenet5", "convnet"])
def test_a_resumed_training_equals_an_unbroken_one_bit_for_bit(name: str, tmp_path: Path) -> None:
    labeled = stripes(20)
    options = {"copies": copies_of(labeled, 6), "validation": stripes(9, seed=5), "labeled": labeled}
    unbroken = run(name, **options)
    path = tmp_path / "run.safetensors"
    with pytest.raises(Stop):
        run(name, path, stop=20, **options)
    assert path.exists()
    assert same(unbroken, run(name, path, **options))


KILLED = """
import os, signal
from pathlib import Path
from pipeline.models.registry import build_model
from pipeline.models.small import VGG8
from pipeline.training import supervised
from tests.pipeline.toys import CPU, stripes
from tests.pipeline.training.test_supervised import RECIPE
import sys
model = build_model("lenet5", classes=4, channels=1, image_size=16, seed=1)
kill = lambda done, total, text: os.kill(os.getpid(), signal.SIGKILL)
supervised.train(model, stripes(20), RECIPE, seed=3, device=CPU, checkpoint=Path(sys.argv[1]), checkpoint_seconds=0.0,
                 on_progress=kill)
"""


def test_a_killed_process_is_taken_up_by_another(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, env=environment)
    assert done.returncode == -signal.SIGKILL
    steps: list[int] = []
    model = build_model("lenet5", classes=4, channels=1, image_size=16, seed=1)
    with model.register_forward_hook(lambda *_: steps.append(1)):
        train(model, stripes(20), RECIPE, seed=3, device=CPU, checkpoint=path)
    assert len(steps) == 10  # 20 of 30 were done
    assert same(run("lenet5"), model.state_dict())


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    first = run("lenet5", path)
    calls: list[int] = []
    model = build_model("lenet5", classes=4, channels=1, image_size=16, seed=1)
    report = train(
        model, stripes(20), RECIPE, seed=3, device=CPU, checkpoint=path, on_progress=lambda *_: calls.append(1)
    )
    assert not calls
    assert report.steps == 30
    assert same(first, model.state_dict())


@pytest.mark.parametrize(
    "change", [{"seed": 4}, {"labeled": stripes(21)}, {"recipe": replace(RECIPE, learning_rate=1e-3)}]
)
def test_a_checkpoint_of_another_training_is_not_taken_up(change: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    with pytest.raises(Stop):
        run("lenet5", path, stop=20)
    assert same(run("lenet5", **change), run("lenet5", path, **change))


def one_bit(data: bytes) -> bytes:
    """Turn one bit in the weights, which safetensors cannot see."""
    turned = bytearray(data)
    turned[len(data) // 2] ^= 1
    return bytes(turned)


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda data: b"", lambda data: b"\xff" * 50, one_bit])
def test_a_damaged_checkpoint_starts_the_training_anew(
    damage: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "run.safetensors"
    with pytest.raises(Stop):
        run("lenet5", path, stop=20)
    path.write_bytes(damage(path.read_bytes()))
    assert same(run("lenet5"), run("lenet5", path))
    assert "damaged" in caplog.text


def test_the_weights_best_in_validation_are_kept() -> None:
    validation = stripes(40, seed=6)
    model = build_model("lenet5", classes=4, channels=1, image_size=16, seed=1)
    recipe = replace(RECIPE, least_steps=200, most_steps=200, window=10, patience=0)
    report = train(model, stripes(40), recipe, seed=0, device=CPU, validation=validation)
    right = (model(validation.images.float() / 255).argmax(dim=1) == validation.targets).double().mean()
    assert report.validation_accuracy == pytest.approx(float(right))
    bad = replace(recipe, learning_rate=0.5)  # falls apart at the end
    model = build_model("lenet5", classes=4, channels=1, image_size=16, seed=1)
    worse = train(model, stripes(40), bad, seed=0, device=CPU, validation=validation)
    right = (model(validation.images.float() / 255).argmax(dim=1) == validation.targets).double().mean()
    assert worse.validation_accuracy == pytest.approx(float(right))


def test_copies_take_part_and_validation_images_do_not() -> None:
    labeled = stripes(20)
    plain = run("lenet5", labeled=labeled)
    assert not same(plain, run("lenet5", labeled=labeled, copies=copies_of(labeled, 4)))
    flat = replace(RECIPE, patience=0)
    seen: list[torch.Tensor] = []
    model = build_model("lenet5", classes=4, channels=1, image_size=16, seed=1)
    with model.register_forward_hook(lambda m, inputs, _o: seen.append(inputs[0]) if m.training else None):
        train(model, labeled, replace(flat, augmentation="none"), seed=3, device=CPU, validation=stripes(9, seed=5))
    pixels = {image.numpy().tobytes() for image in labeled.images.float() / 255}
    assert {image.numpy().tobytes() for batch in seen for image in batch} <= pixels


def test_each_epoch_shows_each_image_once() -> None:
    labeled, seen = stripes(20), []
    model = build_model("lenet5", classes=4, channels=1, image_size=16, seed=1)
    with model.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0])):
        train(model, labeled, replace(RECIPE, augmentation="none", least_steps=10), seed=3, device=CPU)
    stream = [image.numpy().tobytes() for batch in seen for image in batch]
    for epoch in range(4):
        assert len(set(stream[20 * epoch : 20 * epoch + 20])) == 20
    assert stream[:20] != stream[20:40]


@pytest.mark.parametrize(
    ("labeled", "options", "words"),
    [
        (stripes(0), {}, "expected labeled images, got none"),
        (stripes(20, classes=6), {}, "classes from 0 to 4, exclusive"),
        (
            stripes(20),
            {"validation": LabeledImages(stripes(2).images, torch.tensor([0, 9]), torch.arange(2))},
            "exclusive",
        ),
    ],
)
def test_clear_errors(labeled: LabeledImages, options: dict[str, object], words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        run("lenet5", labeled=labeled, **options)


def test_a_loss_that_is_not_a_number_stops_at_once() -> None:
    class Broken(Linear):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images) * float("nan")

    model: nn.Module = Broken(torch.zeros(4, 256), torch.zeros(4))
    with pytest.raises(TrainingError, match="finite training loss, got nan before step 1"):
        train(model, stripes(8), RECIPE, seed=0, device=CPU)


@pytest.mark.parametrize(
    ("images", "targets", "ids", "words"),
    [
        (torch.zeros(2, 4, 4), torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), "add the channel"),
        (torch.zeros(2, 1, 4, 4), torch.zeros(3, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), "targets"),
        (torch.zeros(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64), torch.zeros(2), "ids"),
    ],
)
def test_labeled_images_fit_together(
    images: torch.Tensor, targets: torch.Tensor, ids: torch.Tensor, words: str
) -> None:
    with pytest.raises(TrainingError, match=words):
        LabeledImages(images, targets, ids)


def test_vgg8_learns_with_the_rate_that_suits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = SupervisedRecipe(least_steps=50, most_steps=50, batch_size=16, window=10, augmentation="none")
    losses = []
    for share in (VGG8.learning_rate_share, 1.0):
        monkeypatch.setattr(VGG8, "learning_rate_share", share)
        model = build_model("vgg8", classes=4, channels=1, image_size=16, seed=0)
        losses.append(train(model, stripes(40), recipe, seed=0, device=CPU).train_loss)
    assert losses[0] < 0.8
    assert losses[1] > 1.2  # chance is log 4 = 1.39
