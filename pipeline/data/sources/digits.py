"""The 1,797 handwritten digits that ship with scikit-learn: real images without a download, for the demo and tests."""

from __future__ import annotations

import numpy as np

from pipeline.data.sources.arrays import ArrayPart, ArraySource
from pipeline.errors import DataError


def digits_source() -> ArraySource:
    """Open scikit-learn's digits, 8 x 8 gray, classes 0 to 9 (Alpaydin and Kaynak, UCI repository, 1998).

    They have no official split: see `with_test_split`.

    Raises:
        DataError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError("expected scikit-learn for its digits, got none; do `pip install scikit-learn`") from error
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # (1797, 8, 8), from 0..16
    part = ArrayPart("digits", images, np.asarray(digits.target, np.int64))
    return ArraySource([part], tuple("0123456789"), "scikit-learn's digits")
