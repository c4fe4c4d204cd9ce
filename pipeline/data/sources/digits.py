"""The 1,797 handwritten digits that ship with scikit-learn: real images without a download, for the demo and tests."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.sources.arrays import ArrayPart, ArraySource
from pipeline.errors import DataError

_FILE = "datasets/data/digits.csv.gz"


def digits_source() -> ArraySource:
    """Open scikit-learn's digits, 8 x 8 gray, classes 0 to 9 (Alpaydin and Kaynak, UCI repository, 1998).

    They have no official split: see `with_test_split`.

    Raises:
        DataError: scikit-learn is not installed.
    """
    values, classes = read_digits()
    images = np.rint(values * (255 / 16)).astype(np.uint8)
    part = ArrayPart("digits", images, classes)
    return ArraySource([part], tuple("0123456789"), "scikit-learn's digits")


def read_digits() -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the values, (1797, 8, 8) in 0..16, and the classes (1797,).

    The file is read directly where it has always been: importing scikit-learn takes three seconds of a demo's start.

    Raises:
        DataError: scikit-learn is not installed.
    """
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise DataError("expected scikit-learn for its digits, got none; do `pip install scikit-learn`")
    path = Path(package.origin).parent / _FILE
    if path.is_file():
        table = np.loadtxt(path, delimiter=",", dtype=np.uint8)  # (1797, 65): 64 pixels and the class
        return table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.asarray(digits.images), np.asarray(digits.target, np.int64)
