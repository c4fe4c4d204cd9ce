"""One small exception tree, so that callers can tell a user's mistake from a busy store."""

from __future__ import annotations


class StoreError(Exception):
    """Anything the store refuses or cannot do; the message says what to do."""


class NotFound(StoreError):
    """A project, sample, query or answer that is not there, or not in this project."""


class FileDamaged(StoreError):
    """A file that a row names is missing, or its bytes are not the ones that were written."""


class Conflict(StoreError):
    """The request contradicts what is stored, such as another answer under the same id."""


class PermissionDenied(StoreError):
    """The acting user's role in this project is too low, or the user is disabled."""


class TooManyTries(PermissionDenied):
    """Too many failed tries to log in; `seconds` says when the next one is heard."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"expected fewer failed tries, got too many; try again in {seconds} s")
        self.seconds = seconds


class InvalidInput(StoreError, ValueError):
    """A value outside of its allowed range or form."""


class SchemaError(StoreError):
    """The database's tables are not those this version of Borderline needs."""


class SchemaTooNew(SchemaError):
    """The database was written by a newer version of Borderline."""


class StoreFull(StoreError):
    """The database's disk is full or fails; nothing of the request was saved."""


class StoreBusy(StoreError):
    """The database stayed locked or unreachable through every retry."""


class NoSpace(StoreError):
    """Writing this would fill the disk, or take more than a quota allows; labels still save."""


class SecretError(StoreError):
    """A secret's file is missing, empty, or open to others; nothing starts without it."""


class WrongDatabase(StoreError):
    """The database is not the one that this home folder's files belong to."""
