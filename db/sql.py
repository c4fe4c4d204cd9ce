"""Small SQL that both engines need in their own words, made for many rows at once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ARRAY, ColumnElement, Select, Table, Text, any_, insert, literal, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session

T = TypeVar("T")
BATCH = 1000  # rows a transaction in bulk work: other writers get their turn
_ROWS_AT_ONCE = 50_000


def insert_rows(session: Session, table: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows by column names; all rows name the same columns."""
    _insert(session, _table(table), rows, skip=False)


def insert_new(session: Session, table: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows by column names, leaving out those that a unique index says are there already."""
    _insert(session, _table(table), rows, skip=True)


def _insert(session: Session, table: Table, rows: Sequence[Mapping[str, Any]], *, skip: bool) -> None:
    if not rows:
        return
    if session.get_bind().dialect.name == "sqlite":
        statement = sqlite.insert(table).on_conflict_do_nothing() if skip else insert(table)
        session.execute(statement, list(rows))
        return
    session.execute(
        text(_from_json(session, table, tuple(rows[0]), skip=skip)),
        {"rows": json.dumps([_jsonable(row) for row in rows])},
    )


def _jsonable(row: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no infinity; PostgreSQL reads it from a text."""
    return {
        name: str(value) if isinstance(value, float) and math.isinf(value) else value for name, value in row.items()
    }


def _from_json(session: Session, table: Table, names: Sequence[str], *, skip: bool) -> str:
    """One statement with one parameter: a thousand rows of placeholders take psycopg longer than PostgreSQL."""
    dialect = session.get_bind().dialect
    columns = ", ".join(f'"{name}"' for name in names)
    typed = ", ".join(f'"{name}" {table.c[name].type.compile(dialect)}' for name in names)
    end = " ON CONFLICT DO NOTHING" if skip else ""
    source = f"json_to_recordset(CAST(:rows AS json)) AS given({typed})"
    return f'INSERT INTO "{table.name}" ({columns}) SELECT {columns} FROM {source}{end}'  # noqa: S608 - our own names


def among(session: Session, column: InstrumentedAttribute[str], values: Iterable[str]) -> ColumnElement[bool]:
    """Whether a text column is one of many values: one array parameter on PostgreSQL."""
    wanted = list(values)
    if session.get_bind().dialect.name == "sqlite":
        return column.in_(wanted)
    return column == any_(literal(wanted, ARRAY(Text)))


def chunks(items: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """Yield slices of at most `size` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def integer_table(session: Session, statement: Select[Any], columns: int) -> NDArray[np.int64]:
    """Return what a statement of integer columns finds, (N, columns), without an object a row."""
    result = session.connection().execute(statement, execution_options={"stream_results": True})
    blocks = [
        np.fromiter(chain.from_iterable(part), dtype=np.int64, count=columns * len(part)).reshape(-1, columns)
        for part in result.partitions(_ROWS_AT_ONCE)
    ]
    return np.concatenate(blocks) if blocks else np.empty((0, columns), dtype=np.int64)


def _table(table: type[DeclarativeBase]) -> Table:
    target = table.__table__
    if not isinstance(target, Table):
        raise TypeError(f"expected a table, got {target!r}; pass a mapped class")
    return target
