"""Which database errors mean 'run the whole unit of work again'. Statements alone are never retried."""

from __future__ import annotations

import random
import time

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

PATIENCE_SECONDS = 60.0
_JITTER = random.SystemRandom()  # no seed to share: forked processes must not wait in step
RACES_LOST_AT_MOST = 5
_RETRYABLE_STATES = {"40001", "40P01", "55P03", "57P01", "57P02", "57P03"}  # serialization, deadlock, lock, shutdown
_UNWRITABLE_STATES = {"53100", "58030"}  # disk full, input/output error
_UNIQUE_VIOLATIONS = ("UNIQUE constraint failed", "PRIMARY KEY constraint failed")


def is_busy(error: BaseException) -> bool:
    """Whether the database refused for the moment: locked, deadlocked, restarting or gone before a commit."""
    if not isinstance(error, DBAPIError):
        return False
    name = getattr(error.orig, "sqlite_errorname", "")
    if name:
        return str(name).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state in _RETRYABLE_STATES or str(state).startswith("08")
    return error.connection_invalidated or isinstance(error, OperationalError)


def cannot_write(error: BaseException) -> bool:
    """Whether the disk is full or fails. SQLite says either of two things for a full one."""
    if not isinstance(error, DBAPIError):
        return False
    name = str(getattr(error.orig, "sqlite_errorname", None) or "")
    full = name.startswith(("SQLITE_FULL", "SQLITE_IOERR"))
    return full or getattr(error.orig, "sqlstate", None) in _UNWRITABLE_STATES


def is_lost_race(error: BaseException) -> bool:
    """Whether a unique index refused a row that somebody else wrote first; a second run sees theirs."""
    if not isinstance(error, IntegrityError):
        return False
    return getattr(error.orig, "sqlstate", None) == "23505" or any(
        text in str(error.orig) for text in _UNIQUE_VIOLATIONS
    )


def pause(attempt: int) -> None:
    """Sleep with jitter, longer each time, half a second at most."""
    time.sleep(_JITTER.uniform(0.5, 1.0) * min(0.5, 0.01 * 2**attempt))
