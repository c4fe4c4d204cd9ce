"""Decoupled retraining: the last layer learned anew on frozen features, with classes that take turns.

Kang et al. 2020, "Decoupling representation and classifier for long-tailed recognition" (arXiv:1910.09217), classifier
retraining (cRT): features learn best from the images as they are, the last layer from even classes. The labeled and
synthetic images alone take part. All is drawn from the seed, and the features do not change: to do it again after a
kill ends with the same bits, whether it had begun, ended or not.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from pipeline.data.transforms import augment, to_float
from pipeline.errors import TrainingError
from pipeline.models.base import Classifier
from pipeline.models.state import device_and_type, seed_global
from pipeline.randomness import derive_seed
from pipeline.training.balance import Balanced, loss_factors
from pipeline.training.checkpoint import finite_or_raise
from pipeline.training.losses import class_loss
from pipeline.training.order import BalancedOrder
from pipeline.training.recipes import SupervisedRecipe
from pipeline.training.schedule import Schedule

_SHARE = 0.2  # of the steps of the whole training


def check_two_parts(model: nn.Module) -> Classifier:
    """Return the model, which has a last layer of its own.

    Raises:
        TrainingError: It is none of `pipeline.models.base.Classifier`.
    """
    if isinstance(model, Classifier):
        return model
    raise TrainingError(
        f"expected a model with features() and head() to train its head anew, got {type(model).__name__}; build it "
        "with build_model, or train it with decoupled=False"
    )


def retrain_head(model: nn.Module, drawn: Balanced, recipe: SupervisedRecipe, *, seed: int, labels: int) -> None:
    """Learn the linear layers of a trained model's head anew, in place, from even classes; nothing else changes.

    Features are computed in eval mode and the loss is the plain cross-entropy, whatever the recipe does for rare
    classes and mixing. Call it inside of `private_randomness`.

    Args:
        model: Trained, with `features` and `head`.
        drawn: The images.
        recipe: Gives batch size, augmentation and learning rate.
        seed: Of first weights, order and augmentation.
        labels: Number of labeled images; sets the steps: a fifth of the training's.

    Raises:
        TrainingError: The loss is not finite.
    """
    network = check_two_parts(model).eval()
    images, targets, size = drawn.images.images, drawn.images.targets, recipe.batch_size
    order, factors = BalancedOrder(seed, "head", targets), loss_factors(drawn.images, by_class=True)
    steps = max(1, round(recipe.steps(labels) * _SHARE))
    schedule = Schedule(recipe, steps)
    parameters = _start_again(network, images[:1], seed)
    optimizer = AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = schedule.rate(step) * network.learning_rate_share
        index = order.take(step * size, (step + 1) * size)
        generator = torch.Generator().manual_seed(derive_seed(seed, "head augment", step))
        logits = network.head(_features(network, images[index], recipe, generator))
        loss = class_loss(logits, targets[index], factors=None if factors is None else factors[index])
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        optimizer.step()
        finite_or_raise(float(loss.detach()), step + 1)
    network.zero_grad(set_to_none=True)


@torch.no_grad()
def _features(network: Classifier, images: Tensor, recipe: SupervisedRecipe, generator: torch.Generator) -> Tensor:
    device, dtype = device_and_type(network)
    changed = augment(images.to(device), generator, recipe.augmentation)
    return network.features(changed.to(dtype))  # (B, D)


def _start_again(network: Classifier, image: Tensor, seed: int) -> list[Tensor]:
    """Give the head's linear layers new weights, and return these."""
    seed_global(derive_seed(seed, "head weights"))
    layers = _linear_layers_of_head(network, image)
    for layer in layers:
        layer.reset_parameters()
    return [parameter for layer in layers for parameter in layer.parameters()]


def _linear_layers_of_head(network: Classifier, image: Tensor) -> list[nn.Linear]:
    met: list[nn.Linear] = []

    def note(layer: nn.Module, *_: object) -> None:
        if isinstance(layer, nn.Linear):
            met.append(layer)

    device, dtype = device_and_type(network)
    with torch.no_grad():
        features = network.features(to_float(image.to(device), dtype))
        handles = [layer.register_forward_hook(note) for layer in network.modules() if isinstance(layer, nn.Linear)]
        network.head(features)
    for handle in handles:
        handle.remove()
    if not met:
        raise TrainingError(
            f"expected a linear layer in the head of {type(network).__name__}, got none; set decoupled to False"
        )
    return met
