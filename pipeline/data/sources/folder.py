"""A folder of image files, the commonest source: flat, a folder a class, or train, validation and test folders.

Names are kept, not files: a million images cost about 100 bytes each. Hidden files and the litter of file managers are
passed over; every other file is an item, so that one that is no image is reported by name instead of missing silently.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.data.sources.base import SourceItem, clean_class, natural_key, split_of
from pipeline.data.sources.reading import NEVER_IMAGES, read_image_file
from pipeline.errors import DataError

_LITTER = {"thumbs.db", "desktop.ini", "__macosx", "ehthumbs.db", "icon\r"}


@dataclass(frozen=True, slots=True)
class _Group:
    """The files of one folder."""

    folder: str  # relative to the root, posix, "" for the root itself
    names: tuple[str, ...]
    known_class: str | None
    split: str | None


class FolderSource:
    """Images below one folder.

    `root/*.png` has no classes; `root/<class>/**` has them; so has `root/<train|validation|test>/<class>/**`, taken for
    splits when all sub-folders have such names (`val` and `valid` are validation).

    Args:
        root: The folder.
        only: One file of it, where just that is wanted.

    Raises:
        DataError: It cannot be listed or holds no files.
    """

    def __init__(self, root: Path, only: str | None = None) -> None:
        self.root = root.resolve()
        try:
            os.scandir(self.root).close()
        except OSError as error:
            raise DataError(f"expected a folder of images at {root}, got: {error.strerror}; check the path") from error
        self._groups = tuple(self._scan()) if only is None else (_Group("", (only,), None, None),)
        self._length = sum(len(group.names) for group in self._groups)
        self._check_content()
        known = {group.known_class for group in self._groups if group.known_class is not None and group.names}
        self.classes = tuple(sorted(known, key=natural_key))
        self.description = f"{self._length:,} files in {self.root.name or self.root}" + (
            f", {len(self.classes)} classes" if self.classes else ""
        )

    def _check_content(self) -> None:
        if not self._length:
            raise DataError(
                f"expected images in {self.root}, got an empty folder; put images into it or give another path"
            )
        names = (name for group in self._groups for name in group.names)
        if all(os.path.splitext(name)[1].lower() in NEVER_IMAGES for name in names):  # noqa: PTH122  # a million names
            first = next(group.names[0] for group in self._groups if group.names)
            raise DataError(f"expected images in {self.root}, got {self._length} other files, such as {first}")

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[SourceItem]:
        for group in self._groups:
            for name in group.names:
                relative = f"{group.folder}/{name}" if group.folder else name
                path = self.root / relative
                yield SourceItem(
                    relative, path, partial(read_image_file, path, self.root), group.known_class, group.split
                )

    def _scan(self) -> Iterator[_Group]:
        files, folders = _list(self.root)
        yield _Group("", files, None, None)
        splits = [split_of(name) for name in folders]
        if folders and all(splits):
            for name, split in zip(folders, splits, strict=True):
                yield from self._scan_classes(name, split)
        else:
            yield from self._scan_classes("", None, folders)

    def _scan_classes(self, folder: str, split: str | None, names: tuple[str, ...] | None = None) -> Iterator[_Group]:
        """Give the class folders of a folder, which may be a split."""
        if names is None:
            files, names = _list(self.root / folder)
            yield _Group(folder, files, None, split)
        for name in names:
            below = f"{folder}/{name}" if folder else name
            yield from self._scan_below(below, clean_class(name, str(self.root / folder)), split)

    def _scan_below(self, folder: str, known_class: str, split: str | None) -> Iterator[_Group]:
        files, folders = _list(self.root / folder)
        yield _Group(folder, files, known_class, split)
        for name in folders:
            yield from self._scan_below(f"{folder}/{name}", known_class, split)


def _list(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of files and of folders; links count as files, whose reading decides whether to follow.

    A folder that cannot be listed counts as a file too, named ".", so that reading it tells why.
    """
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower() in _LITTER:
                    continue
                (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
    except OSError:
        files.append(".")
    return tuple(sorted(files, key=natural_key)), tuple(sorted(folders, key=natural_key))
