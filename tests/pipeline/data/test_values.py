"""Values of any type come to eight bits by the range of the whole data set."""

import numpy as np
import pytest

from pipeline.data.values import as_image, to_uint8, value_range


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0.0, 0.5, 1.0]), [0, 128, 255]),
        (np.array([0.0, 128.4, 255.0]), [0, 128, 255]),
        (np.array([0, 1, 1], np.int64), [0, 1, 1]),
        (np.array([0, 257, 65535], np.uint16), [0, 1, 255]),
        (np.array([0.0, 257.0, 65535.0]), [0, 1, 255]),
        (np.array([-1.0, 0.0, 1.0]), [0, 128, 255]),
        (np.array([0, 10**6, 2 * 10**6]), [0, 128, 255]),
        (np.array([-5, -5, -5]), [0, 0, 0]),
        (np.array([True, False, True]), [255, 0, 255]),
        (np.array([7, 8, 9], np.uint8), [7, 8, 9]),
    ],
)
def test_scales(values, expected):
    assert to_uint8(values, float(values.min()), float(values.max())).tolist() == expected


def test_the_range_is_found_in_pieces_and_passes_over_what_is_no_number():
    values = np.linspace(-3, 8, 1000).reshape(100, 10)
    values[50] = np.nan
    values[51, 0] = np.inf
    assert value_range(values, chunk=7) == (-3.0, 8.0)
    assert value_range(np.full((3, 3), np.nan)) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((784,), (28, 28)),
        ((3072,), (32, 32, 3)),
        ((5, 7), (5, 7)),
        ((5, 7, 1), (5, 7)),
        ((5, 7, 3), (5, 7, 3)),
        ((5, 7, 4), (5, 7, 4)),
        ((1, 5, 7), (5, 7)),
        ((3, 5, 7), (5, 7, 3)),
        ((3, 3, 3), (3, 3, 3)),
    ],
)
def test_shapes(shape, expected):
    assert as_image(np.zeros(shape)).shape == expected
