"""Where the page finds its store and who sits in front of it: read from the environment, once."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass, field
from pathlib import Path

from db.secret_files import with_password
from db.space import parse_bytes

CLIENT_VERSION = "page-1"
MODES = ("local", "accounts", "oidc")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Places and names that the process was started with.

    Attributes:
        home: BORDERLINE_HOME, absolute; the default is `~/.borderline`.
        database_url: BORDERLINE_DATABASE_URL with the password out of BORDERLINE_DATABASE_PASSWORD_FILE, or None for
            the embedded SQLite file below `home`.
        default_name: The name offered first in the sidebar.
        mode: BORDERLINE_ACCOUNTS: 'local' (a name is enough, this machine only), 'accounts' (names with passwords) or
            'oidc' (a login provider).
        public_url: BORDERLINE_PUBLIC_URL, the address people type, without a slash at its end; None is unknown.
        ingest_root: BORDERLINE_INGEST_ROOT, the folder that images may be read from, or None.
        ingest_remote: BORDERLINE_INGEST_REMOTE, URLs of folders in object stores that may be read, too.
        free_space_floor: BORDERLINE_FREE_SPACE_FLOOR, bytes that an upload leaves free on the disk; None is the usual.
        project_quota: BORDERLINE_PROJECT_QUOTA, bytes that the files of a project may take, or None.
        upload_quota: BORDERLINE_UPLOAD_QUOTA, bytes of one person's uploads that may wait to be read, or None.
    """

    home: Path
    database_url: str | None = field(repr=False)
    default_name: str
    mode: str = "local"
    public_url: str | None = None
    ingest_root: Path | None = None
    ingest_remote: tuple[str, ...] = ()
    free_space_floor: int | None = None
    project_quota: int | None = None
    upload_quota: int | None = None

    @property
    def team(self) -> bool:
        """Whether people have to prove who they are."""
        return self.mode != "local"


def load() -> Settings:
    """Read the settings from the environment.

    Raises:
        ValueError: BORDERLINE_ACCOUNTS is none of the modes, or a number of bytes is none.
        db.errors.SecretError: The file with the password cannot be used.
    """
    remote = os.environ.get("BORDERLINE_INGEST_REMOTE", "").split(",")
    home = Path(os.environ.get("BORDERLINE_HOME") or Path.home() / ".borderline").expanduser().resolve()
    return Settings(
        home=home,
        database_url=with_password(
            os.environ.get("BORDERLINE_DATABASE_URL") or None, os.environ.get("BORDERLINE_DATABASE_PASSWORD_FILE")
        ),
        default_name=_default_name(),
        mode=_mode(),
        public_url=os.environ.get("BORDERLINE_PUBLIC_URL", "").strip().rstrip("/") or None,
        ingest_root=Path(root).expanduser().absolute() if (root := os.environ.get("BORDERLINE_INGEST_ROOT")) else None,
        ingest_remote=tuple(url.strip() for url in remote if url.strip()),
        free_space_floor=_bytes("BORDERLINE_FREE_SPACE_FLOOR"),
        project_quota=_bytes("BORDERLINE_PROJECT_QUOTA"),
        upload_quota=_bytes("BORDERLINE_UPLOAD_QUOTA"),
    )


def _bytes(name: str) -> int | None:
    given = os.environ.get(name, "").strip()
    return parse_bytes(given) if given else None


def _mode() -> str:
    mode = os.environ.get("BORDERLINE_ACCOUNTS", "").strip() or "local"
    if mode not in MODES:
        raise ValueError(f"expected BORDERLINE_ACCOUNTS to be one of {', '.join(MODES)}, got {mode!r}; set one of them")
    return mode


def _default_name() -> str:
    """Return BORDERLINE_USER, else the operating system's user name, else 'annotator'."""
    named = os.environ.get("BORDERLINE_USER", "").strip()
    if named:
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no entry in the password database, e.g. in a container
        return "annotator"
