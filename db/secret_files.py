"""Passwords from files: what stands in a file is read by fewer than what stands in an environment or a command."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from db import redaction
from db.errors import SecretError

OTHERS = 0o027  # read by everybody, or changed by anybody but the owner
LONGEST = 4096


def read_secret(path: str | Path, setting: str) -> str:
    """Return the one line of a secret's file, without the line's end.

    Args:
        path: The file; a group may read it, everybody else may not.
        setting: What names the file, for the error: `BORDERLINE_DATABASE_PASSWORD_FILE`.

    Raises:
        SecretError: The file is missing, empty, not a plain file, not ours to read, or open to others.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SecretError(
            f"expected a secret in {path} ({setting}), got: {error.strerror}; do: make it with deploy/make_secrets.sh, "
            f"readable by user {os.geteuid()}"
        ) from error
    try:
        _check(os.fstat(descriptor), path, setting)
        raw = os.read(descriptor, LONGEST + 1)
    finally:
        os.close(descriptor)
    secret = _one_line(raw, path, setting)
    redaction.hide(secret)  # from every log of this process
    return secret


def _check(found: os.stat_result, path: str | Path, setting: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SecretError(f"expected a plain file in {setting}, got {path}, which is none; do: name the file")
    if found.st_mode & OTHERS:
        raise SecretError(
            f"expected {path} ({setting}) to be closed to others, got mode {stat.S_IMODE(found.st_mode):04o}; "
            f"do: chmod 0400 {path} (0440 where a group reads it)"
        )


def _one_line(raw: bytes, path: str | Path, setting: str) -> str:
    try:
        secret = raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise SecretError(f"expected text in {path} ({setting}), got bytes that are none; do: make it anew") from error
    if not secret or len(raw) > LONGEST or any(character in secret for character in "\r\n\x00"):
        raise SecretError(
            f"expected one line of 1 to {LONGEST} bytes in {path} ({setting}), got {len(raw)} bytes in "
            f"{secret.count(chr(10)) + 1} lines; do: make it anew with deploy/make_secrets.sh"
        )
    return secret


def with_password(
    url: str | None, password_file: str | Path | None, setting: str = "BORDERLINE_DATABASE_PASSWORD_FILE"
) -> str | None:
    """Return a database's address with the password that a file holds.

    Args:
        url: An address without a password; None is the embedded SQLite.
        password_file: The file; None leaves the address as it is.
        setting: What names the file.

    Raises:
        SecretError: The file cannot be used, or there is no address to put it into, or one with a password.
    """
    if not password_file:
        return url
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    address = setting.replace("_PASSWORD_FILE", "_URL")
    try:
        parsed = make_url(url or "")
    except ArgumentError:
        raise SecretError(
            f"expected {address} beside {setting}, got {'nothing' if not url else 'one that cannot be read'}; "
            "do: set it, such as postgresql://borderline@db.example.org/borderline"
        ) from None
    if parsed.password is not None or not parsed.username:
        found = "a password in it" if parsed.password is not None else "no user in it"
        raise SecretError(f"expected {address} with a user and without a password beside {setting}, got {found}")
    return parsed.set(password=read_secret(password_file, setting)).render_as_string(hide_password=False)
