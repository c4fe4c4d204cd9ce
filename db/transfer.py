"""Rows from one engine to the other, in batches and as they are: how a laptop's store moves to PostgreSQL and back.

Both sides have this version's tables. JSON goes as the text it is stored as, so that a NULL and a JSON null stay two
things. Tables go in the order of their references, so that every rule of the receiving side holds at every moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import JSON, Connection, Float, Select, Table, Text, cast, column, func, insert, select, type_coerce
from sqlalchemy import table as table_of
from sqlalchemy.sql.expression import TableClause

from db.errors import StoreError
from db.tables import Base

BATCH = 5000


def copy_rows(source: Connection, sink: Connection) -> dict[str, int]:
    """Copy every row of one store into the empty tables of another, each inside of its caller's transaction.

    Args:
        source: Reads; one snapshot for all tables is the caller's business.
        sink: Writes; SQLite or PostgreSQL, with this version's tables and no rows.

    Returns:
        Rows by table.

    Raises:
        StoreError: if a value exists on one engine alone (NaN, a NUL character), or rows are missing afterwards.
    """
    put = _put_sqlite if sink.dialect.name == "sqlite" else _put_postgresql
    copied = {}
    for table in Base.metadata.sorted_tables:
        put(sink, table, _batches(source, table))
        copied[table.name] = _count(source, table)
        if (found := _count(sink, table)) != copied[table.name]:
            raise StoreError(f"expected {copied[table.name]} rows of {table.name} to arrive, got {found}; try again")
    return copied


def _batches(source: Connection, table: Table) -> Iterator[Sequence[Sequence[Any]]]:
    result = source.execute(_as_stored(source, table), execution_options={"stream_results": True, "yield_per": BATCH})
    return result.partitions(BATCH)


def _as_stored(source: Connection, table: Table) -> Select[Any]:
    def read(entry: Any) -> Any:
        if not isinstance(entry.type, JSON):
            return entry
        as_text = type_coerce if source.dialect.name == "sqlite" else cast
        return as_text(entry, Text).label(entry.name)

    return select(*map(read, table.columns)).order_by(*table.primary_key.columns)


def _plain(table: Table) -> TableClause:
    """The table with JSON as the text that SQLite stores."""
    kinds = [(entry.name, Text() if isinstance(entry.type, JSON) else entry.type) for entry in table.columns]
    return table_of(table.name, *(column(name, kind) for name, kind in kinds))


def _put_sqlite(sink: Connection, table: Table, batches: Iterator[Sequence[Sequence[Any]]]) -> None:
    names = [entry.name for entry in table.columns]
    floats = [place for place, entry in enumerate(table.columns) if isinstance(entry.type, Float)]
    into = insert(_plain(table))
    for batch in batches:
        if any(row[place] != row[place] for place in floats for row in batch):  # SQLite would make it NULL
            raise StoreError(f"expected numbers in {table.name}, got NaN, which SQLite cannot store; mend that row")
        sink.execute(into, [dict(zip(names, row, strict=True)) for row in batch])


def _put_postgresql(sink: Connection, table: Table, batches: Iterator[Sequence[Sequence[Any]]]) -> None:
    driver = sink.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise StoreError(f"expected psycopg's connection, got {driver!r}; use a postgresql URL")
    names = sql.SQL(", ").join(sql.Identifier(entry.name) for entry in table.columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), names)
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for batch in batches:
                for row in batch:
                    copy.write_row(row)
    except psycopg.DataError as error:
        raise StoreError(f"expected rows of {table.name} that PostgreSQL can store, got: {error}") from error
    _continue_numbering(sink, table)


def _continue_numbering(sink: Connection, table: Table) -> None:
    """New rows get ids after those that were copied."""
    ids = table.autoincrement_column
    if ids is None:
        return
    sequence = sink.execute(select(func.pg_get_serial_sequence(table.name, ids.name))).scalar_one()
    if sequence is not None:
        last = select(func.coalesce(func.max(ids), 0) + 1).scalar_subquery()
        sink.execute(select(func.setval(sequence, last, False)))


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
