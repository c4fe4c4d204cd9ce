"""Several seeds of one small network as one batched program, against one after the other: milliseconds a step.

    python -m benchmarks.batched_training [--device cuda] [--networks lenet5:10,vgg8:4] [--steps N] [--json FILE]

Both ways take turns, several times, and the medians are shown: machines get faster and slower within minutes. From the
milliseconds a step follows what the whole table of MNIST costs in training: 13 arms x 10 seeds, in batches of 10 from
20 to 300 labels. Ranking and testing come on top. That column is an estimate for the device that is named below; on a
CPU all figures are of processor time.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.common import arguments, report
from benchmarks.subjects import CLASSES, read_digits
from pipeline.models.registry import build_model
from pipeline.training.batched import Lesson, train_batched
from pipeline.training.labeled import LabeledImages
from pipeline.training.recipes import SupervisedRecipe, recipe_by_name
from pipeline.training.supervised import train

ARMS, SEEDS, ROUNDS = 13, 10, (300 - 20) // 10 + 1
LABELS = 100


def lessons(name: str, count: int, labeled: LabeledImages) -> list[Lesson]:
    """Return `count` networks with other first weights, and what they learn from: labels and as many copies."""
    copies = LabeledImages(labeled.images.float() / 255, labeled.targets, labeled.ids)
    return [
        Lesson(
            model=build_model(name, classes=CLASSES, channels=1, image_size=28, seed=seed),
            labeled=labeled, seed=seed, copies=copies,
        )
        for seed in range(count)
    ]  # fmt: skip


def random_labels(folder: Path, count: int) -> LabeledImages:
    """Return random training images of MNIST."""
    digits, _ = read_digits(folder)
    chosen = torch.randperm(len(digits.images), generator=torch.Generator().manual_seed(0))[:count]
    images = torch.from_numpy(digits.images)[chosen]
    return LabeledImages(images, torch.from_numpy(digits.targets)[chosen], chosen)


def one_by_one(given: list[Lesson], recipe: SupervisedRecipe, device: torch.device) -> None:
    """Train each by the plain trainer."""
    for one in given:
        train(one.model, one.labeled, recipe, seed=one.seed, device=device, copies=one.copies)


def furthest(first: list[Lesson], second: list[Lesson]) -> float:
    """Return the largest difference between weights."""
    pairs = zip(first, second, strict=True)
    both = [
        (a, b) for one, other in pairs for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True)
    ]
    return max(float((a - b).detach().abs().max()) for a, b in both)


def compare(
    name: str, count: int, labeled: LabeledImages, steps: int, turns: int, device: torch.device
) -> list[dict[str, Any]]:
    """Return a row for each way to train `count` networks."""
    recipe = replace(recipe_by_name("supervised"), least_steps=steps, most_steps=steps, patience=0)
    ways: dict[str, Any] = {
        "plain": lambda given: one_by_one(given, recipe, device),
        "batched": lambda given: train_batched(given, recipe, device=device),
    }
    if device.type == "cuda":
        ways["batched, CUDA graph"] = lambda given: train_batched(given, recipe, device=device, graphs=True)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    trained: dict[str, list[Lesson]] = {}
    for turn in range(turns + (device.type == "cuda")):  # a GPU's first turn compiles and is not counted
        for way, work in ways.items():
            given = trained[way] = lessons(name, count, labeled)
            spent = _spent(work, given, device)
            seconds[way] += [spent] if turn or device.type != "cuda" else []
    plain = median(seconds["plain"])
    return [
        {
            "network": name, "seeds": count, "way": way, "steps": steps,
            "ms a step, all seeds": 1000 * median(some) / steps, "times plain": plain / median(some),
            "weights differ by": furthest(trained["plain"], trained[way]),
            "table, minutes": minutes(median(some) / steps, count),
        }
        for way, some in seconds.items()
    ]  # fmt: skip


def _spent(work: Any, given: list[Lesson], device: torch.device) -> float:
    """Return wall seconds on a GPU, and processor seconds on a CPU, which others' work hardly changes."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    start = clock()
    work(given)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


def minutes(seconds: float, count: int) -> float:
    """Return what the training of the whole table costs, at so many seconds a step of `count` seeds.

    >>> round(minutes(0.001, 10), 1)
    9.4
    """
    return ARMS * ROUNDS * recipe_by_name("supervised").steps(300) * seconds * SEEDS / count / 60


def main() -> None:
    """Print the table."""
    given = arguments(
        __doc__, device="cuda" if torch.cuda.is_available() else "cpu", networks="lenet5:10,vgg8:4", steps=0
    )
    device = torch.device(given.device)
    labeled = random_labels(given.data / "mnist", LABELS)
    rows: list[dict[str, Any]] = []
    for part in given.networks.split(","):
        name, count = part.split(":")
        usual = 500 if device.type == "cuda" else 60 if name == "lenet5" else 4
        steps = given.steps or (usual // 2 if given.quick else usual)
        rows += compare(name, int(count), labeled, steps, 1 if given.quick else 3, device)
        print(f"{name}: done", file=sys.stderr)
    where = f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else "cpu"
    report(
        f"Training {LABELS} labels and as many copies of MNIST, batches of 32",
        rows, given, device=f"{where}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        table=f"{ARMS} arms x {SEEDS} seeds x {ROUNDS} rounds x {recipe_by_name('supervised').steps(300)} steps",
    )  # fmt: skip


if __name__ == "__main__":
    main()
