"""Small SQL that both engines need in their own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session

T = TypeVar("T")
BATCH = 1000  # rows a transaction in bulk work: other writers get their turn


def insert_new(session: Session, table: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows by column names, leaving out those that a unique index says are there already."""
    if not rows:
        return
    target = table.__table__
    if not isinstance(target, Table):
        raise TypeError(f"expected a table, got {target!r}; pass a mapped class")
    if session.get_bind().dialect.name == "sqlite":
        session.execute(sqlite.insert(target).on_conflict_do_nothing(), list(rows))
    else:
        session.execute(postgresql.insert(target).on_conflict_do_nothing(), list(rows))


def chunks(items: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """Yield slices of at most `size` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
