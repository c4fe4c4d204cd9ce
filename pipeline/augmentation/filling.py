"""Images of rare classes from their labels to the gate's word, in one call: for comparisons and benchmarks.

A project does the same step by step, with each step kept (see `flows.augment`); here nothing is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.augmentation.material import Material
from pipeline.augmentation.quality import Gate, GateBounds
from pipeline.augmentation.records import Decision, Verdict
from pipeline.augmentation.trained import Kind, Maker, Progress, Recipe, train_makers
from pipeline.errors import ModelError
from pipeline.randomness import derive_seed
from pipeline.training.labeled import LabeledImages


@dataclass(frozen=True, kw_only=True)
class Filled:
    """Images made for one class, and whether they may train.

    Attributes:
        target: Class position.
        images: uint8 (F, C, S, S); none when nothing was made.
        weight: What one of them counts, in [0, 1]; 0 when refused.
        reason: One sentence for people.
        decision: The gate's, with its figures; None when the maker itself failed.
    """

    target: int
    images: Tensor
    weight: float
    reason: str
    decision: Decision | None = None

    @property
    def verdict(self) -> Verdict:
        """'accepted' or 'refused'."""
        return "accepted" if self.weight else "refused"


def fill(
    kind: Kind,
    targets: Sequence[int],
    material: Material,
    *,
    seed: int,
    device: torch.device,
    recipe: Recipe | None = None,
    gate: Gate | None = None,
    always: bool = False,
    on_progress: Progress | None = None,
) -> tuple[Filled, ...]:
    """Make images for some rare classes, two for each real one, and let the gate judge them.

    Args:
        kind: What makes them.
        targets: Class positions.
        material: What may be looked at.
        seed: Of everything random.
        device: Where to train.
        recipe: Of the maker; None takes the usual one of the device.
        gate: That of `gate_of` with the same material and seed, to share it between makers; None makes one.
        always: Make and judge images also where the gate would refuse whatever they are: to judge the gate itself.
        on_progress: Called with (done, total, a line to show); raising stops.

    Returns:
        One for each target, in their order.

    Raises:
        TrainingError, DataError: The images do not belong together.
    """
    gate = gate or gate_of(material, seed=seed, device=device, on_progress=on_progress)
    hopeless = {} if always else {target: found for target in targets if (found := _hopeless(gate, target))}
    wanted = [target for target in targets if target not in hopeless]
    makers = train_makers(kind, wanted, material, seed=seed, device=device, recipe=recipe, on_progress=on_progress)
    made_by = derive_seed(seed, "made")
    return tuple(hopeless.get(target) or _judged(gate, target, makers[target], made_by) for target in targets)


def gate_of(material: Material, *, seed: int, device: torch.device, on_progress: Progress | None = None) -> Gate:
    """Return the gate for some material; what it trains on real images alone serves all makers of one seed."""
    return Gate(
        labeled=material.labeled, held_out=material.held_out, classes=material.classes, train=material.train,
        seed=derive_seed(seed, "gate"), device=device, on_progress=on_progress,
    )  # fmt: skip


def as_training(filled: Sequence[Filled], *, gated: bool = True) -> LabeledImages | None:
    """Return what may train, under negative ids of its own; None when there is nothing.

    Args:
        filled: What was made.
        gated: Leave out what the gate refused. Without it all train, at the weight that so many labels have, or the
            low one: what would come of having no gate.
    """
    bounds = GateBounds()
    chosen = [one for one in filled if len(one.images) and (one.weight or not gated)]
    if not chosen:
        return None
    counts = torch.tensor([len(one.images) for one in chosen])
    weights = [one.weight or bounds.low_weight for one in chosen]
    return LabeledImages(
        images=torch.cat([one.images for one in chosen]),
        targets=torch.tensor([one.target for one in chosen]).repeat_interleave(counts),
        ids=-1 - torch.arange(int(counts.sum())),
        weights=torch.tensor(weights).repeat_interleave(counts),
    )


def _hopeless(gate: Gate, target: int) -> Filled | None:
    """Return the refusal that no image could change."""
    found = gate.worth_making(target)
    return None if found is None else _refused(gate, target, found.reason, found)


def _judged(gate: Gate, target: int, maker: Maker, seed: int) -> Filled:
    """Make the images of one class and ask the gate."""
    if maker.maker is None:
        return _refused(gate, target, maker.failure)
    real = int((gate.labeled.targets == target).sum())
    try:
        made = maker.maker.make(target, int(gate.bounds.most_per_real * real), seed=seed)
    except ModelError as error:
        return _refused(gate, target, str(error))
    if maker.failure:
        return Filled(target=target, images=made, weight=0.0, reason=maker.failure)
    decision = gate.judge(target, made)
    return Filled(target=target, images=made, weight=decision.weight, reason=decision.reason, decision=decision)


def _refused(gate: Gate, target: int, reason: str, decision: Decision | None = None) -> Filled:
    return Filled(target=target, images=gate.labeled.images[:0], weight=0.0, reason=reason, decision=decision)
