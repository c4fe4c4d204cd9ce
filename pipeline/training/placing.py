"""What a training sets up once for its device: the optimizer, where the images lie, and the precision."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from pipeline.training.recipes import SupervisedRecipe

_ON_DEVICE = 1 << 31  # bytes of images that are kept on a GPU as a whole


def optimizer_of(model: nn.Module, recipe: SupervisedRecipe) -> Optimizer:
    """Return a recipe's optimizer; biases and normalization do not decay."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    kind: type[AdamW] | type[Adam] = {"adamw": AdamW, "adam": Adam}[recipe.optimizer]
    return kind([group for group in groups if group["params"]], lr=recipe.learning_rate, fused=True)


def near(images: Tensor, device: torch.device) -> Tensor:
    """Return images on a GPU where they fit there as a whole, else where they are."""
    fits = images.element_size() * images.numel() <= _ON_DEVICE
    return images.to(device) if device.type == "cuda" and fits else images


def half_precision(recipe: SupervisedRecipe, device: torch.device) -> torch.dtype | None:
    """Return the type of half precision to compute in; None for float32."""
    if device.type != "cuda" or recipe.precision == "float32":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
