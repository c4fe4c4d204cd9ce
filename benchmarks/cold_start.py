"""What a first round is worth when nothing is labeled: strategies on features learned without labels, against chance.

Claim: TypiClust on the autoencoder's features, the default of a first round, beats random images. For each seed all
ways choose from the same random pool, and the same network starts from the same weights; the figure is the accuracy on
MNIST's test files after training on the chosen images alone. Differences from random are paired by seed, with a 95 % t
interval (none for a single seed).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import stats

from benchmarks.common import arguments, report, timed
from benchmarks.subjects import CLASSES, Digits, device, read_digits
from pipeline.data.pool import ImagePool
from pipeline.models.registry import build_model
from pipeline.strategies.base import QueryContext
from pipeline.strategies.registry import get_strategy
from pipeline.training.inference import accuracy, predict_logits
from pipeline.training.labeled import LabeledImages
from pipeline.training.recipes import recipe_by_name
from pipeline.training.supervised import train

WAYS = (
    "random_sampling", "typiclust", "typiclust(features='contrastive')", "probcover", "core_set", "core_set_robust",
    "kmeans",
)  # fmt: skip


def first_round(way: str, pool: Digits, test: Digits, labels: int, seed: int, model: str) -> dict[str, Any]:
    """Choose, train, and measure once."""
    images = ImagePool.from_tensor(torch.from_numpy(pool.images))
    context = QueryContext(pool=images, model=None, classes=CLASSES, seed=seed, device=device())
    seconds, chosen = timed(lambda: get_strategy(way).select(context, labels))
    network = build_model(model, classes=CLASSES, channels=1, image_size=28, seed=seed)
    targets = torch.from_numpy(pool.targets[chosen.ids])
    labeled = LabeledImages(images=images.take(chosen.ids), targets=targets, ids=torch.from_numpy(chosen.ids))
    train(network, labeled, recipe_by_name("supervised"), seed=seed, device=device())
    logits = predict_logits(network, ImagePool.from_tensor(torch.from_numpy(test.images)), device=device())[1]
    return {
        "seconds": seconds,
        "classes": len(torch.unique(targets)),
        "accuracy": accuracy(logits, torch.from_numpy(test.targets)),
    }


def summary(way: str, runs: list[dict[str, Any]], by_chance: list[dict[str, Any]]) -> dict[str, Any]:
    """Make one row: means over the seeds, and the paired difference from random with its interval."""
    gains = np.array([run["accuracy"] - chance["accuracy"] for run, chance in zip(runs, by_chance, strict=True)])
    spread = float("nan")
    if len(gains) > 1:
        spread = float(stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / len(gains) ** 0.5)
    return {
        "way": way,
        "accuracy": float(np.mean([run["accuracy"] for run in runs])),
        "gain": float(gains.mean()),
        "low": float(gains.mean() - spread),
        "high": float(gains.mean() + spread),
        "classes_found": float(np.mean([run["classes"] for run in runs])),
        "seconds": float(np.median([run["seconds"] for run in runs])),
    }


def main() -> None:
    """Measure every way for some seeds."""
    given = arguments(__doc__, labels=20, seeds=5, pool=5_000, model="lenet5")
    digits, test = read_digits(given.data / "mnist")
    seeds = range(1 if given.quick else given.seeds)
    runs: dict[str, list[dict[str, Any]]] = {}
    for way in WAYS[:2] if given.quick else WAYS:
        runs[way] = []
        for seed in seeds:
            some = np.random.default_rng([seed, 1]).permutation(len(digits.images))[: given.pool]
            pool = Digits(digits.images[some], digits.targets[some])
            runs[way].append(first_round(way, pool, test, given.labels, seed, given.model))
    rows = [summary(way, runs[way], runs["random_sampling"]) for way in runs]
    title = f"First round without labels: {given.labels} images of {given.pool:,} of MNIST, {given.model}"
    report(title, rows, given, seeds=list(seeds))


if __name__ == "__main__":
    main()
