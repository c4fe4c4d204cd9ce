"""The state of a lazy search for the images nearest to the border, and its moves; `search.py` says why it is exact.

Positions (0 to N - 1) are places in the pool and stay inside this file; ids come out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pipeline.attacks.border import Norm, check_logits
from pipeline.attacks.deepfool import deepfool
from pipeline.attacks.estimate import Estimator
from pipeline.data.pool import ImagePool
from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.training.inference import iterate_logits

Positions = NDArray[np.int64]
Progress = Callable[[int, int, str], None]

_CHECKED = 64  # images attacked next in order, and as many at random, to measure the recall
_BLOCK = 256  # images estimated or attacked before the bound is looked at again
_WIDER = 0.75  # factor on the slack after a violation


@dataclass(frozen=True)
class NearestToBorder:
    """The nearest images of a pool.

    Attributes:
        ids: int64 (k,), nearest first, ties by id.
        distance: float64 (k,), DeepFool's with overshoot; inf where the prediction could not be changed.
        predicted: int64 (k,), the model's class.
        nearest: int64 (k,), the class behind the border; -1 where distance is inf.
        diagnostics: Figures of the search, with the recall check.
    """

    ids: NDArray[np.int64]
    distance: NDArray[np.float64]
    predicted: NDArray[np.int64]
    nearest: NDArray[np.int64]
    diagnostics: dict[str, float | int | str]


@dataclass(frozen=True)
class AttackSettings:
    """How DeepFool runs; see there."""

    model: nn.Module
    norm: Norm
    overshoot: float
    max_iterations: int
    minimum_step: float
    candidates: int | None
    batch_size: int | None


class Search:
    """What is known of each position so far: gap, estimate, distance; NaN where it is not known."""

    def __init__(self, settings: AttackSettings, pool: ImagePool, k: int, slack: float, seed: int) -> None:
        self.settings, self.pool, self.k, self.slack, self.seed = settings, pool, k, slack, seed
        count = len(pool)
        self.ids = np.asarray(pool.ids)
        self.gap = np.empty(count)
        self.estimate, self.distance = np.full(count, np.nan), np.full(count, np.nan)
        self.given_up = np.zeros(count, dtype=bool)  # attacked, but past the bound
        self.predicted, self.nearest = np.zeros(count, dtype=np.int64), np.full(count, -1)
        self.estimator = Estimator(settings.model, settings.norm, settings.candidates)
        self.violations = self.checks = 0
        self.seconds_looking = 0.0
        self.began = time.perf_counter()

    def look(self, classes: int | None, on_progress: Progress | None) -> None:
        """Read the pool once: predictions and logit gaps."""
        done = 0
        for ids, logits in iterate_logits(self.settings.model, self.pool, batch_size=self.settings.batch_size):
            check_logits(logits, classes)
            best = logits.topk(2, dim=1)
            place = slice(done, done + len(ids))
            self.gap[place] = (best.values[:, 0].double() - best.values[:, 1].double()).cpu().numpy()
            self.predicted[place] = logits.argmax(dim=1).cpu().numpy()
            done += len(ids)
            if on_progress is not None:
                on_progress(done, len(self.pool), "looking at the pool")
        self.order = np.lexsort((self.ids, self.gap))
        self.seconds_looking = time.perf_counter() - self.began

    def run(self) -> None:
        """Search, check the recall, and widen the slack until the check finds nothing."""
        self.measure(self._random(np.arange(len(self.pool)), _CHECKED, "steepness"), thorough=True)
        self.measure(self.order[: max(2 * self.k, _CHECKED)])
        while True:
            self._attack_in_order()
            if not self._should_have_been_in():
                return
            self.violations += 1
            self.slack *= _WIDER
            self.distance[self.given_up] = np.nan
            self.given_up[:] = False

    def _attack_in_order(self) -> None:
        """Attack what may be in the top k, by estimate; estimate more of the pool while its gaps allow it to be in."""
        while True:
            limit = self.limit()
            open_ = np.flatnonzero(self._open() & (self.estimate * self.slack < limit))
            if len(open_):
                chosen = open_[np.lexsort((self.ids[open_], self.estimate[open_]))][: max(_CHECKED, self._missing())]
                self.attack(chosen, bound=limit / self.slack)
                continue
            unknown = self._unknown()
            promising = unknown[self._least_estimate(self.gap[unknown]) * self.slack < limit]
            if not len(promising):
                return
            self.measure(promising[:_BLOCK])

    def measure(self, positions: Positions, *, thorough: bool = False) -> None:
        """Estimate the distance of some positions by one step."""
        positions = positions[np.isnan(self.estimate[positions])]
        for part in self._parts(positions):
            images = self.pool.take(self.ids[part])
            reach = self.estimator.distances(images, 0.0 if thorough else self.slack)
            self.estimate[part] = (1 + self.settings.overshoot) * (reach + self.settings.minimum_step)
            self.distance[part[np.isinf(reach)]] = np.inf  # zero gradients: DeepFool could not move them either

    def attack(self, positions: Positions, *, bound: float) -> None:
        """Run DeepFool on some positions."""
        use = self.settings
        for part in self._parts(positions):
            found = deepfool(
                use.model, self.pool.take(self.ids[part]), norm=use.norm, overshoot=use.overshoot, bound=bound,
                max_iterations=use.max_iterations, minimum_step=use.minimum_step, candidates=use.candidates,
                chunk=use.batch_size,
            )  # fmt: skip
            self.distance[part] = found.distance.cpu().numpy()
            self.given_up[part] = np.isinf(self.distance[part]) & np.isfinite(bound)
            self.predicted[part] = found.original.cpu().numpy()
            self.nearest[part] = np.where(np.isinf(self.distance[part]), -1, found.adversarial.cpu().numpy())

    def limit(self) -> float:
        """Return the k-th best distance so far; inf while there are fewer."""
        known = self.distance[np.isfinite(self.distance)]
        return float(np.partition(known, self.k - 1)[self.k - 1]) if len(known) >= self.k else np.inf

    def _should_have_been_in(self) -> bool:
        """Attack 64 images next in order and 64 random ones in full; return whether one is among the k nearest."""
        limit = self.limit()
        left = np.flatnonzero(np.isnan(self.distance) | self.given_up)
        by_estimate = left[np.isfinite(self.estimate[left])]
        by_estimate = by_estimate[np.lexsort((self.ids[by_estimate], self.estimate[by_estimate]))]
        unknown = self._unknown()
        half = max(_CHECKED // 2, _CHECKED - len(unknown))
        following = np.concatenate([by_estimate[:half], unknown])[:_CHECKED]
        others = np.setdiff1d(left, following)
        chosen = np.concatenate([following, self._random(others, _CHECKED, f"check {self.checks}")])
        self.measure(chosen)
        self.attack(chosen, bound=np.inf)
        self.checks += len(chosen)
        return bool((self.distance[chosen] < limit).any())

    def _random(self, positions: Positions, count: int, stream: str) -> Positions:
        key = per_sample_uniform(derive_seed(self.seed, "search"), self.ids[positions], stream)
        return positions[np.lexsort((self.ids[positions], key))[:count]]

    def _open(self) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(self.estimate) & np.isnan(self.distance))

    def _unknown(self) -> Positions:
        """Return the positions without an estimate, by gap."""
        return np.asarray(self.order[np.isnan(self.estimate[self.order])])

    def _least_estimate(self, gap: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what an estimate cannot be below, if no gradient is larger than the largest seen."""
        steepest = self.estimator.steepest
        reach = gap / steepest if steepest > 0 else np.zeros_like(gap)
        return np.asarray((1 + self.settings.overshoot) * (reach + self.settings.minimum_step))

    def _missing(self) -> int:
        return self.k - int(np.isfinite(self.distance).sum())

    def _parts(self, positions: Positions) -> list[Positions]:
        return [positions[start : start + _BLOCK] for start in range(0, len(positions), _BLOCK)]

    def result(self, exhaustive: bool) -> NearestToBorder:
        """Return the k nearest of what was attacked."""
        known = np.flatnonzero(~np.isnan(self.distance))
        best = known[np.lexsort((self.ids[known], self.distance[known]))][: self.k]
        return NearestToBorder(
            self.ids[best], self.distance[best], self.predicted[best], self.nearest[best], self._figures(exhaustive)
        )

    def _figures(self, exhaustive: bool) -> dict[str, float | int | str]:
        whole = np.isfinite(self.distance) & np.isfinite(self.estimate)
        ratio = self.distance[whole] / self.estimate[whole]
        seconds = time.perf_counter() - self.began
        return {
            "search": "exhaustive" if exhaustive else "lazy",
            "guarantee": "exact" if exhaustive else "measured",
            "pool": len(self.pool),
            "estimated": int(np.isfinite(self.estimate).sum()),
            "attacked": int((~np.isnan(self.distance)).sum()),
            "unflipped": int((np.isinf(self.distance) & ~self.given_up).sum()),
            "checked": self.checks,
            "violations": self.violations,
            "slack": self.slack,
            "least_ratio": float(ratio.min()) if len(ratio) else 1.0,
            "seconds": round(seconds, 4),
            "inference_passes": round(seconds / max(self.seconds_looking, 1e-9), 3),
        }
