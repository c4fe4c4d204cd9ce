"""A list of images in a CSV or JSON Lines file: for images that lie anywhere, with labels that come from elsewhere.

The whole list is checked when it is opened, and read again line by line later, so that a million lines cost no memory.
Paths are relative to the list. A person wrote them down one by one, so they may lead out of its folder.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from pipeline.data.sources.base import SPLIT_NAMES, SourceItem, clean_class, natural_key, split_of
from pipeline.data.sources.reading import read_image_file
from pipeline.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
_COLUMNS = ("path", "label", "split")


class ManifestSource:
    """Images listed in a file with the columns (or keys) `path`, and if known `label` and `split`.

    Args:
        path: A `.csv`, `.tsv`, `.jsonl` or `.ndjson` file, UTF-8.

    Raises:
        DataError: A line cannot be used; the message names the first such line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._length = 0
        known: set[str] = set()
        for item in self:
            self._length += 1
            if item.known_class is not None:
                known.add(item.known_class)
        if not self._length:
            raise DataError(f"expected lines with a path in {path.name}, got none")
        self.classes = tuple(sorted(known, key=natural_key))
        note = f", {len(known)} classes" if known else ""
        self.description = f"{self._length:,} images listed in {path.name}{note}"

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[SourceItem]:
        read = _csv_rows if self._path.suffix.lower() in (".csv", ".tsv") else _json_rows
        line = 0
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                for line, row in read(file, self._path):
                    yield self._item(row, f"{self._path.name}, line {line}")
        except UnicodeDecodeError as error:
            raise DataError(f"expected UTF-8 text in {self._path.name}, got other bytes after line {line}") from error
        except OSError as error:
            raise DataError(f"expected a readable list at {self._path}, got: {error.strerror}") from error

    def _item(self, row: dict[str, Any], where: str) -> SourceItem:
        for key, value in row.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
                raise DataError(f"expected text as {key!r} in {where}, got {value!r}")
        name = str(row.get("path") or "").strip()
        if not name:
            raise DataError(f"expected a path in {where}, got none; give each line the path of an image")
        label, word = _text(row.get("label")), _text(row.get("split"))
        split = split_of(word) if word else None
        if word and split is None:
            raise DataError(f"expected a split among {', '.join(SPLIT_NAMES)} in {where}, got {word!r}")
        known_class = clean_class(label, where) if label else None
        path = Path(os.path.normpath(self._path.parent / name))
        return SourceItem(name, path, partial(read_image_file, path, None), known_class, split)


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _csv_rows(file: IO[str], path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_columns(header, f"{path.name}, line 1")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise DataError(
                    f"expected {len(header)} cells in {path.name}, line {reader.line_num}, got {len(cells)}; "
                    "put a cell that holds a comma into quotes"
                )
            yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise DataError(f"cannot read {path.name}, line {reader.line_num}: {error}") from error


def _check_columns(names: list[str], where: str) -> None:
    foreign = [name for name in names if name not in _COLUMNS]
    if foreign or "path" not in names or len(set(names)) != len(names):
        raise DataError(
            f"expected the columns path and, if known, label and split in {where}, "
            f"got {', '.join(names) or 'nothing'}; rename or remove the others"
        )


def _json_rows(file: IO[str], path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        where = f"{path.name}, line {line}"
        try:
            pairs = json.loads(text, object_pairs_hook=list)
        except (ValueError, RecursionError) as error:
            raise DataError(f"expected a JSON object in {where}, got: {error}") from error
        if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
            raise DataError(f'expected a JSON object such as {{"path": "a.png"}} in {where}, got {text.strip()[:40]!r}')
        _check_columns([key for key, _ in pairs], where)
        yield line, dict(pairs)
