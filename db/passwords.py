"""Passwords: argon2id with the library's parameters, and the same effort whether or not there is such a user."""

from __future__ import annotations

import functools
import secrets
import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from db.errors import InvalidInput

SHORTEST, LONGEST = 12, 1000
AT_ONCE = 2  # a hash takes 64 MiB; a flood of tries must wait, not fill the memory

_hasher = PasswordHasher()
_turns = threading.BoundedSemaphore(AT_ONCE)


def check(name: str, password: str) -> None:
    """Refuse a password that is too short, too long, or the name itself; there are no rules about its characters.

    Raises:
        InvalidInput: with what to do; the password is never part of the text.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput(
            f"expected a password of {SHORTEST} to {LONGEST} characters, got {len(password)}; a sentence does well"
        )
    if _normal(password).casefold().strip() == _normal(name).casefold().strip():
        raise InvalidInput("expected a password of its own, got the name; choose another")


def hashed(password: str) -> str:
    """Return the hash to keep, with its own salt and parameters in it."""
    with _turns:
        return _hasher.hash(_normal(password))


def matches(stored: str | None, password: str) -> bool:
    """Return whether a password is the stored one's; None (no such user, no password) costs the same and never is."""
    if len(password) > LONGEST:
        return False
    with _turns:
        try:
            _hasher.verify(stored or _nobody(), _normal(password))
        except (VerificationError, InvalidHashError):
            return False
    return stored is not None


def outdated(stored: str) -> bool:
    """Return whether a hash was made with parameters that are no longer the library's."""
    return _hasher.check_needs_rehash(stored)


@functools.cache
def _nobody() -> str:
    return _hasher.hash(secrets.token_urlsafe(32))


def _normal(text: str) -> str:
    """The same password typed on two systems can differ in bytes; NFKC makes them one."""
    return unicodedata.normalize("NFKC", text)
