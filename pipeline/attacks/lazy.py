"""The state of a lazy search for the images nearest to the border, and its moves; `search.py` says why it is exact.

Positions (0 to N - 1) are places in the pool and stay inside this file; ids come out. What is done for each block of
images takes no time that grows with the pool.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.attacks.border import check_logits
from pipeline.attacks.chunks import Chunks, fitting_batch
from pipeline.attacks.deepfool import DeepFoolSettings, push
from pipeline.attacks.estimate import FirstStep, first_steps
from pipeline.attacks.linearized import Pruning, Steepness
from pipeline.data.pool import ImagePool
from pipeline.data.transforms import to_float
from pipeline.models.state import borrowed, device_and_type
from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.training.inference import inference_batch

Positions = NDArray[np.int64]
Progress = Callable[[int, int, str], None]

_EVALUATED = 4096  # images whose logits are evaluated together
_CHECKED = 64  # images attacked next in order, and as many at random, to measure the recall
_PART = 256  # images estimated or attacked before the bound is looked at again; more where a chunk is larger
_BLOCK_PIXELS = 1 << 24  # most pixels in a block, for a gradient is kept of each: 64 MB
_WIDER = 0.75  # factor on the slack and the trust after a violation
_TRUST = 0.75  # the largest gradient seen is taken for this share of the largest there is


class Search:
    """What is known of each position so far: gap, estimate, distance; NaN where it is not known.

    Args:
        model: From images (B, C, S, S) to logits (B, K); left as found.
        pool: N images.
        k: How many are wanted.
        settings: How DeepFool runs.
        slack: Share of an estimate that a distance is taken to reach at least.
        seed: Of the random draws.
        batch_size: Images at a time; None lets the model and the image size decide.
    """

    def __init__(
        self,
        model: nn.Module,
        pool: ImagePool,
        k: int,
        settings: DeepFoolSettings,
        slack: float,
        seed: int,
        batch_size: int | None,
    ) -> None:
        self.model, self.pool, self.k, self.settings = model, pool, k, settings
        self.slack, self.seed, self.batch_size = slack, seed, batch_size
        count = len(pool)
        self.ids = np.asarray(pool.ids)
        self.gap = np.empty(count)
        self.estimate, self.distance = np.full(count, np.nan), np.full(count, np.nan)
        self.given_up = np.zeros(count, dtype=bool)  # attacked, but past the bound
        self.predicted, self.nearest = np.zeros(count, dtype=np.int32), np.full(count, -1, dtype=np.int32)
        self.best = np.empty(0)  # the k smallest distances so far, rising; fewer while fewer are known
        self.steepness, self.trust = Steepness(), _TRUST
        self.violations = self.checks = 0
        self.seconds_looking = 0.0

    def look(self, classes: int | None, on_progress: Progress | None) -> None:
        """Read the pool once: predictions and logit gaps."""
        device, dtype = device_and_type(self.model)
        with borrowed(self.model), torch.inference_mode(mode=False):
            image = to_float(self.pool.take(self.ids[:1]).to(device), dtype)
            self.chunks = Chunks(self.batch_size or fitting_batch(self.model, image))
        self.part = max(_PART, self.chunks.size)
        began = time.perf_counter()
        size = self.batch_size or inference_batch(self.pool.image_shape, device)
        while True:
            try:
                self._look(size, classes, on_progress)
                break
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                size = max(1, size // 2)
        self.order = np.lexsort((self.ids, self.gap))
        self.seconds_looking = time.perf_counter() - began

    def _look(self, batch_size: int, classes: int | None, on_progress: Progress | None) -> None:
        """Read logits batch by batch, and evaluate them some thousand images at a time, which costs next to nothing."""
        device, dtype = device_and_type(self.model)
        waiting: list[Tensor] = []
        done = 0
        with borrowed(self.model), torch.inference_mode():
            for _, images in self.pool.batches(batch_size):
                waiting.append(self.model(to_float(images.to(device), dtype)))
                rows = sum(map(len, waiting))
                if rows >= _EVALUATED or done + rows == len(self.pool):
                    self._evaluate(torch.cat(waiting), done, classes)
                    done += rows
                    waiting.clear()
                    if on_progress is not None:
                        on_progress(done, len(self.pool), "looking at the pool")

    def _evaluate(self, logits: Tensor, start: int, classes: int | None) -> None:
        """Keep the gaps and the predictions of some logits (B, K), those of the images from `start` on."""
        check_logits(logits, classes)
        best = logits.topk(2, dim=1).values.double()  # (B, 2)
        place = slice(start, start + len(logits))
        self.gap[place] = (best[:, 0] - best[:, 1]).cpu().numpy()
        self.predicted[place] = logits.argmax(dim=1).cpu().numpy()

    def run(self) -> None:
        """Search, check the recall, and widen the slack until the check finds nothing."""
        sample = self._random(np.arange(len(self.pool)), _CHECKED, "steepness")
        for part in self._split(sample, self._block(_CHECKED)):
            self._estimate(part, self.pool.take(self.ids[part]), Pruning(self.steepness, 0.0))
        while True:
            self._attack_in_order()
            if not self._should_have_been_in():
                return
            self.violations += 1
            self.slack, self.trust = self.slack * _WIDER, self.trust * _WIDER
            self.distance[self.given_up] = np.nan
            self.given_up[:] = False

    def _attack_in_order(self) -> None:
        """Go through the pool by gap, block by block, until no gap can close within the k-th best distance."""
        waiting = self.order[np.isnan(self.distance[self.order])]
        start, size = 0, max(5 * self.k // 4, _CHECKED)
        while start < len(waiting):
            block = waiting[start : start + self._block(size)]
            start, size = start + len(block), self.part
            block = block[self._least_estimate(self.gap[block]) < self.limit()]
            if not len(block):
                return
            self._attack_block(block)

    def _attack_block(self, block: Positions) -> None:
        """Attack what may be in the top k, in order of the estimate, which is DeepFool's first step."""
        images = self.pool.take(self.ids[block])
        first = self._estimate(block, images, self._pruning(self._reach(self.limit() / self.slack) / self.trust))
        order = np.lexsort((self.ids[block], self.estimate[block]))
        while len(order):
            limit = self.limit()
            missing = self.k - len(self.best)
            part = order[: min(self.part, max(_CHECKED, missing or self.chunks.size // 2))]
            part, order = part[self.estimate[block[part]] * self.slack < limit], order[len(part) :]
            if not len(part):
                return
            rows = torch.from_numpy(part)
            known = first[rows.to(first.predicted.device)]
            self._attack(block[part], images[rows], known, bound=limit / self.slack, pruning=self._pruning(math.inf))

    def _estimate(self, positions: Positions, images: torch.Tensor, pruning: Pruning | None) -> FirstStep:
        """Estimate the distance of some positions by one step."""
        use = self.settings
        first = first_steps(
            self.model, images, norm=use.norm, candidates=use.candidates, chunks=self.chunks, pruning=pruning
        )
        reach = first.border.distance.double().cpu().numpy()
        self.estimate[positions] = self._with_overshoot(reach)
        if pruning is None or math.isinf(pruning.limit):
            self.distance[positions[np.isinf(reach)]] = np.inf  # zero gradients: DeepFool cannot move them either
        return first

    def attack(self, positions: Positions) -> None:
        """Run DeepFool on some positions in full: all classes, no bound."""
        for part in self._split(positions, self._block(self.part)):
            images = self.pool.take(self.ids[part])
            self._attack(part, images, self._estimate(part, images, None), bound=math.inf, pruning=None)

    def _attack(
        self, positions: Positions, images: torch.Tensor, first: FirstStep, *, bound: float, pruning: Pruning | None
    ) -> None:
        found = push(self.model, images, self.settings, self.chunks, first=first, bound=bound, pruning=pruning)
        distance = found.distance.cpu().numpy()
        self.distance[positions] = distance
        self.given_up[positions] = np.isinf(distance) & math.isfinite(bound)
        self.nearest[positions] = np.where(np.isinf(distance), -1, found.adversarial.cpu().numpy())
        self.predicted[positions] = found.original.cpu().numpy()
        self.best = np.sort(np.concatenate([self.best, distance[np.isfinite(distance)]]))[: self.k]

    def limit(self) -> float:
        """Return the k-th best distance so far; inf while there are fewer."""
        return float(self.best[-1]) if len(self.best) == self.k else math.inf

    def _should_have_been_in(self) -> bool:
        """Attack 64 images next in order and 64 random ones in full; return whether one is among the k nearest."""
        limit = self.limit()
        left = np.flatnonzero(np.isnan(self.distance) | self.given_up)
        following = self._next_in_order(left)
        others = np.setdiff1d(left, following)
        chosen = np.concatenate([following, self._random(others, _CHECKED, f"check {self.checks}")])
        self.attack(chosen)
        self.checks += len(chosen)
        return bool((self.distance[chosen] < limit).any())

    def _next_in_order(self, left: Positions) -> Positions:
        """Return 64 of those left out: half by estimate and half by gap, where there are as many."""
        known = left[np.isfinite(self.estimate[left])]
        known = known[np.lexsort((self.ids[known], self.estimate[known]))]
        unknown = left[np.isnan(self.estimate[left])]
        unknown = unknown[np.lexsort((self.ids[unknown], self.gap[unknown]))]
        half = max(_CHECKED // 2, _CHECKED - len(unknown))
        return np.concatenate([known[:half], unknown])[:_CHECKED]

    def _random(self, positions: Positions, count: int, stream: str) -> Positions:
        key = per_sample_uniform(derive_seed(self.seed, "search"), self.ids[positions], stream)
        return positions[np.lexsort((self.ids[positions], key))[:count]]

    def _with_overshoot(self, reach: NDArray[np.float64]) -> NDArray[np.float64]:
        return (1 + self.settings.overshoot) * (reach + self.settings.minimum_step)

    def _reach(self, distance: float) -> float:
        return distance / (1 + self.settings.overshoot) - self.settings.minimum_step

    def _least_estimate(self, gap: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what no distance should be below, if few gradients were seen and the largest is somewhat larger."""
        return self._with_overshoot(self.trust * self.steepness.least(torch.from_numpy(gap)).numpy())

    def _pruning(self, limit: float) -> Pruning:
        return Pruning(self.steepness, self.slack, limit)

    def _block(self, size: int) -> int:
        """Return how many images a block may have, at most `size`."""
        return max(1, min(size, _BLOCK_PIXELS // max(1, math.prod(self.pool.image_shape))))

    def _split(self, positions: Positions, size: int) -> list[Positions]:
        return [positions[start : start + size] for start in range(0, len(positions), size)]
