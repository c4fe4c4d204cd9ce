"""How far a set of images lies from another: FID and KID by torchmetrics on our own features, and the domain AUC.

No Inception weights: the features are those of the project's own classifier, which has seen such images. torchmetrics
takes them ready-made through a module that passes them on.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.state import private_randomness, seed_global

_MOST_FEATURES = 64  # of the Frechet distance: its square root of a matrix costs D^3 and needs more images than D
_FOLDS = 5
_SUBSETS = 20


class Passed(nn.Module):
    """Features as their own feature extractor.

    Attributes:
        num_features: D; with it torchmetrics pushes no dummy image through.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        """Return the features (N, D) as they are."""
        return features


def frechet_distance(real: Tensor, other: Tensor, seed: int = 0) -> float:
    """Return the Frechet distance of two sets of features (Heusel et al., arXiv:1706.08500), 0 or more.

    Above 64 features both sets are seen along the 64 main directions of the real ones.

    Args:
        real: float64 (N, D), N is 2 or more.
        other: float64 (M, D), M is 2 or more.
        seed: Not used: nothing is drawn.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    first, second = _main_directions(real, other)
    metric = FrechetInceptionDistance(feature=Passed(first.shape[1]), normalize=True).set_dtype(torch.float64)
    metric.update(first, real=True)
    metric.update(second, real=False)
    return max(0.0, float(metric.compute()))


def kernel_distance(real: Tensor, other: Tensor, seed: int) -> float:
    """Return the kernel distance of two sets of features (Binkowski et al., arXiv:1801.01401); about 0 for equals.

    Each feature vector is scaled to length 1 first: the cubic kernel of raw ones has no scale to read.

    Args:
        real: float64 (N, D), N is 4 or more.
        other: float64 (M, D), M is 4 or more.
        seed: Draws the subsets.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    with private_randomness(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it keeps the features, which is what is wanted
        seed_global(seed)
        size = max(2, min(len(real), len(other)) // 2)
        metric = KernelInceptionDistance(feature=Passed(real.shape[1]), subsets=_SUBSETS, subset_size=size)
        metric.set_dtype(torch.float64)
        metric.update(functional.normalize(real), real=True)
        metric.update(functional.normalize(other), real=False)
        return float(metric.compute()[0])


def domain_auc(real: Tensor, other: Tensor, seed: int) -> float:
    """Return how well a logistic regression tells two sets of features apart: 0.5 not at all, 1 always.

    Args:
        real: float64 (N, D), N is 2 or more.
        other: float64 (M, D), M is 2 or more.
        seed: Deals the folds of the cross-validation, at most five.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features = torch.cat([real, other]).numpy()
    synthetic = torch.cat([torch.zeros(len(real)), torch.ones(len(other))]).long().numpy()
    folds = StratifiedKFold(min(_FOLDS, len(real), len(other)), shuffle=True, random_state=seed % 2**32)
    judge = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    said = cross_val_predict(judge, features, synthetic, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(synthetic, said))


def _main_directions(real: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    if real.shape[1] <= _MOST_FEATURES:
        return real, other
    center = real.mean(dim=0)
    directions = torch.linalg.svd(real - center, full_matrices=False).Vh[:_MOST_FEATURES].T  # (D, 64)
    return (real - center) @ directions, (other - center) @ directions
