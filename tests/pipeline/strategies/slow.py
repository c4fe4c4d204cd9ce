"""Every strategy once more, one image at a time in plain loops: what the fast ones are compared with.

FAISS's clusters are taken as given; what is done with them is not.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.attacks.deepfool import deepfool
from pipeline.features.clusters import cluster
from pipeline.models.base import Classifier
from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.strategies.base import QueryContext
from pipeline.strategies.registry import get_strategy

Ids = list[int]
Slow = Callable[[QueryContext, int], Ids]


def by_score(score: Callable[[QueryContext, int], float], *, largest: bool = False) -> Slow:
    """The k images of the best score of one image."""

    def slow(context: QueryContext, k: int) -> Ids:
        sign = -1 if largest else 1
        scored = [(sign * score(context, sample), sample) for sample in context.pool.ids.tolist()]
        return [sample for _, sample in sorted(scored)[:k]]

    return slow


def pixels(context: QueryContext, sample: int) -> Tensor:
    return context.pool.take([sample]).double() / 255


def network(context: QueryContext) -> Classifier:
    assert isinstance(context.model, Classifier)
    return context.model


def chances(context: QueryContext, sample: int) -> list[float]:
    with torch.no_grad():
        logits = network(context)(pixels(context, sample))[0].tolist()
    top = max(logits)
    total = sum(math.exp(z - top) for z in logits)
    return [math.exp(z - top) / total for z in logits]


def distance(context: QueryContext, sample: int) -> float:
    return float(deepfool(network(context), context.pool.take([sample])).distance)


def one_step(context: QueryContext, sample: int) -> float:
    image = pixels(context, sample).requires_grad_()
    logits = network(context)(image)[0]
    first = int(logits.argmax())
    best = math.inf
    for other in range(len(logits)):
        if other != first:
            gap = logits[first] - logits[other]
            slope = torch.autograd.grad(gap, image, retain_graph=True)[0]
            best = min(best, float(gap.detach()) / float(slope.norm()))
    return best


def margin(context: QueryContext, sample: int) -> float:
    first, second = sorted(chances(context, sample), reverse=True)[:2]
    return first - second


def confidence(context: QueryContext, sample: int) -> float:
    return max(chances(context, sample))


def entropy(context: QueryContext, sample: int) -> float:
    return -sum(p * math.log(p) for p in chances(context, sample) if p > 0)


def logit_gap(context: QueryContext, sample: int) -> float:
    with torch.no_grad():
        first, second = network(context)(pixels(context, sample))[0].topk(2).values.tolist()
    return float(first - second)


def random(context: QueryContext, sample: int) -> float:
    return float(per_sample_uniform(context.seed, np.array([sample]), "random_sampling")[0])


def signs(*, once: bool) -> Callable[[QueryContext, int], float]:
    """Walk along the gradient's sign, then halve the last step."""

    def score(context: QueryContext, sample: int) -> float:
        model, image = network(context), pixels(context, sample)
        first = int(model(image).argmax())

        def direction(at: Tensor) -> Tensor:
            x = at.clone().requires_grad_()
            loss = nn.functional.cross_entropy(model(x), torch.tensor([first]))
            return torch.autograd.grad(loss, x)[0].sign()

        def crossed(push: Tensor) -> bool:
            return int(model(image + push).argmax()) != first

        way, push = direction(image), torch.zeros_like(image)
        for turn in range(50):
            if turn and not once:
                way = direction(image + push)
            before, push = push, push + 0.02 * way
            if crossed(push):
                for _ in range(12):
                    middle = (before + push) / 2
                    before, push = (before, middle) if crossed(middle) else (middle, push)
                return float(push.norm())
        return math.inf

    return score


