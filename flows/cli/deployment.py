"""Each service by itself, for compose files and systemd: ``borderline migrate``, ``page``, ``worker``, ``prefect``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from flows.cli.console import explain, fail, say

PANEL = "Run it in parts"
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on (default 127.0.0.1).")]
Port = Annotated[int | None, typer.Option("--port", help="Port to listen on.", min=1, max=65535)]
Part = Annotated[Literal["page", "worker", "database", "prefect"], typer.Argument(help="What to look at.")]


def register_deployment(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("migrate", rich_help_panel=PANEL)(migrate)
    app.command("page", rich_help_panel=PANEL)(page)
    app.command("worker", rich_help_panel=PANEL)(worker)
    app.command("prefect", rich_help_panel=PANEL)(prefect)
    app.command("healthy", rich_help_panel=PANEL)(healthy)


def migrate() -> None:
    """Bring the database's tables to this version's form; safe to run again, and in several places at once.

    Prints the database (without its password), its schema and what is in it.
    """
    from db.homes import recognize
    from flows.settings import Settings
    from flows.store import open_store

    with open_store(Settings(), system=True) as store:
        say(recognize(store.database).sentence)


def page(host: Host = None, port: Port = None) -> None:
    """Serve the labeling page alone, until it is told to stop."""
    import os
    import sys

    from flows.settings import Settings

    settings = Settings()
    where = ["--host", host or settings.host, "--port", str(port or settings.port)]
    os.execv(sys.executable, [sys.executable, "-m", "labeler_ui", *where])  # noqa: S606 - our own command, no shell


def worker() -> None:
    """Run the flows: rounds, retraining, ingest, comparisons. Needs a Prefect server (BORDERLINE_PREFECT_API_URL).

    SIGTERM stops it; what it was doing goes on from the last checkpoint when a worker is there again.
    """
    import logging
    import os
    import secrets

    from db import logs
    from db.homes import recognize
    from flows.errors import UsageError
    from flows.runner import main
    from flows.settings import BOOT, Settings
    from flows.store import open_store

    settings = Settings()
    if settings.prefect_api_url is None:
        raise UsageError(
            "expected a Prefect server in BORDERLINE_PREFECT_API_URL, got none; do: start one with `borderline "
            "prefect`, or everything on one machine with `borderline up`"
        )
    logs.configure()
    with open_store(settings, system=True) as store:
        logging.getLogger("borderline.worker").info("the worker is %s", recognize(store.database).sentence)
    os.environ.setdefault(BOOT, secrets.token_hex(4))  # what a killed worker left pending in Prefect is nobody's
    main()


def prefect(host: Host = None, port: Port = None) -> None:
    """Serve Prefect, which the worker needs; its database is BORDERLINE_PREFECT_DATABASE_URL.

    Beyond this machine only with a password (BORDERLINE_PREFECT_PASSWORD_FILE): whoever reaches it can run code.
    """
    from flows.prefect_server import serve
    from flows.settings import LOOPBACK, Settings
    from flows.up import PREFECT_PORT

    settings = Settings()
    serve(settings, host or LOOPBACK, port or settings.prefect_port or PREFECT_PORT)


def healthy(part: Part) -> None:
    """Look whether a service does its work: exit code 0 if so, 1 with one sentence if not."""
    from flows import health
    from flows.settings import Settings

    checks = {
        "page": health.check_page,
        "worker": health.check_worker,
        "database": health.check_database,
        "prefect": health.check_prefect,
    }
    try:
        say(checks[part](Settings()))
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        fail(sentence, code=1)
