"""Slow ones of a whole choice: core sets, gradients, clusters. FAISS's clusters are taken as given, no more."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.features.clusters import cluster
from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.strategies.base import QueryContext
from pipeline.strategies.registry import get_strategy
from tests.pipeline.strategies.slow.common import Ids, chances, network, pixels


def features(context: QueryContext, images: Any) -> dict[int, NDArray[np.float64]]:
    """The model's features, in half precision as they are kept."""
    with torch.no_grad():
        return {
            sample: network(context).features(images.take([sample]).double() / 255)[0].half().double().numpy()
            for sample in sorted(images.ids.tolist())
        }


def core_set(context: QueryContext, k: int) -> Ids:
    pool, known = features(context, context.pool), features(context, context.labeled_images)
    centers, picks = list(known.values()), []
    for _ in range(k):
        reach = {s: min(float(np.linalg.norm(x - c)) for c in centers) for s, x in pool.items() if s not in picks}
        picks.append(min(reach, key=lambda s: (-reach[s], s)))
        centers.append(pool[picks[-1]])
    return picks


def core_set_robust(context: QueryContext, k: int) -> Ids:
    pool, known = features(context, context.pool), features(context, context.labeled_images)
    centers, picks = list(known.values()), []
    among = 2 * math.ceil(0.01 * len(pool))
    seed = derive_seed(context.seed, "core_set_robust")
    for turn in range(k):
        reach = {s: min(float(np.linalg.norm(x - c)) for c in centers) for s, x in pool.items() if s not in picks}
        farthest = sorted(reach, key=lambda s: -reach[s])[:among]
        picks.append(min(farthest, key=lambda s: per_sample_uniform(seed, np.array([s]), f"pick {turn}")[0]))
        centers.append(pool[picks[-1]])
    return picks


def expected_gradient(context: QueryContext, sample: int) -> float:
    model, image = network(context), pixels(context, sample)
    total = 0.0
    for label, chance in enumerate(chances(context, sample)):
        loss = nn.functional.cross_entropy(model(image), torch.tensor([label]))
        slopes = torch.autograd.grad(loss, list(model.parameters()))
        total += chance * math.sqrt(sum(float((slope**2).sum()) for slope in slopes))
    return total


def badge(context: QueryContext, k: int) -> Ids:
    embedded = {}
    for sample, feature in features(context, context.pool).items():
        error = np.array(chances(context, sample))
        error[error.argmax()] -= 1
        embedded[sample] = np.outer(error, feature).flatten()
    picks = [max(embedded, key=lambda s: (float(np.linalg.norm(embedded[s])), -s))]
    while len(picks) < k:
        weight = {
            s: min(float(((embedded[s] - embedded[p]) ** 2).sum()) for p in picks) for s in embedded if s not in picks
        }
        draw = f"pick {len(picks)}"
        seed = derive_seed(context.seed, "badge")
        race = {s: -math.log(per_sample_uniform(seed, np.array([s]), draw)[0]) / w for s, w in weight.items()}
        picks.append(min(race, key=lambda s: (race[s], s)))
    return picks


def unit(rows: dict[int, NDArray[np.float64]]) -> NDArray[np.float32]:
    stacked = np.stack(list(rows.values())).astype(np.float32)
    return stacked / np.linalg.norm(stacked, axis=1, keepdims=True)


def typiclust(context: QueryContext, k: int) -> Ids:
    pool, known = features(context, context.pool), features(context, context.labeled_images)
    both = np.concatenate([unit(pool).astype(np.float16).astype(np.float32), unit(known)])  # as they are kept
    ids, count = list(pool), len(known) + k
    seed = derive_seed(context.seed, "typiclust")
    found, _ = cluster(both[: len(pool)], count, seed=seed, more=both[len(pool) :])
    covered = [int((found[len(pool) :] == c).sum()) for c in range(count)]
    members = {c: [row for row in range(len(pool)) if found[row] == c] for c in range(count)}
    picks: Ids = []
    for _ in range(k):
        open_ = {c: [row for row in rows if ids[row] not in picks] for c, rows in members.items()}
        large = [c for c in open_ if len(open_[c]) >= 5] or [c for c in open_ if open_[c]]
        best = min(large, key=lambda c: (covered[c], -len(open_[c]), c))
        typical = {row: typicality(row, members[best], both) for row in open_[best]}
        picks.append(ids[min(typical, key=lambda row: (-typical[row], row))])
        covered[best] += 1
    return picks


def typicality(row: int, members: list[int], points: NDArray[np.float32]) -> float:
    count = min(20, max(1, len(members) // 2), len(members) - 1)
    if count < 1:
        return 0.0
    apart = sorted(float(np.linalg.norm(points[row] - points[other])) for other in members if other != row)
    return 1 / (sum(apart[:count]) / count + 1e-5)


def probcover(context: QueryContext, k: int) -> Ids:
    """With the radius that the strategy reports; it has a test of its own."""
    radius = float(get_strategy("probcover").select(context, 1).diagnostics["radius"])
    pool, known = features(context, context.pool), features(context, context.labeled_images)
    points, centers, ids = unit(pool), unit(known), list(pool)
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    from_known = np.linalg.norm(points[:, None] - centers[None], axis=2).min(axis=1)
    rows: list[int] = []
    while len(rows) < k:
        covered = (from_known < radius) | (apart[rows] < radius).any(axis=0)
        if covered.all():
            radius /= 2
            continue
        gain = {row: int(((apart[row] < radius) & ~covered).sum()) for row in range(len(ids)) if row not in rows}
        rows.append(min(gain, key=lambda row: (-gain[row], row)))
    return [ids[row] for row in rows]


def kmeans(context: QueryContext, k: int) -> Ids:
    pool = features(context, context.pool)
    points, ids = np.stack(list(pool.values())).astype(np.float32), list(pool)
    found, apart = cluster(points, k, seed=derive_seed(context.seed, "kmeans"))
    members = {c: sorted((apart[row], row) for row in range(len(ids)) if found[row] == c) for c in range(k)}
    largest = sorted(members, key=lambda c: (-len(members[c]), c))
    turns = [ids[members[c][turn][1]] for turn in range(len(ids)) for c in largest if len(members[c]) > turn]
    return turns[:k]
