"""The methods that query_speed.py compares, on one network and one pool at a time; each adds a row to the table."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import timed
from benchmarks.memory import Measured, measured
from benchmarks.peers import PEERS, distances, with_gradients
from benchmarks.subjects import Subject, device
from pipeline.attacks.deepfool import deepfool
from pipeline.attacks.search import nearest_to_border
from pipeline.catalog import STRATEGIES
from pipeline.data.pool import ImagePool
from pipeline.data.transforms import to_float
from pipeline.errors import PipelineError
from pipeline.models.state import borrowed
from pipeline.strategies.registry import get_strategy

_OURS = "dfal_0"  # the strategy that is our top-k search and nothing else
_PASS_SIZES = (64, 256, 1024)
_GPU_PASS_SIZES = (1024, 4096, 16384)
_PEER_SIZES = (32, 128, 512)
_GPU_PEER_SIZES = (512, 2048, 8192)


class Ranking:
    """Rows and notes of one network.

    Args:
        subject: The network.
        rows: The table, to which rows are added.
        notes: Lines below it, each once.
        first: Whether strategies and slow peers are measured as well.
        quick: Smaller subsets and k.
    """

    def __init__(
        self, subject: Subject, rows: list[dict[str, Any]], notes: list[str], *, first: bool, quick: bool
    ) -> None:
        self.subject, self.model, self.first, self.quick = subject, subject.model, first, quick
        self.ks = (10, 100) if quick else (10, 100, 1000)
        self.pass_seconds, self.peer_seconds, self.strategy_seconds = (0.2, 0.5, 0.5) if quick else (4.0, 10.0, 60.0)
        self.least_peer, self.least_strategy = (8, 100) if quick else (32, 500)  # images at least
        self.rows, self.notes = rows, notes

    def look_at(self, pool: ImagePool) -> None:
        """Take a pool, and measure an inference pass over it or, where that takes seconds, over its first images."""
        self.pool = pool
        self.reference: np.ndarray | None = None  # ids, nearest first
        sizes = _GPU_PASS_SIZES if device().type == "cuda" else _PASS_SIZES
        self.forward(pool.subset(pool.ids[:256]), 256)  # what only a first run does
        images, _ = self.within(self.pass_seconds, 512, lambda some: self.forward(some, sizes[1]))
        some = pool.subset(pool.ids[:images])
        runs = [(measured(partial(self.forward, some, size), 5), size) for size in sizes]
        best, size = min(runs, key=lambda run: run[0].seconds)
        self.one_pass = partial(self.forward, some, size)
        self.pass_images, self.pass_an_image = images, best.seconds / images
        self.add("inference pass", None, images, best)

    def forward(self, pool: ImagePool, batch_size: int) -> Tensor:
        """Return the logits (N, K) of a pool, in full precision."""
        with borrowed(self.model), torch.inference_mode():
            return torch.cat(
                [self.model(to_float(some.to(device()), torch.float32)).cpu() for _, some in pool.batches(batch_size)]
            )

    def ours(self, *, exhaustive: bool) -> None:
        """Measure the exact top-k search, and DeepFool on every image as its reference."""
        if exhaustive:
            done = measured(partial(nearest_to_border, self.model, self.pool, max(self.ks), exhaustive=True))
            self.reference = done.result.ids
            self.add("exhaustive", max(self.ks), len(self.pool), done, recall=1.0)
        else:
            self.note(f"exhaustive: not on {len(self.pool):,} images in this run")
        repeats = 3 if self.pass_an_image * len(self.pool) < 30 else 1
        for k in self.ks:
            runs = [self.beside_passes(partial(nearest_to_border, self.model, self.pool, k)) for _ in range(repeats)]
            done, passes = sorted(runs, key=lambda run: run[1])[len(runs) // 2]
            self.add("top-k", k, len(self.pool), done, recall=self.recall(done.result.ids), passes=passes)

    def beside_passes(self, work: Callable[[], Any]) -> tuple[Measured, float]:
        """Measure work between two passes of the best batch size: machines get faster and slower within minutes."""
        before, _ = timed(self.one_pass)
        done = measured(work)
        after, _ = timed(self.one_pass)
        return done, done.seconds / len(self.pool) * self.pass_images / ((before + after) / 2)

    def strategies(self) -> None:
        """Measure the catalog's other strategies, for the first network alone."""
        for name in STRATEGIES if self.first else ():
            if name != _OURS:
                self.strategy(name, self.ks[0] if self.quick else 100)

    def strategy(self, name: str, k: int) -> None:
        """Measure one strategy, on as many images as the time allows."""
        try:
            chosen = get_strategy(name)
            images, done = self.within(
                self.strategy_seconds, self.least_strategy, lambda some: chosen.select(self.subject.context(some), k)
            )
        except (ImportError, PipelineError) as reason:
            self.note(f"{name}: skipped, {reason}")
            return
        whole = images == len(self.pool)
        self.add(name, k, images, done, recall=self.recall(done.result.ids) if whole else None)

    def peers(self) -> None:
        """Measure those peers that are installed: foolbox for every network, slower ones for the first."""
        for name in PEERS if self.first else ("foolbox",):
            try:
                self.peer(name)
            except ImportError as reason:
                self.note(f"{name}: skipped, {reason}")

    def peer(self, name: str) -> None:
        """Measure one peer with three batch sizes, and compare its distances with ours."""
        sizes = _GPU_PEER_SIZES if device().type == "cuda" else _PEER_SIZES
        with borrowed(self.model), with_gradients():
            images, _ = self.within(
                self.peer_seconds, self.least_peer, lambda some: self.run_peer(name, *self.ready(some), sizes[1])
            )
            inputs = self.ready(self.pool.subset(self.pool.ids[:images]))
            work = [
                partial(self.run_peer, name, *inputs, size) for size in sorted({min(size, images) for size in sizes})
            ]
            done = min((measured(run) for run in work), key=lambda one: one.seconds)
            theirs = distances(self.model, inputs[0], done.result, inputs[1]).numpy()
        ours = deepfool(self.model, inputs[0]).distance.cpu().numpy()
        k = min(self.ks[0], images)
        nearest = [np.argsort(found, kind="stable")[:k] for found in (ours, theirs)]
        self.add(name, k, images, done, recall=len(np.intersect1d(*nearest)) / k)
        self.agreement(name, ours, theirs)

    def run_peer(self, name: str, images: Tensor, predicted: Tensor, batch: int) -> Tensor:
        """Return the perturbed images (N, C, H, W)."""
        return PEERS[name](self.model, batch)(images, predicted)

    def ready(self, pool: ImagePool) -> tuple[Tensor, Tensor]:
        """Return float images (N, C, H, W) and predicted classes (N,), on the model's device."""
        images = to_float(pool.take(pool.ids).to(device()), torch.float32)
        return images, self.forward(pool, 256).argmax(dim=1).to(device())

    def agreement(self, name: str, ours: np.ndarray, theirs: np.ndarray) -> None:
        """Note how far a peer's distances are from ours."""
        both = np.isfinite(ours) & np.isfinite(theirs)
        apart = np.abs(ours[both] / theirs[both] - 1)
        if not both.any():
            self.note(f"{name}: not one distance to compare")
            return
        where = f"{self.subject.name}, {self.subject.labels} labels, seed {self.subject.seed}"
        self.note(
            f"{name} on {where}: {int((apart < 5e-5).sum())} of {len(ours)} distances equal ours to 4 digits; "
            f"apart: median {np.median(apart):.1e}, most {apart.max():.1e}"
        )

    def within(self, seconds: float, least: int, work: Callable[[ImagePool], Any]) -> tuple[int, Measured]:
        """Run work on four times as many images of the pool until more would take longer than `seconds`."""
        images = min(least, len(self.pool))
        while True:
            done = measured(partial(work, self.pool.subset(self.pool.ids[:images])))
            if images == len(self.pool) or 4 * done.seconds > seconds:
                return images, done
            images = min(4 * images, len(self.pool))

    def recall(self, ids: np.ndarray) -> float | None:
        """Return the share of the exhaustive answer that was found; None without one."""
        if self.reference is None:
            return None
        return len(np.intersect1d(ids, self.reference[: len(ids)])) / len(ids)

    def add(
        self,
        method: str,
        k: int | None,
        images: int,
        done: Measured,
        recall: float | None = None,
        passes: float | None = None,
    ) -> None:
        """Add a row to the table; its passes are those of the pool's first measurement, unless given."""
        row = {
            "method": method, "model": self.subject.name, "labels": self.subject.labels, "seed": self.subject.seed,
            "pool": len(self.pool), "images": images, "k": k, "seconds": done.seconds,
            "images_per_second": images / done.seconds,
            "inference_passes": passes or done.seconds / images / self.pass_an_image,
            "recall": recall, "peak_mb": done.peak_mb, "added_mb": done.added_mb,
        }  # fmt: skip
        self.rows.append(row)
        print(f"{method}: {done.seconds:.2f} s for {images:,} images", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Keep a line to be printed below the table."""
        if text not in self.notes:
            self.notes.append(text)
        print(text, file=sys.stderr, flush=True)
