"""Labels out of tables: CSV, JSON Lines and Parquet, ours or anybody's with a class and a way to tell the image."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from db.errors import InvalidInput
from db.exchange.cells import plain_text
from db.exchange.strict import LARGEST_TABLE, check_size, load_json, take
from db.records import GivenLabels

_LONGEST_LINE = 1 << 20
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "class_name": ("class", "label", "class_name"),
    "sha256": ("sha256",),
    "sample_id": ("sample_id",),
    "name": ("name", "file_name", "filename", "image", "path"),
}


def _fields(names: Iterable[str]) -> dict[str, str]:
    """Say which column holds what.

    Raises:
        InvalidInput: without a class or a way to tell the image, with a column twice, or for a table of votes.
    """
    given = list(names)
    if len(set(given)) != len(given):
        raise InvalidInput(f"expected each column once, got {', '.join(map(repr, given))[:300]}; rename one")
    if {"annotator", "outcome"} <= set(given):
        raise InvalidInput("expected labels, got votes (one row an annotation); export labels and import those")
    found = {field: next((name for name in names if name in given), "") for field, names in _ALIASES.items()}
    found = {field: name for field, name in found.items() if name}
    if "class_name" not in found or len(found) < 2:
        shown = ", ".join(map(repr, given))[:300]
        raise InvalidInput(
            f"expected a column class and one of sha256, sample_id or name, got {shown}; rename your columns"
        )
    return found


def read_csv(path: Path, given: GivenLabels) -> None:
    """Read CSV with a header, in UTF-8; apostrophes that keep a spreadsheet from running a cell are taken off.

    Raises:
        InvalidInput: if it is no such file.
    """
    check_size(path, LARGEST_TABLE)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = [plain_text(cell).strip() for cell in next(lines, [])]
            fields = {field: header.index(name) for field, name in _fields(header).items()}
            for row in filter(None, lines):
                place = f"line {lines.line_num}"
                if len(row) != len(header):
                    raise InvalidInput(f"{place}: expected {len(header)} cells, got {len(row)}; mend the table")
                take(given, place, **{field: plain_text(row[at]) for field, at in fields.items()})
    except UnicodeDecodeError as error:
        raise InvalidInput("expected a table in UTF-8, got other bytes; save it as CSV UTF-8") from error
    except csv.Error as error:
        raise InvalidInput(f"expected CSV, got something else ({error}); save it as CSV UTF-8") from error


def read_json_lines(path: Path, given: GivenLabels, *, place: str = "line") -> None:
    """Read one JSON object a line.

    Raises:
        InvalidInput: if it is no such file.
    """
    check_size(path, LARGEST_TABLE)
    keys: tuple[str, ...] | None = None
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_LONGEST_LINE):
            number += 1
            if len(line) == _LONGEST_LINE:
                raise InvalidInput(f"{place} {number}: expected at most {_LONGEST_LINE:,} bytes a line, got more")
            if not line.strip():
                continue
            row = load_json(line, f"{place} {number}")
            if not isinstance(row, dict):
                raise InvalidInput(f"{place} {number}: expected a JSON object, got {type(row).__name__}; mend the file")
            if keys != tuple(row):
                keys, fields = tuple(row), _fields(row)
            take(given, f"{place} {number}", **{field: row[name] for field, name in fields.items()})


def read_parquet(path: Path, given: GivenLabels) -> None:
    """Read a Parquet file, the columns that are needed, a few thousand rows at a time.

    Raises:
        InvalidInput: if it is no such file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_size(path, LARGEST_TABLE)
    try:
        with pq.ParquetFile(path, thrift_string_size_limit=1 << 24, thrift_container_size_limit=1 << 20) as file:
            sizes = (file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
            if sum(sizes) > LARGEST_TABLE:
                raise InvalidInput("expected a table of at most 4 GB unpacked, got a larger one; split it")
            fields = _fields(file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches(batch_size=2000, columns=list(fields.values())):
                columns = {field: batch.column(batch.schema.names.index(name)) for field, name in fields.items()}
                number = _take_batch(given, number, {field: column.to_pylist() for field, column in columns.items()})
    except InvalidInput:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        raise InvalidInput(
            f"expected a Parquet file, got something else ({str(error)[:120]}); write it again"
        ) from error


def _take_batch(given: GivenLabels, number: int, columns: Mapping[str, Sequence[Any]]) -> int:
    for values in zip(*columns.values(), strict=True):
        number += 1
        take(given, f"row {number}", **dict(zip(columns, values, strict=True)))
    return number
