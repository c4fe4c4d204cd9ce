"""One way to train, whatever the recipe."""

from __future__ import annotations

import torch
from torch import nn

from pipeline.errors import TrainingError
from pipeline.training.labeled import LabeledImages, TrainingReport
from pipeline.training.paper import PaperRecipe, train_paper
from pipeline.training.recipes import SupervisedRecipe
from pipeline.training.supervised import Progress, train

Recipe = SupervisedRecipe | PaperRecipe


def train_by(
    recipe: Recipe,
    model: nn.Module,
    labeled: LabeledImages,
    *,
    seed: int,
    device: torch.device,
    copies: LabeledImages | None = None,
    pseudo: LabeledImages | None = None,
    synthetic: LabeledImages | None = None,
    on_progress: Progress | None = None,
) -> TrainingReport:
    """Train a classifier in place by a recipe of any kind: `train` or `train_paper`, whose arguments these are.

    Raises:
        TrainingError: What these raise, or synthetic images for the paper's recipe, which knows none.
    """
    if isinstance(recipe, PaperRecipe):
        if synthetic:
            raise TrainingError(
                "expected no synthetic images for the paper's recipe, got some; take a SupervisedRecipe"
            )
        return train_paper(
            model, labeled, recipe, seed=seed, device=device, copies=copies, pseudo=pseudo, on_progress=on_progress
        )
    return train(
        model, labeled, recipe, seed=seed, device=device, copies=copies, pseudo=pseudo, synthetic=synthetic,
        on_progress=on_progress,
    )  # fmt: skip
