"""A folder of images in an object store, read through fsspec: listed folder by folder, fetched image by image.

Nothing is downloaded beforehand. What a store says about one object (gone, forbidden) is that image's bad luck; when
the store itself does not answer, a few more tries are made, and then reading stops: what was taken in stays, and the
next run goes on. The provider's library finds credentials in its own environment and configuration; none pass through
here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Any, TypeVar

import fsspec

from pipeline.data.sources.base import SourceItem, natural_key
from pipeline.data.sources.layout import Listing, grouped, in_order, is_litter
from pipeline.data.sources.reading import BYTE_CAP, NEVER_IMAGES
from pipeline.data.sources.urls import PROTOCOLS, check_url
from pipeline.errors import DataError, ImageRejected

_log = logging.getLogger(__name__)

Got = TypeVar("Got")

WAITS = (0.5, 1.0, 2.0, 4.0)  # seconds before each new try, besides those of the provider's own library
_OF_ONE_OBJECT = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound")


class RemoteSource:
    """Images below a URL, in the layouts of `FolderSource`; an image's name is its URL.

    Args:
        url: Such as `s3://bucket/folder`, or one image.

    Raises:
        DataError: The URL may not be read from, nothing is there, or the store does not answer.
    """

    def __init__(self, url: str) -> None:
        self.url = check_url(url)
        self._store = _open(self.url)
        self._root = str(self._store._strip_protocol(self.url))
        self._empty: set[str] = set()
        self._groups = tuple(grouped(self._list, self.url))
        if self._names() == (PurePosixPath(self._root).name,) and self._is_one_file():
            self.url, self._root = self.url.rpartition("/")[0], self._root.rpartition("/")[0]
        self._length = len(self._names())
        self._check_content()
        known = {group.known_class for group in self._groups if group.known_class is not None and group.names}
        self.classes = tuple(sorted(known, key=natural_key))
        self.description = f"{self._length:,} files in {self.url}" + (
            f", {len(self.classes)} classes" if self.classes else ""
        )

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[SourceItem]:
        for group in self._groups:
            for name in group.names:
                load = partial(self._load, group.below(name))
                url = f"{self.url}/{group.below(name)}"
                yield SourceItem(url, None, load, group.known_class, group.split, remote=True)

    def _list(self, folder: str) -> Listing:
        """List a folder; a store that cannot list it ends the reading."""
        path = f"{self._root}/{folder}".rstrip("/")
        try:
            found = _patiently(partial(self._store.ls, path, detail=True), self.url)
        except _OF_ONE_OBJECT as error:
            raise DataError(
                f"expected images at {self.url}, got: {_why(error)}; check the URL and the rights"
            ) from error
        names: tuple[list[str], list[str]] = [], []
        for entry in found:
            name = PurePosixPath(str(entry["name"])).name
            marker = str(entry["name"]).endswith("/") and entry["type"] != "directory"  # left where a folder was made
            if not name or marker or is_litter(name):
                continue
            names[entry["type"] == "directory"].append(name)
            if entry["type"] != "directory" and entry.get("size") == 0:
                self._empty.add(f"{folder}/{name}" if folder else name)
        return in_order(*names)

    def _names(self) -> tuple[str, ...]:
        return tuple(name for group in self._groups for name in group.names)

    def _is_one_file(self) -> bool:
        return bool(_patiently(partial(self._store.isfile, self._root), self.url))

    def _check_content(self) -> None:
        if not self._length:
            raise DataError(f"expected images at {self.url}, got nothing there; check the URL")
        if all(PurePosixPath(name).suffix.lower() in NEVER_IMAGES for name in self._names()):
            raise DataError(
                f"expected images at {self.url}, got {self._length} other files, such as {self._names()[0]}; lists and "
                "arrays are read from a disk: download them first"
            )

    def _load(self, relative: str) -> bytes:
        """Fetch one image.

        Raises:
            ImageRejected: It is gone, forbidden, too large, or plainly not an image.
            DataError: The store does not answer anymore.
        """
        suffix = PurePosixPath(relative).suffix.lower()
        if suffix in NEVER_IMAGES:
            raise ImageRejected(f"not an image but a {suffix} file")
        if relative in self._empty:  # no range of it can be asked for
            return b""
        path = f"{self._root}/{relative}"
        try:
            data = bytes(_patiently(partial(self._store.cat_file, path, start=0, end=BYTE_CAP + 1), self.url))
        except _OF_ONE_OBJECT as error:
            raise ImageRejected(f"it cannot be read: {_why(error)}") from error
        if len(data) > BYTE_CAP:
            raise ImageRejected(f"it is larger than the limit of {BYTE_CAP >> 20} MB")
        return data


def _open(url: str) -> Any:
    """Open the store of a URL.

    Raises:
        DataError: The library for it is not installed.
    """
    protocol = url.split("://", 1)[0]
    try:
        store, _ = fsspec.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
    except ImportError as error:
        raise DataError(
            f"expected the library that reads {protocol}://, got none; do: {PROTOCOLS[protocol]}"
        ) from error
    return store


def _patiently(work: Callable[[], Got], url: str) -> Got:
    """Ask the store; where it does not answer, ask again a few times.

    Raises:
        DataError: It still does not answer, or has no credentials to ask with.
    """
    waits = list(WAITS)
    while True:
        try:
            return work()
        except _OF_ONE_OBJECT:
            raise
        except Exception as error:  # each provider's library has errors of its own
            if type(error).__name__ in _NO_CREDENTIALS:
                raise DataError(
                    f"expected credentials for {url} in the provider's environment variables or configuration, got "
                    f"none: {_why(error)}"
                ) from error
            if not waits:
                raise DataError(
                    f"expected an answer from {url}, got after {len(WAITS) + 1} tries: {_why(error)}; what was read is "
                    "kept: run it again when the store can be reached"
                ) from error
            _log.warning("%s does not answer (%s); trying again in %s s", url, _why(error), waits[0])
            pause(waits.pop(0))


def pause(seconds: float) -> None:
    """Wait before the next try."""
    time.sleep(seconds)


def _why(error: BaseException) -> str:
    """Say an error in one line."""
    text = str(getattr(error, "strerror", None) or error).strip().splitlines()
    return f"{text[0][:200]}" if text else type(error).__name__
