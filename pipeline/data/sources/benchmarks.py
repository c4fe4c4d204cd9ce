"""Research data sets by name, from files that are there or by torchvision's download; MNIST's family is mapped."""

from __future__ import annotations

import contextlib
import string
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.sources.arrays import ArrayPart, ArraySource
from pipeline.data.sources.idx import idx_source
from pipeline.errors import DataError

_DIGITS = tuple(string.digits)
_EMNIST_MERGED = tuple(string.digits + string.ascii_uppercase + "abdefghnqrt")


@dataclass(frozen=True)
class _Family:
    """A data set in IDX files: its name in torchvision, the files' stems, and its classes."""

    torchvision: str
    train: str
    test: str
    classes: tuple[str, ...]
    split: str = ""
    base: int = 0


def _emnist(split: str, classes: tuple[str, ...], base: int = 0) -> _Family:
    return _Family("EMNIST", f"emnist-{split}-train", f"emnist-{split}-test", classes, split, base)


_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_IDX = {
    "mnist": _Family("MNIST", "train", "t10k", _DIGITS),
    "fashionmnist": _Family("FashionMNIST", "train", "t10k", _FASHION),
    "kmnist": _Family("KMNIST", "train", "t10k", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")),
    "qmnist": _Family("QMNIST", "qmnist-train", "qmnist-test", _DIGITS),
    "emnist": _emnist("balanced", _EMNIST_MERGED),
    "emnist-balanced": _emnist("balanced", _EMNIST_MERGED),
    "emnist-bymerge": _emnist("bymerge", _EMNIST_MERGED),
    "emnist-byclass": _emnist("byclass", tuple(string.digits + string.ascii_uppercase + string.ascii_lowercase)),
    "emnist-letters": _emnist("letters", tuple(string.ascii_lowercase), 1),
    "emnist-digits": _emnist("digits", _DIGITS),
    "emnist-mnist": _emnist("mnist", _DIGITS),
}
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
NAMES = (*_IDX, "cifar10", "svhn")


def benchmark_source(name: str, data_dir: Path | None) -> ArraySource:
    """Open a research data set by its name, with its official split: train becomes the pool.

    Args:
        name: One of `NAMES`, in lower case.
        data_dir: Where its files lie, or are downloaded to; the IDX files may lie in it directly.
            Without it, `~/.cache/borderline/datasets`.

    Raises:
        DataError: The files are not there and cannot be downloaded, or are damaged.
    """
    folder = data_dir if data_dir is not None else Path.home() / ".cache" / "borderline" / "datasets"
    if name in _IDX:
        return _open_idx(name, _IDX[name], folder)
    return _open_cifar10(folder) if name == "cifar10" else _open_svhn(folder)


def _open_idx(name: str, family: _Family, folder: Path) -> ArraySource:
    images = _find(family, folder)
    if not images:
        options: dict[str, Any] = {"split": family.split} if family.split else {}
        wanted = [{"what": "train"}, {"what": "test"}] if name == "qmnist" else [options]
        for extra in wanted:
            _torchvision(family.torchvision, folder, **extra)
        images = _find(family, folder)
    if not images:
        raise DataError(f"expected IDX files of {family.torchvision} below {folder} after its download, got none")
    transposed = family.torchvision == "EMNIST"
    return idx_source(images, family.torchvision, family.classes, transposed=transposed, base=family.base)


def _find(family: _Family, folder: Path) -> list[Path]:
    """Return the two image files, from the folder itself or from where torchvision puts them."""
    name = family.torchvision
    for place in (folder, folder / "raw", folder / name / "raw", folder / name):
        found = []
        for stem in (family.train, family.test):
            names = [f"{stem}-images-idx3-ubyte", f"{stem}-images-idx3-ubyte.gz"]
            found += [path for path in (place / file for file in names) if path.is_file()][:1]
        if len(found) == 2:
            return found
    return []


def _open_cifar10(folder: Path) -> ArraySource:
    parts = []
    for train, split in ((True, "pool"), (False, "test")):
        # torchvision compares each file's md5 with the published one before it reads it
        data = _torchvision("CIFAR10", folder, train=train)
        parts.append(ArrayPart(f"cifar10-{split}", data.data, np.asarray(data.targets, np.int64), split=split))
    return ArraySource(parts, _CIFAR10, "CIFAR10")


def _open_svhn(folder: Path) -> ArraySource:
    parts = []
    for official, split in (("train", "pool"), ("test", "test")):
        data = _torchvision("SVHN", folder, split=official)
        parts.append(ArrayPart(f"svhn-{split}", data.data, np.asarray(data.labels, np.int64), split=split))
    return ArraySource(parts, _DIGITS, "SVHN")


def _torchvision(name: str, folder: Path, **options: Any) -> Any:
    """Make one of torchvision's data sets, from its files if they are there, else by its download."""
    from torchvision import datasets

    make: Callable[..., Any] = getattr(datasets, name)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # it prints; our standard output may be JSON
            return make(root=str(folder), download=True, **options)
    except Exception as error:  # URLError, RuntimeError, OSError, a bad archive: all mean that the data is not there
        raise DataError(
            f"expected the files of {name} in {folder} or a network to download them, got: "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}; "
            "fetch them elsewhere and name their folder"
        ) from error
