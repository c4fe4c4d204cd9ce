"""DeepFool as others wrote it, behind one signature, so that each can be timed on the same model and images.

Each is told the predicted labels, overshoot 0.02, at most 50 steps and all 10 classes. foolbox clips to bounds that it
is given, here so wide that it does not, and does what ours does. ART, without bounds, adds no minimum step; adv-lib and
torchattacks clip to [0, 1] and add the overshoot to every step instead of the sum: their distances differ from ours.
All but foolbox live in an environment of their own: `make bench-peers`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

import torch
from torch import Tensor, nn

from benchmarks.subjects import CLASSES, device

OVERSHOOT, STEPS = 0.02, 50
Attack = Callable[[Tensor, Tensor], Tensor]  # images (B, C, H, W) and predicted (B,) to perturbed (B, C, H, W)


def foolbox(model: nn.Module, batch: int) -> Attack:
    """`L2DeepFoolAttack` with all 10 candidates: the same algorithm as ours."""
    from foolbox import PyTorchModel
    from foolbox.attacks import L2DeepFoolAttack
    from foolbox.criteria import Misclassification

    wrapped = PyTorchModel(model, bounds=(-1e3, 1e3), device=device())
    attack = L2DeepFoolAttack(steps=STEPS, candidates=CLASSES, overshoot=OVERSHOOT)
    return in_batches(lambda images, labels: attack.run(wrapped, images, Misclassification(labels)), batch)


def adv_lib(model: nn.Module, batch: int) -> Attack:
    """`df`; its plotting package visdom does not build and is not needed, so an empty module stands in for it."""
    stand_in = ModuleType("visdom")
    vars(stand_in)["Visdom"] = object
    sys.modules.setdefault("visdom", stand_in)
    from adv_lib.attacks.deepfool import df

    return in_batches(lambda images, labels: df(model, images, labels, steps=STEPS, overshoot=OVERSHOOT), batch)


def torchattacks(model: nn.Module, batch: int) -> Attack:
    """`DeepFool`, a Python loop over images: the batch size is of no use to it."""
    from torchattacks import DeepFool

    return in_batches(DeepFool(model, steps=STEPS, overshoot=OVERSHOOT), batch)


def art(model: nn.Module, batch: int) -> Attack:
    """`DeepFool` with `nb_grads` of all classes, in NumPy."""
    from art.attacks.evasion import DeepFool
    from art.estimators.classification import PyTorchClassifier

    logging.getLogger("art").setLevel(logging.ERROR)  # it warns of every attack without bounds

    def attack(images: Tensor, labels: Tensor) -> Tensor:
        kind = "gpu" if images.is_cuda else "cpu"
        loss = nn.CrossEntropyLoss()
        wrapped = PyTorchClassifier(model, loss, tuple(images.shape[1:]), CLASSES, device_type=kind)
        run = DeepFool(wrapped, max_iter=STEPS, epsilon=OVERSHOOT, nb_grads=CLASSES, batch_size=batch, verbose=False)
        return torch.from_numpy(run.generate(images.cpu().numpy())).to(images.device)

    return attack


PEERS = {"foolbox": foolbox, "adv-lib": adv_lib, "torchattacks": torchattacks, "ART": art}


def in_batches(attack: Attack, batch: int) -> Attack:
    """Make an attack work on some images at a time."""

    def attack_all(images: Tensor, labels: Tensor) -> Tensor:
        parts = zip(images.split(batch), labels.split(batch), strict=True)
        return torch.cat([attack(some, of_them).detach() for some, of_them in parts])

    return attack_all


@contextmanager
def with_gradients() -> Iterator[None]:
    """Let peers differentiate, whatever the caller does."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        yield


def distances(model: nn.Module, images: Tensor, perturbed: Tensor, predicted: Tensor) -> Tensor:
    """Return lengths (B,) of perturbations, float64; inf where the prediction did not change."""
    with torch.inference_mode():
        changed = torch.cat([model(some).argmax(dim=1) for some in perturbed.split(256)]) != predicted
    lengths = torch.linalg.vector_norm((perturbed - images).flatten(1).double(), dim=1)
    return torch.where(changed, lengths, torch.inf).cpu()
