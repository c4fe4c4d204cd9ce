"""Which pool images may stand for a class beside its labels: the surest ones of each class, by that class's measure.

One threshold for all classes lets no rare image in (digits at 5 labels a class: none in three of three trials);
a quantile for each class does. After Lucic et al., "High-Fidelity Image Generation With Fewer Labels",
arXiv:1903.02271, where a semi-supervised classifier's labels stand in for missing ones.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.errors import TrainingError

_COLDEST, _HOTTEST = 0.05, 20.0


def fit_temperature(logits: Tensor, targets: Tensor) -> float:
    """Return the temperature that calibrates logits best, by their likelihood (Guo et al., arXiv:1706.04599).

    Args:
        logits: (N, K) of labeled images that the model was not trained on.
        targets: int64 (N,), their classes.

    Returns:
        T in [0.05, 20]; probabilities are softmax(logits / T).

    >>> right = torch.tensor([[2.0, 0.0]] * 3 + [[0.0, 2.0]])
    >>> round(fit_temperature(right, torch.tensor([0, 0, 0, 0])), 2)  # 3 of 4 right: softmax(2 / T) = 3/4
    1.82
    """
    if len(logits) == 0:
        raise TrainingError("expected labeled images to calibrate with, got none; hold some labels back")
    low, high = torch.tensor(_COLDEST).log().item(), torch.tensor(_HOTTEST).log().item()
    for _ in range(6):  # a coarse-to-fine search: the likelihood has one minimum in 1 / T
        grid = torch.linspace(low, high, 21, dtype=torch.float64)
        costs = [float(functional.cross_entropy(logits.double() / t, targets)) for t in grid.exp()]
        best = int(torch.tensor(costs).argmin())
        low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, 20)])
    return float(torch.tensor((low + high) / 2, dtype=torch.float64).exp())


def trusted_by_class(
    logits: Tensor, *, quantile: float = 0.5, least: float = 0.5, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Choose, among the pool images predicted as a class, the surest share; the same share of each class.

    Args:
        logits: (P, K) of pool images.
        quantile: Of the confidences within a predicted class; images at or above it are trusted. 0.5 is the surer half.
        least: Calibrated confidence below which nothing is trusted, whatever the class.
        temperature: Calibrates the confidences, see `fit_temperature`.

    Returns:
        Positions int64 (T,) in ascending order, and their predicted classes int64 (T,).

    Raises:
        TrainingError: A logit is not a number, or the quantile is outside [0, 1].

    >>> places, classes = trusted_by_class(torch.tensor([[9.0, 0.0], [8.0, 0.0], [0.0, 2.0], [0.0, 1.0]]))
    >>> places.tolist(), classes.tolist()
    ([0, 2], [0, 1])
    """
    if not 0 <= quantile <= 1 or temperature <= 0:
        raise TrainingError(f"expected a quantile in [0, 1] and a temperature above 0, got {quantile}, {temperature}")
    if not torch.isfinite(logits).all():
        raise TrainingError("expected finite logits of the pool, got some that are not; look at the model's training")
    confidence, predicted = (logits.double() / temperature).softmax(dim=1).max(dim=1)  # (P,)
    chosen = torch.zeros(len(logits), dtype=torch.bool)
    for place in torch.unique(predicted).tolist():
        of_class = predicted == place
        bound = confidence[of_class].quantile(quantile)
        chosen |= of_class & (confidence >= bound) & (confidence >= least)
    places = chosen.nonzero()[:, 0]
    return places, predicted[places]
