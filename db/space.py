"""How much may still be written: a floor of free disk space, and quotas, so that labels can always be saved.

Images, models and uploads stop before the disk is full; answers are small and never asked about.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from db.errors import InvalidInput, NoSpace

if TYPE_CHECKING:
    from db.engine import Database

DEFAULT_FLOOR = 1_000_000_000
DEFAULT_SHARE = 0.02  # of a small disk
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_BYTES = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", re.IGNORECASE)


def parse_bytes(value: str) -> int:
    """Return a number of bytes from a text such as '500 MB', '2GiB' or '1000000'.

    Raises:
        InvalidInput: if it is none.

    >>> parse_bytes("2 GB"), parse_bytes("1.5KiB"), parse_bytes("0")
    (2000000000, 1536, 0)
    """
    found = _BYTES.fullmatch(value)
    if found is None:
        raise InvalidInput(f"expected bytes such as 500MB or 2GiB, got {value!r}; write it like that")
    return round(float(found[1]) * _UNITS[(found[2] or "").lower()])


def shown(count: float) -> str:
    """Return bytes as people read them.

    >>> shown(950), shown(1_500_000_000)
    ('950 bytes', '1.5 GB')
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(count) >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} bytes"


def floor_of(folder: Path, floor: int | None) -> int:
    """Return the bytes that stay free on a folder's disk: what was set, or 1 GB or 2 %, whichever is smaller."""
    return min(DEFAULT_FLOOR, round(DEFAULT_SHARE * shutil.disk_usage(folder).total)) if floor is None else floor


def require_disk(folder: Path, floor: int | None, wanted: int = 0) -> None:
    """Refuse to write `wanted` bytes more below a folder when less than the floor would stay free.

    Args:
        folder: Where it would be written; a folder that does not exist yet counts for its nearest parent.
        floor: Bytes that stay free; None for the usual.
        wanted: Bytes that are about to be written.

    Raises:
        NoSpace: if it would.
    """
    there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    free, least = shutil.disk_usage(there).free, floor_of(there, floor)
    if free - wanted < least:
        asked = f" after another {shown(wanted)}" if wanted else ""
        raise NoSpace(
            f"expected at least {shown(least)} to stay free on the disk of {folder}{asked}, got {shown(free)} free; "
            "free some space (`borderline collect` finds leftovers), or set BORDERLINE_FREE_SPACE_FLOOR"
        )


def require_quota(database: Database, project_id: int, quota: int | None, wanted: int = 0) -> None:
    """Refuse to add files of `wanted` bytes to a project beyond its quota; None is no quota.

    Raises:
        NoSpace: if that is more than it may have.
    """
    if quota is None:
        return
    from db.files import used  # here, as settings need this module and every command reads settings

    have = database.read(lambda session: used(session, project_id))
    if have + wanted > quota or have >= quota:
        raise NoSpace(
            f"expected the files of this project to stay within {shown(quota)}, got {shown(have)} "
            f"and {shown(wanted)} more; raise BORDERLINE_PROJECT_QUOTA, or go on in another project"
        )


def require_uploads(waiting: Sequence[Path], quota: int | None, wanted: int) -> None:
    """Refuse an upload while a person's earlier ones, which nobody has read yet, take up the quota; None is no quota.

    Args:
        waiting: Folders of the uploads that wait.
        quota: Bytes that one person's uploads may take until they are read.
        wanted: Bytes of the new one.

    Raises:
        NoSpace: if it would be too much.
    """
    if quota is None:
        return
    have = sum(path.stat().st_size for folder in waiting if folder.is_dir() for path in folder.iterdir())
    if have + wanted > quota:
        raise NoSpace(
            f"expected uploads of at most {shown(quota)} that wait to be read, got {shown(have)} and "
            f"{shown(wanted)} more; wait until they are read, or send fewer at a time"
        )
