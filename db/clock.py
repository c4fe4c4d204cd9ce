"""The database's clock: one time for everybody, whatever the hosts' clocks say (a skewed host must not end a lease)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement


class database_now(FunctionElement[int]):
    """Milliseconds since the epoch, UTC, by the database's clock at the moment the statement runs."""

    type = BigInteger()
    inherit_cache = True


@compiles(database_now, "sqlite")
def _sqlite_now(element: database_now, compiler: Any, **_: Any) -> str:
    return "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"


@compiles(database_now, "postgresql")
def _postgresql_now(element: database_now, compiler: Any, **_: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"


def now(session: Session) -> int:
    """Return the database's time in ms; read it after the locks are held."""
    return int(session.scalars(select(database_now())).one())
