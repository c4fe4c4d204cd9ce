from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.statistics import learning_curve_area, wilson_interval


@pytest.mark.parametrize(
    ("correct", "total", "confidence", "low", "high"),
    [  # statsmodels.stats.proportion.proportion_confint(..., method="wilson")
        (90, 100, 0.95, 0.8256343384950865, 0.9447708629393249),
        (0, 10, 0.95, 0.0, 0.27753279986288926),
        (10, 10, 0.95, 0.7224672001371106, 1.0),
    ],
)
def test_wilson_interval_against_published_values(
    correct: int, total: int, confidence: float, low: float, high: float
) -> None:
    assert wilson_interval(correct, total, confidence) == pytest.approx((low, high), abs=5e-4)


def test_wilson_interval_solves_its_own_equation() -> None:
    for correct, total in ((1, 7), (63, 100), (99, 100)):
        for end in wilson_interval(correct, total):
            z = abs(correct / total - end) / np.sqrt(end * (1 - end) / total)
            assert z == pytest.approx(1.959964, abs=1e-5)


def test_wilson_interval_without_images_is_everything() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("arguments", [(5, 4, 0.95), (-1, 4, 0.95), (1, 4, 1.0), (1, 4, 0.0)])
def test_wilson_interval_refuses_nonsense(arguments: tuple[int, int, float]) -> None:
    with pytest.raises(DataError, match="expected 0 <= correct <= total"):
        wilson_interval(*arguments)


def test_area_weighs_by_the_width_of_a_step() -> None:
    assert learning_curve_area([10, 20, 100], [0.0, 1.0, 1.0]) == pytest.approx((5 + 80) / 90)
    assert learning_curve_area([10], [0.4]) == 0.4


@pytest.mark.parametrize(
    ("labels", "accuracy"), [([], []), ([1, 2], [0.5]), ([2, 2], [0.1, 0.2]), ([3, 1], [0.1, 0.2])]
)
def test_area_refuses_what_is_no_curve(labels: list[int], accuracy: list[float]) -> None:
    with pytest.raises(DataError):
        learning_curve_area(labels, accuracy)
