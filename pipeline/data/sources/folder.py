"""A folder of image files, the commonest source: flat, a folder a class, or train, validation and test folders.

Names are kept, not files: a million images cost about 100 bytes each. Hidden files and the litter of file managers are
passed over; every other file is an item, so that one that is no image is reported by name instead of missing silently.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pipeline.data.sources.base import SourceItem, natural_key
from pipeline.data.sources.layout import Group, Listing, grouped, in_order, is_litter
from pipeline.data.sources.reading import NEVER_IMAGES, read_image_file
from pipeline.errors import DataError


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
        scanned = grouped(lambda folder: _list(self.root / folder), str(self.root))
        self._groups = tuple(scanned) if only is None else (Group("", (only,), None, None),)
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
                relative = group.below(name)
                path = self.root / relative
                yield SourceItem(
                    relative, path, partial(read_image_file, path, self.root), group.known_class, group.split
                )


def _list(folder: Path) -> Listing:
    """Return the names of files and of folders; links count as files, whose reading decides whether to follow.

    A folder that cannot be listed counts as a file too, named ".", so that reading it tells why.
    """
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_litter(entry.name):
                    continue
                (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
    except OSError:
        files.append(".")
    return in_order(files, folders)
