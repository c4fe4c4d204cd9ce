"""Finds out what a path or a name means, so that one command ingests whatever people have."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from pipeline.data.sources import manifest
from pipeline.data.sources.arrays import class_arrays_source, npy_source, npz_source
from pipeline.data.sources.base import Source
from pipeline.data.sources.benchmarks import NAMES, benchmark_source
from pipeline.data.sources.digits import digits_source
from pipeline.data.sources.folder import FolderSource
from pipeline.data.sources.idx import idx_images, idx_source
from pipeline.data.sources.urls import path_of, protocol_of
from pipeline.errors import DataError


def open_source(spec: str | Path, *, data_dir: Path | None = None) -> Source:
    """Open images from anywhere.

    Args:
        spec: `digits`; a data set of torchvision (`mnist`, `fashionmnist`, `kmnist`, `emnist`, `qmnist`, `cifar10`,
            `svhn`); or the path of a folder of images, a folder of IDX files, a folder of `<class>.npy`, an IDX, `.npy`
            or `.npz` file, a manifest (`.csv`, `.tsv`, `.jsonl`), or one image; or the URL of a folder of images in an
            object store (`s3://`, `gs://`, `az://`), or of any of these on this machine (`file://`). A path that exists
            wins over a name only if it is given as a Path or with a slash.
        data_dir: Where a data set's files lie or are downloaded to.

    Raises:
        DataError: There is nothing usable; the message says what was expected.

    >>> open_source("digits").description
    "1,797 images in scikit-learn's digits, 10 classes"
    """
    protocol = protocol_of(spec) if isinstance(spec, str) else None
    if protocol is not None and protocol != "file":
        from pipeline.data.sources.remote import RemoteSource

        return RemoteSource(str(spec))
    spec = path_of(str(spec)) if protocol else spec
    name = str(spec).lower()
    if isinstance(spec, str) and name == "digits":
        return digits_source()
    if isinstance(spec, str) and name in NAMES:
        return benchmark_source(name, data_dir)
    try:
        path = Path(spec).expanduser()
        if path.is_dir():
            return _open_folder(path)
        if path.is_file():
            return _open_file(path)
    except (OSError, RuntimeError) as error:  # a name too long, a user without a home
        raise DataError(f"expected a file or a folder, got {str(spec)[:200]!r}: {error}; check the path") from error
    raise DataError(_nothing_there(str(spec)))


def _open_folder(path: Path) -> Source:
    try:
        images = idx_images(path)
        if images:
            return idx_source(images, path.resolve().name)
        visible = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"expected a readable folder at {path}, got: {error.strerror}") from error
    if any(entry.suffix == ".npy" for entry in visible) and not any(entry.is_dir() for entry in visible):
        return class_arrays_source(path)
    return FolderSource(path)


def _open_file(path: Path) -> Source:
    suffix = path.suffix.lower()
    if suffix in manifest.SUFFIXES:
        return manifest.ManifestSource(path)
    if suffix == ".npy":
        return npy_source(path)
    if suffix == ".npz":
        return npz_source(path)
    if "idx" in path.name and "ubyte" in path.name:
        return idx_source([path], path.name)
    return FolderSource(path.parent, only=path.name)


def _nothing_there(spec: str) -> str:
    near = get_close_matches(spec.lower(), ("digits", *NAMES), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"check the path, or name a data set: digits, {', '.join(NAMES)}"
    return f"expected a file, a folder or a data set's name, got {spec!r}, which is none of them; {hint}"
