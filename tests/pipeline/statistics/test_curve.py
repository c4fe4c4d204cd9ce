from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.experiment.records import Point
from pipeline.statistics import Curve


def point(labels: int, accuracy: float) -> Point:
    return Point(
        labels=labels, accuracy=accuracy, balanced_accuracy=0.4, class_recall=(0.5, None), class_labels=(labels, 0),
        queried=(1, 2), query_seconds=None if labels == 10 else 0.5, train_seconds=2.0,
        figures={"calibration_error": 0.1} if labels == 20 else {},
    )  # fmt: skip


def test_a_curve_of_points_has_all_of_their_figures() -> None:
    curve = Curve.of("dfal", 3, [point(10, 0.5), point(20, 0.7)], trains="vgg8")
    assert (curve.labels, curve.accuracy, curve.trains) == ((10, 20), (0.5, 0.7), "vgg8")
    assert curve.class_recall == ((0.5, None), (0.5, None))
    assert curve.class_labels == ((10, 0), (20, 0))
    assert (curve.query_seconds, curve.train_seconds) == ((None, 0.5), (2.0, 2.0))
    assert curve.calibration_error == (None, 0.1)
    assert Curve.of("dfal", 3, [point(10, 0.5)]).calibration_error == ()
    assert curve.area == pytest.approx(0.6)


def test_arrays_become_plain_numbers() -> None:
    curve = Curve(arm="a", seed=0, labels=np.array([1, 2]), accuracy=np.array([0.5, 0.6], dtype=np.float32))
    assert [type(value) for value in (*curve.labels, *curve.accuracy)] == [int, int, float, float]
    assert hash(curve) == hash(Curve(arm="a", seed=0, labels=curve.labels, accuracy=curve.accuracy))


@pytest.mark.parametrize(
    ("labels", "accuracy", "more", "says"),
    [
        ([10], [90.0], {}, "percent over 100"),
        ([10], [float("nan")], {}, "in \\[0, 1\\]"),
        ([20, 10], [0.5, 0.6], {}, "rise"),
        ([], [], {}, "one or more"),
        ([10, 20], [0.5, 0.6], {"train_seconds": [1.0]}, "expected train_seconds for each of 2 points, got 1"),
    ],
)
def test_what_is_no_curve_is_refused(labels: list[int], accuracy: list[float], more: dict, says: str) -> None:
    with pytest.raises(DataError, match=says):
        Curve(arm="a", seed=0, labels=labels, accuracy=accuracy, **more)
