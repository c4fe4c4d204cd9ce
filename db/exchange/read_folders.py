"""Labels out of folders: a tree with a folder a class, ours or anybody's, and the Hugging Face layout."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from db.errors import InvalidInput
from db.exchange.cells import plain_text
from db.exchange.folders import MANIFEST, MAPPING, METADATA
from db.exchange.pictures import file_sha256
from db.exchange.read_tables import read_csv, read_json_lines
from db.exchange.strict import LARGEST_DOCUMENT, check_size, take
from db.records import GivenLabels

_SPLITS = {"pool", "holdout", "train", "training", "validation", "valid", "val", "dev", "test", "testing"}
_LITTER = {"thumbs.db", "desktop.ini", MANIFEST, MAPPING, METADATA, "readme.md"}


def read_hugging_face(root: Path, given: GivenLabels) -> None:
    """Read the metadata of every split.

    Raises:
        InvalidInput: if there is none, or it is not ours.
    """
    found = sorted(root.glob(f"data/*/{METADATA}"))
    if not found:
        raise InvalidInput(f"expected data/SPLIT/{METADATA} in {root}, got none; import another format")
    for path in found:
        read_json_lines(path, given, place=f"{path.parent.name}/{METADATA} line")


def read_image_folder(root: Path, given: GivenLabels) -> None:
    """Read a tree: the folder is the class, the image is told by its bytes, else by its name.

    A manifest of ours also tells images that were encoded anew; where a file lies counts, not what the manifest says.

    Raises:
        InvalidInput: if there are no class folders, or files beside them.
    """
    hashes, classes = _manifest(root), _mapping(root)
    files = 0
    for folder, path in _files(root):
        files += 1
        place = "/".join((*folder, path.name))
        if not folder:
            raise InvalidInput(
                f"expected a folder for each class in {root}, got the file {path.name!r:.80} beside them"
            )
        sha256, told = file_sha256(path), hashes.get(path.name)
        take(
            given,
            place,
            classes.get(folder[0], folder[0]),
            sha256=sha256 or told,
            other_sha256=told,
            name=path.name,
            fallback=True,
        )
    if not files:
        if not (root / MANIFEST).is_file():
            raise InvalidInput(f"expected images in folders named after classes in {root}, got none; check the path")
        read_csv(root / MANIFEST, given)


def _files(root: Path) -> Iterator[tuple[tuple[str, ...], Path]]:
    """Every file with its folders below the split; links to folders are not followed."""
    top = [entry for entry in _entries(root) if entry.is_dir(follow_symlinks=False)]
    split = bool(top) and all(entry.name.lower() in _SPLITS for entry in top)
    yield from ((folder[1:] if split else folder, path) for folder, path in _walk(root, ()))


def _walk(folder: Path, parts: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Path]]:
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), (*parts, entry.name))
        elif entry.is_file():
            yield parts, Path(entry.path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            kept = [entry for entry in found if entry.name.lower() not in _LITTER and not entry.name.startswith(".")]
    except OSError as error:
        raise InvalidInput(f"expected a folder at {folder}, got: {error.strerror}; check the path") from error
    return sorted(kept, key=lambda entry: entry.name)


def _mapping(root: Path) -> Mapping[str, str]:
    """Folder -> class, of our own exports: a class need not be a safe name of a folder."""
    return {row["folder"]: row["class"] for row in _rows(root / MAPPING, {"folder", "class"})}


def _manifest(root: Path) -> Mapping[str, str]:
    """File name -> hash of the image it shows, of our own exports; the names begin with the id, so they are unique."""
    rows = _rows(root / MANIFEST, {"file", "sha256"})
    return {row["file"].rsplit("/", 1)[-1]: row["sha256"] for row in rows if row["file"]}


def _rows(path: Path, columns: set[str]) -> Iterator[dict[str, str]]:
    if not path.is_file():
        return
    check_size(path, LARGEST_DOCUMENT)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file, strict=True):
                if not columns <= row.keys() or any(not isinstance(row[name], str) for name in columns):
                    raise InvalidInput(f"expected columns {', '.join(sorted(columns))} in {path.name}, got others")
                yield {name: plain_text(row[name]) for name in columns}
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"expected {path.name} as CSV in UTF-8, got something else; remove it") from error