class Masked(nn.Module):
    """A dropout layer with one mask."""

    def __init__(self, name: str, draw: int, share: float, seed: int) -> None:
        super().__init__()
        self.key, self.share = derive_seed(seed, "dropout", name, 1, draw), share

    def forward(self, x: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(self.key)
        kept = torch.rand(x.shape[1:], generator=generator, dtype=torch.float64) < 1 - self.share
        return x * kept / (1 - self.share)


def drawn(context: QueryContext, draws: int) -> list[nn.Module]:
    """Networks whose dropout layers have one mask each."""
    networks = []
    for draw in range(draws):
        made = copy.deepcopy(network(context)).eval()
        for name, layer in list(made.named_modules()):
            if isinstance(layer, nn.Dropout):
                made.set_submodule(name, Masked(name, draw, layer.p, derive_seed(context.seed, "draws")))
        networks.append(made)
    return networks


def opinions(context: QueryContext, draws: int) -> dict[int, list[list[float]]]:
    """Probabilities by image, network and class."""
    networks = drawn(context, draws)
    with torch.no_grad():
        return {
            sample: [made(pixels(context, sample)).softmax(dim=1)[0].tolist() for made in networks]
            for sample in context.pool.ids.tolist()
        }


def of(p: list[float]) -> float:
    return -sum(x * math.log(x) for x in p if x > 0)


def information(votes: list[list[float]]) -> float:
    mean = [sum(column) / len(votes) for column in zip(*votes, strict=True)]
    return of(mean) - sum(of(vote) for vote in votes) / len(votes)


def over_draws(score: Callable[[list[list[float]]], float], *, largest: bool, draws: int = 20) -> Slow:
    def slow(context: QueryContext, k: int) -> Ids:
        votes = opinions(context, draws)
        sign = -1 if largest else 1
        return sorted(votes, key=lambda sample: (sign * score(votes[sample]), sample))[:k]

    return slow


def mean_confidence(votes: list[list[float]]) -> float:
    return max(sum(column) / len(votes) for column in zip(*votes, strict=True))


def mean_deviation(votes: list[list[float]]) -> float:
    deviations = []
    for column in zip(*votes, strict=True):
        mean = sum(column) / len(column)
        deviations.append(math.sqrt(sum((p - mean) ** 2 for p in column) / len(column)))
    return sum(deviations) / len(deviations)


def power_bald(context: QueryContext, k: int) -> Ids:
    votes = opinions(context, 20)
    seed = derive_seed(context.seed, "gumbel")
    noise = {s: -math.log(-math.log(per_sample_uniform(seed, np.array([s]), "power_bald")[0])) for s in votes}
    score = {s: math.log(max(information(votes[s]), 1e-300)) + noise[s] for s in votes}
    return sorted(votes, key=lambda s: (-score[s], s))[:k]


def batch_bald(context: QueryContext, k: int) -> Ids:
    """All joint outcomes, counted out anew for each candidate."""
    votes = opinions(context, 50)
    batch: Ids = []
    for _ in range(k):
        scored = [(-joint_information([votes[s] for s in [*batch, new]]), new) for new in votes if new not in batch]
        batch.append(min(scored)[1])
    return batch


def joint_information(votes: list[list[list[float]]]) -> float:
    joint = np.ones((len(votes[0]), 1))  # (S, M)
    for vote in votes:
        joint = (joint[:, :, None] * np.array(vote)[:, None, :]).reshape(len(joint), -1)
    mean = joint.mean(axis=0)
    separate = sum(sum(of(draw) for draw in vote) / len(vote) for vote in votes)
    return float(-(mean * np.log(mean)).sum() - separate)


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


def balanced(base: Slow) -> Slow:
    """Each time the class with the fewest labels and queries, of the 10 k best."""

    def slow(context: QueryContext, k: int) -> Ids:
        waiting = base(context, min(10 * k, len(context.pool)))
        kind = {s: int(np.argmax(chances(context, s))) for s in waiting}
        have = [int((context.labeled_targets == label).sum()) for label in range(context.classes)]
        picks: Ids = []
        for _ in range(k):
            rarest = min(have[kind[s]] for s in waiting)
            pick = next(s for s in waiting if have[kind[s]] == rarest)
            waiting.remove(pick)
            have[kind[pick]] += 1
            picks.append(pick)
        return picks

    return slow


def different(base: Slow) -> Slow:
    """Down the ranking, leaving out what is alike at 16 x 16 (the images here are of that size)."""

    def slow(context: QueryContext, k: int) -> Ids:
        def vector(sample: int) -> NDArray[np.float64]:
            flat = pixels(context, sample).flatten().numpy()
            return np.asarray((flat - flat.mean()) / np.linalg.norm(flat - flat.mean()))

        kept: Ids = []
        out: Ids = []
        for sample in base(context, len(context.pool)):
            alike = any(float(vector(sample) @ vector(other)) >= 0.95 for other in kept)
            (out if alike else kept).append(sample)
        return (kept + out)[:k]

    return slow


def subsampled(base: Slow, size: int) -> Slow:
    """The best of some random images."""

    def slow(context: QueryContext, k: int) -> Ids:
        seed = derive_seed(context.seed, "subsampled")
        chance = {s: per_sample_uniform(seed, np.array([s]), "subsampled")[0] for s in context.pool.ids.tolist()}
        some = set(sorted(chance, key=lambda s: (chance[s], s))[: max(k, size)])
        return [s for s in base(context, len(context.pool)) if s in some][:k]

    return slow


def mixed(parts: list[tuple[Slow, float]]) -> Slow:
    """Deal by shares."""

    def slow(context: QueryContext, k: int) -> Ids:
        ranked = [base(context, len(context.pool)) for base, _ in parts]
        given, picks = [0] * len(parts), []
        for turn in range(1, k + 1):
            behind = [share * turn - given[place] for place, (_, share) in enumerate(parts)]
            part = behind.index(max(behind))
            picks.append(next(s for s in ranked[part] if s not in picks))
            given[part] += 1
        return picks

    return slow
