"""How folders tell classes and splits, whether they lie on a disk or in an object store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.data.sources.base import clean_class, natural_key, split_of

Listing = tuple[tuple[str, ...], tuple[str, ...]]
"""Names of files and of folders."""

_LITTER = {"thumbs.db", "desktop.ini", "__macosx", "ehthumbs.db", "icon\r"}


@dataclass(frozen=True, slots=True)
class Group:
    """The files of one folder."""

    folder: str  # relative to the root, posix, "" for the root itself
    names: tuple[str, ...]
    known_class: str | None
    split: str | None

    def below(self, name: str) -> str:
        """Return a file's path below the root."""
        return f"{self.folder}/{name}" if self.folder else name


def is_litter(name: str) -> bool:
    """Tell whether a name is hidden or what file managers leave behind."""
    return name.startswith(".") or name.lower() in _LITTER


def in_order(files: list[str], folders: list[str]) -> Listing:
    """Return a listing in its natural order."""
    return tuple(sorted(files, key=natural_key)), tuple(sorted(folders, key=natural_key))


def grouped(list_folder: Callable[[str], Listing], where: str) -> Iterator[Group]:
    """Give the files of a tree, folder by folder, with the class and the split that its folders name.

    Args:
        list_folder: Lists a folder by its path below the root.
        where: The root, for messages.

    Raises:
        DataError: A folder's name cannot be a class.
    """
    files, folders = list_folder("")
    yield Group("", files, None, None)
    splits = [split_of(name) for name in folders]
    if not folders or not all(splits):
        yield from _classes(list_folder, where, "", None, folders)
        return
    for name, split in zip(folders, splits, strict=True):
        files, classes = list_folder(name)
        yield Group(name, files, None, split)
        yield from _classes(list_folder, where, name, split, classes)


def _classes(
    list_folder: Callable[[str], Listing], where: str, folder: str, split: str | None, names: tuple[str, ...]
) -> Iterator[Group]:
    """Give the class folders of a folder, which may be a split."""
    for name in names:
        known_class = clean_class(name, f"{where}/{folder}" if folder else where)
        yield from _below(list_folder, f"{folder}/{name}" if folder else name, known_class, split)


def _below(list_folder: Callable[[str], Listing], folder: str, known_class: str, split: str | None) -> Iterator[Group]:
    files, folders = list_folder(folder)
    yield Group(folder, files, known_class, split)
    for name in folders:
        yield from _below(list_folder, f"{folder}/{name}", known_class, split)
