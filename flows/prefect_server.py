"""``borderline prefect``: a Prefect server for a team, with the settings that were measured and a password.

Prefect takes its secrets from the environment alone. Here they come from files and reach nobody but the process that
this one becomes.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from flows.errors import UsageError
from flows.settings import Settings
from flows.up import is_loopback


def serve(settings: Settings, host: str, port: int) -> NoReturn:
    """Become a Prefect server; arguments and errors are those of `server_command`."""
    command = server_command(settings, host, port)
    variables = {**os.environ, **server_environment(settings)}
    sys.stdout.flush()
    os.execve(sys.executable, command, variables)  # noqa: S606 - our own command, no shell


def server_command(settings: Settings, host: str, port: int) -> list[str]:
    """Return the command of a Prefect server.

    Args:
        settings: Its database, its password, its folder.
        host: Where it listens; beyond loopback only with a password.
        port: Likewise.

    Raises:
        UsageError: It would be open to others.
    """
    if settings.prefect_password_file is None and not is_loopback(host):
        raise UsageError(
            f"expected a password for a Prefect server on {host}: whoever reaches it can run code; "
            "do: set BORDERLINE_PREFECT_PASSWORD_FILE"
        )
    return [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]


def server_environment(settings: Settings) -> dict[str, str]:
    """Return what the server's process gets beside this one's environment: its database, its password, no pages.

    Raises:
        UsageError: It would share the database of the labels.
        db.errors.SecretError: A password's file cannot be used.
    """
    variables = {**settings.prefect_environment(), "PREFECT_SERVER_UI_ENABLED": "false"}
    if settings.prefect_password_file is not None:
        variables["PREFECT_SERVER_API_AUTH_STRING"] = settings.prefect_login()
    address = _database(settings)
    if address is not None:
        variables["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = address
    return variables


def _database(settings: Settings) -> str | None:
    """Return the address of Prefect's own database, by the driver that it needs."""
    from sqlalchemy import make_url

    from db.secret_files import with_password

    file, name = settings.prefect_database_password_file, "BORDERLINE_PREFECT_DATABASE_PASSWORD_FILE"
    given = with_password(settings.prefect_database_url, file, name)
    if given is None:
        return None
    url = make_url(given)
    if url.get_backend_name() != "postgresql":
        raise UsageError("expected BORDERLINE_PREFECT_DATABASE_URL to be postgresql://..., got another; leave it out")
    labels = make_url(settings.database_url) if settings.database_url else None
    if labels is not None and (labels.host, labels.port, labels.database) == (url.host, url.port, url.database):
        raise UsageError(
            f"expected a database of its own for Prefect, got the labels' {url.database!r}; do: create another one"
        )
    return url.set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
