"""Labels and votes as tables: CSV for spreadsheets, JSON Lines and Parquet for machines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from db.exchange.cells import formula_safe, iso_time

Kind = Literal["text", "int", "float", "bool", "time", "json"]
_ROWS_AT_ONCE = 2000


@dataclass(frozen=True)
class Column:
    """One column: its name in files, its type, and where its value comes from."""

    name: str
    kind: Kind
    of: Callable[[Any], Any]


def _columns(*columns: tuple[str, Kind, str]) -> tuple[Column, ...]:
    return tuple(Column(name, kind, attrgetter(attribute)) for name, kind, attribute in columns)


LABEL_COLUMNS = _columns(
    ("sample_id", "int", "sample_id"),
    ("name", "text", "name"),
    ("sha256", "text", "sha256"),
    ("split", "text", "split"),
    ("class", "text", "class_name"),
    ("origin", "text", "origin"),
    ("votes", "int", "votes"),
    ("agreement", "float", "agreement"),
    ("round", "int", "round_number"),
    ("updated_at", "time", "updated_at"),
    ("width", "int", "width"),
    ("height", "int", "height"),
)
VOTE_COLUMNS = _columns(
    ("sample_id", "int", "sample_id"),
    ("name", "text", "name"),
    ("sha256", "text", "sha256"),
    ("annotator", "text", "annotator"),
    ("outcome", "text", "outcome"),
    ("class", "text", "class_name"),
    ("note", "text", "note"),
    ("mode", "text", "mode"),
    ("kind", "text", "kind"),
    ("round", "int", "round_number"),
    ("latency_ms", "int", "latency_ms"),
    ("prediction_shown", "bool", "prediction_shown"),
    ("shown", "json", "shown"),
    ("created_at", "time", "created_at"),
    ("withdrawn_at", "time", "withdrawn_at"),
)
COLUMNS = {"labels": LABEL_COLUMNS, "votes": VOTE_COLUMNS}
SYNTHETIC_COLUMNS = _columns(("synthetic", "bool", "synthetic"), ("generator_version", "int", "generator_version"))


def columns_of(what: str, *, synthetic: bool = False) -> tuple[Column, ...]:
    """Return an export's columns; one that was asked for generated images marks every row, photos too."""
    return COLUMNS[what] + SYNTHETIC_COLUMNS if synthetic else COLUMNS[what]


def csv_parts(columns: Sequence[Column], rows: Iterable[Any]) -> Iterator[bytes]:
    """Yield a CSV file in parts (RFC 4180, UTF-8); the header comes even without rows."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow([column.name for column in columns])
    for part in _parts(rows):
        writer.writerows([_cell(column.kind, column.of(row)) for column in columns] for row in part)
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    if buffer.tell():
        yield buffer.getvalue().encode()


def _cell(kind: Kind, value: Any) -> str:
    if value is None:
        return ""
    if kind == "time":
        return iso_time(value)
    if kind == "bool":
        return "true" if value else "false"
    if kind == "json":
        return formula_safe(json.dumps(value, allow_nan=False))
    return formula_safe(value) if kind == "text" else str(value)


def json_lines(columns: Sequence[Column], rows: Iterable[Any]) -> Iterator[bytes]:
    """Yield a JSON Lines file in parts: one object a line, numbers finite, texts as they are."""
    for part in _parts(rows):
        yield "".join(f"{json_text(as_object(columns, row))}\n" for row in part).encode()


def as_object(columns: Sequence[Column], row: Any) -> dict[str, Any]:
    """Return a row as JSON takes it."""
    values = ((column, column.of(row)) for column in columns)
    return {
        column.name: iso_time(value) if column.kind == "time" and value is not None else value
        for column, value in values
    }


def json_text(value: Any) -> str:
    """Return JSON of one line; a number that is not finite is an error."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def write_parquet(columns: Sequence[Column], rows: Iterable[Any], out: Path) -> None:
    """Write a Parquet file with a schema of its own, a row group a few thousand rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"text": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "json": pa.string()}
    types["time"] = pa.timestamp("ms", tz="UTC")
    schema = pa.schema([(column.name, types[column.kind]) for column in columns])
    with pq.ParquetWriter(out, schema) as writer:
        for part in _parts(rows):
            values = [[_typed(column.kind, column.of(row)) for row in part] for column in columns]
            arrays = [pa.array(one, type=field.type) for one, field in zip(values, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _typed(kind: Kind, value: Any) -> Any:
    return json.dumps(value, allow_nan=False) if kind == "json" and value is not None else value


def _parts(rows: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(rows)
    while part := list(islice(left, _ROWS_AT_ONCE)):
        yield part
