"""Writes the audit log to a file that shows when it was changed, and checks such a file."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from db import audit, audit_chain
from flows.errors import UsageError
from flows.store import Store
from pipeline.files import atomic_write


def export_audit(store: Store, out: Path, project_id: int | None, since: int | None) -> audit_chain.Checked:
    """Write everything (or one project's) to a file that only its owner can read; it is there whole or not at all.

    Args:
        store: The open store; its actor has to be an administrator.
        out: The file; one that is there is not written over.
        project_id: None for everything.
        since: Only what happened then (ms) or later.

    Raises:
        UsageError: The file is there already.
        PermissionDenied: Below administrator.
    """
    if out.exists():
        raise UsageError(f"expected a file that is not there yet, got {out}; do: choose another name")
    entries = audit.entries(store.database, store.actor, project_id, since)
    about = {
        "made_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "by_name": store.actor.name,
        "project_id": project_id,
        "since": since,
    }
    chain = audit_chain.Chain()

    def write(file: BinaryIO) -> None:
        file.writelines(chain.sealed(about, entries))

    before = os.umask(0o077)
    try:
        atomic_write(out, write)
    finally:
        os.umask(before)
    return audit_chain.Checked(lines=chain.lines, about=about, last=chain.last)


def check_audit(file: Path, expected: str | None = None) -> audit_chain.Checked:
    """Check a file line by line.

    Raises:
        BrokenChain: A line was changed, removed, added or moved, or its last hash is not the expected one.
    """
    with file.open("rb") as lines:
        found = audit_chain.check(lines)
    if expected is not None and found.last != expected.lower():
        raise audit_chain.BrokenChain(
            f"expected the last hash {expected}, got {found.last}: the file was written anew; do: look for the copy "
            "that the hash is of"
        )
    return found


def moment(text: str) -> int:
    """Return a time in ms from a date or a date and time; without a zone it is UTC.

    Raises:
        UsageError: It is none.

    >>> moment("2026-09-21"), moment("2026-09-21T16:00:00+02:00")
    (1789948800000, 1789999200000)
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"expected a date such as 2026-09-21 or 2026-09-21T14:00, got {text!r}") from error
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
