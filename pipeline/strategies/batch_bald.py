"""BatchBALD: the batch whose labels together tell most about which network is right.

Kirsch, van Amersfoort and Gal, NeurIPS 2019, arXiv:1906.08158. Greedy, which is within 1 - 1/e of the best batch. The
joint entropy of a batch is exact while its K^n outcomes are few, and sampled after that (section 3.3 and appendix C).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import StrategyError
from pipeline.randomness import derive_seed
from pipeline.strategies.bald import mutual_information
from pipeline.strategies.base import Arrays, QueryContext, Selection
from pipeline.strategies.one_pass import Block, Collector, OnePass, Wants
from pipeline.strategies.ranking import TopK

_BYTES = 1 << 26  # of what is held at a time
_FULL = 0.99  # of the information that the draws hold
_EQUAL = 1e-12  # nats, a difference of rounding
_SPARE = 1 << 26  # bytes of draws that are kept before the worst images are let go
_LOOKED_AT = 16  # rows whose gain is computed before the bounds are looked at again


@dataclass(frozen=True, kw_only=True)
class BatchBald(OnePass):
    """Greedy joint mutual information, in nats; the score is the batch's information up to that pick.

    The images compared are those of the highest BALD, for an image's gain is never above its own BALD. The diagnostics
    tell by `left_out` how much the best of those not compared could have added, and by `most` what the draws can tell.

    Attributes:
        draws: How many networks; a batch can tell log(draws) nats, so a large batch wants many.
        shortlist: How many images are compared, at least; 20 times the batch if that is more.
        outcomes: Joint outcomes that are looked at; beyond, as many are sampled.
    """

    draws: int = 50
    shortlist: int = 1000
    outcomes: int = 5_000

    name: ClassVar[str] = "batch_bald"

    def __post_init__(self) -> None:
        if self.draws < 2 or self.shortlist < 1 or self.outcomes < 2:
            raise StrategyError(
                f"expected 2 draws and outcomes or more and a shortlist, got {self.draws}, {self.outcomes} and "
                f"{self.shortlist}"
            )

    def collector(self, context: QueryContext, k: int) -> Collector:
        """Return what keeps the images of the highest BALD with their draws."""
        return _Shortlist(self, context, k)


class _Shortlist:
    """Keeps the best images by BALD with their draws, then picks among them."""

    def __init__(self, strategy: BatchBald, context: QueryContext, k: int) -> None:
        self.strategy, self.k, self.seed = strategy, k, derive_seed(context.seed, "batch_bald")
        self.wants = Wants(draws=strategy.draws)
        self.size = min(max(strategy.shortlist, 20 * k), len(context.pool))
        self.best = TopK(self.size + 1, self._score, descending=True, wants=self.wants)
        self.draws: dict[int, Tensor] = {}  # id to log probabilities (S, K)

    def _score(self, block: Block) -> Tensor:
        return mutual_information(block.need_draws(self.strategy.draws))

    def collect(self, block: Block) -> None:
        """Take in one block; draws of images that have fallen out are let go now and then."""
        self.best.collect(block)
        draws = block.need_draws(self.strategy.draws).cpu()  # (S, B, K)
        for place, sample in enumerate(block.ids.tolist()):
            self.draws[sample] = draws[:, place].clone()
        if len(self.draws) > 2 * self.size + max(64, _SPARE // draws[:, 0].nbytes):
            self._forget()

    def kept(self) -> Arrays:
        """Return the best images, with the draws of those that may be compared."""
        ids = self._forget()
        draws = torch.stack([self.draws[sample] for sample in ids])  # (N, S, K)
        return {**self.best.kept(), "compared": np.array(ids), "draws": draws.numpy()}

    def merge(self, kept: Arrays) -> None:
        """Take in the best images of a shard."""
        self.best.merge(kept)
        draws = torch.from_numpy(np.array(kept["draws"]))  # (N, S, K)
        self.draws |= dict(zip(kept["compared"].tolist(), draws, strict=True))
        self._forget()

    def _forget(self) -> list[int]:
        found = self.best.selection()
        ids: list[int] = found.ids[: self.size].tolist()
        self.draws = {sample: self.draws[sample] for sample in ids}
        return ids

    def selection(self) -> Selection:
        """Return the batch."""
        found = self.best.selection()
        ids = sorted(self._forget())
        order = np.argsort(found.ids[: len(ids)])
        draws = torch.stack([self.draws[sample] for sample in ids]).exp()  # (N, S, K)
        single = torch.from_numpy(found.scores[: len(ids)][order])
        places, scores = pick_jointly(draws, single, self.k, self.strategy.outcomes, self.seed)
        chosen = order[places]
        left_out = float(found.scores[self.size]) if len(found.ids) > self.size else 0.0
        return Selection(
            ids=found.ids[chosen],
            scores=scores,
            predicted=found.predicted[chosen],
            nearest=found.nearest[chosen],
            descending=True,
            diagnostics={"compared": len(ids), "left_out": left_out, "most": math.log(self.strategy.draws)},
        )


def pick_jointly(
    draws: Tensor, single: Tensor, k: int, outcomes: int, seed: int
) -> tuple[list[int], NDArray[np.float64]]:
    """Pick k rows greedily by joint mutual information; ties go to the first row.

    A row's gain never grows as the batch does, so that its last gain bounds the next: rows are looked at by falling
    bound, until no bound is above the best gain. (Exact while outcomes are counted; sampled gains waver a little.)
    S networks can be told apart by log S nats and no more: from 99 % of that on, rows are taken by their own BALD.

    Args:
        draws: Probabilities, float64 (N, S, K).
        single: BALD of each row, float64 (N,).
        k: How many, at most N.
        outcomes: Most joint outcomes; beyond, as many are sampled.
        seed: Of the sampling.

    Returns:
        Rows in the order of their picks, and float64 (k,), the joint information after each.
    """
    batch = _Batch(draws, outcomes, seed)
    bound = single.clone()  # (N,)
    scores: list[float] = []
    full = _FULL * math.log(draws.shape[1])
    for _ in range(k):
        if batch.information < full:
            best = _best_gain(bound, batch.gains)
            scores.append(batch.information + float(bound[best]))
        else:
            best = int(torch.where(bound > -torch.inf, single, -torch.inf).argmax())
            scores.append(batch.information)
        bound[best] = -torch.inf
        batch.add(best, scores[-1])
    return batch.places, np.array(scores)


class _Batch:
    """What has been picked, and the chances of its joint outcomes.

    Attributes:
        places: Rows picked.
        information: Joint mutual information of the picks.
    """

    def __init__(self, draws: Tensor, outcomes: int, seed: int) -> None:
        self.draws, self.outcomes, self.seed = draws, outcomes, seed
        self.conditional = torch.as_tensor(torch.special.entr(draws).sum(dim=2).mean(dim=1))  # (N,)
        self.joint = torch.ones(1, draws.shape[1], dtype=draws.dtype)  # (M, S), of each outcome under each network
        self.scale = self.joint.new_zeros(1)  # (M,), logarithm of what sampled outcomes were divided by
        self.sampled = False
        self.places: list[int] = []
        self.information = 0.0

    def gains(self, rows: Tensor) -> Tensor:
        """Return what some rows (n,) would add to the information, (n,)."""
        joint = _joint_entropy(self.joint, self.draws[rows], self.scale if self.sampled else None)
        known = float(self.conditional[self.places].sum()) + self.information
        return joint - self.conditional[rows] - known

    def add(self, row: int, information: float) -> None:
        """Take in a row."""
        self.places.append(row)
        self.information = information
        chances = self.draws[row]  # (S, K)
        if not self.sampled and len(self.joint) * chances.shape[1] <= self.outcomes:
            self.joint = (self.joint[:, None] * chances.T[None]).flatten(0, 1)  # (M * K, S)
            return
        if not self.sampled:
            self.sampled = True
            self.joint = torch.ones(1, len(chances), dtype=chances.dtype)
            for place in range(len(self.places) - 1):
                self._multiply(place)
        self._multiply(len(self.places) - 1)

    def _multiply(self, place: int) -> None:
        """Take one pick into the sampled outcomes, whose rows keep a mean of 1: products of hundreds would vanish."""
        self.joint = self.joint * self._drawn(place)
        mean = self.joint.mean(dim=1, keepdim=True)  # (M, 1)
        self.joint = self.joint / mean
        self.scale = self.scale + mean[:, 0].log()

    def _drawn(self, place: int) -> Tensor:
        """Draw outcomes of one pick under each network in turn; return their chances under all networks (M, S)."""
        chances = self.draws[self.places[place]]  # (S, K)
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "outcomes", place))
        each = math.ceil(self.outcomes / len(chances))
        drawn = torch.multinomial(chances, each, replacement=True, generator=generator).flatten()  # (M,)
        return chances.T[drawn].clamp_min(1e-12)


def _best_gain(bound: Tensor, gain: Callable[[Tensor], Tensor]) -> int:
    """Return the row of the largest gain; the bounds of the rows looked at become their gains."""
    order = torch.argsort(-bound, stable=True)
    best, row = -torch.inf, -1
    for start in range(0, len(order), _LOOKED_AT):
        rows = order[start : start + _LOOKED_AT]
        rows = rows[bound[rows] > -torch.inf]
        if not len(rows) or float(bound[rows[0]]) < best - _EQUAL:
            break
        bound[rows] = gain(rows)
        top = float(bound[rows].max())
        first = int(rows[bound[rows] >= top - _EQUAL].min())
        if top > best + _EQUAL or (top >= best - _EQUAL and first < row):
            best, row = max(top, best), first
    return row


def _joint_entropy(joint: Tensor, draws: Tensor, scale: Tensor | None) -> Tensor:
    """Return the entropy (N,) of the outcomes so far together with each candidate's.

    Args:
        joint: (M, S), probability of each outcome under each network: all outcomes, or some drawn by their chances.
        draws: (N, S, K).
        scale: Of sampled outcomes, which stand for the rest by importance weights: (M,), the logarithm of what each
            row of `joint` was divided by so that its mean is 1. None if all outcomes are there.
    """
    count, networks, classes = draws.shape
    step = max(1, _BYTES // (8 * len(joint) * classes))
    parts = []
    for start in range(0, count, step):
        some = draws[start : start + step].transpose(0, 1).reshape(networks, -1)  # (S, n * K)
        chance = (joint @ some) / networks  # (M, n * K)
        if scale is None:
            terms = torch.special.entr(chance)
        else:
            terms = -chance * (chance.clamp_min(1e-300).log() + scale[:, None]) / len(joint)
        parts.append(terms.sum(dim=0).view(-1, classes).sum(dim=1))
    return torch.cat(parts)
