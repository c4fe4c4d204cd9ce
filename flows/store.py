"""Opens what every flow needs: the settings, the database and the acting user, in one object."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from db.access import SYSTEM_NAME, Actor, local_user, system_actor
from db.engine import Database
from flows.settings import Settings


@dataclass(frozen=True)
class Store:
    """A database that is open, with the settings it was opened by and who acts.

    Attributes:
        settings: Home folder, ports, device.
        database: The label store.
        actor: In whose name the functions of ``db`` are called.
    """

    settings: Settings
    database: Database
    actor: Actor

    def path(self, relative: str) -> Path:
        """Return the absolute path of a file that SQL knows relative to the home folder."""
        return self.settings.home / relative

    def relative(self, path: Path) -> str:
        """Return a path below the home folder as SQL keeps it: relative, with forward slashes."""
        return path.relative_to(self.settings.home).as_posix()


def person_name() -> str:
    """Return the name that this machine's user goes by: ``BORDERLINE_USER`` or the login name.

    Whoever works as the services' user, `borderline`, is ``operator``: the services' own name is no person's.
    """
    named = os.environ.get("BORDERLINE_USER")
    if named:
        return named
    try:
        login = getpass.getuser()
    except (OSError, KeyError):  # no such user in a container
        return "me"
    return "operator" if login == SYSTEM_NAME else login


@contextmanager
def open_store(settings: Settings | None = None, *, system: bool = False) -> Iterator[Store]:
    """Open the store, migrating it when its schema is older than this code.

    Args:
        settings: Settings to use; None reads the environment.
        system: Act as Borderline itself (flows), not as the person at this machine (commands).

    Raises:
        SchemaTooNew: The database was written by a newer Borderline.
    """
    settings = settings or Settings()
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database.open(settings.database_url, home=settings.home)
    try:
        actor = system_actor(database) if system else local_user(database, person_name())
        yield Store(settings, database, actor)
    finally:
        database.close()
