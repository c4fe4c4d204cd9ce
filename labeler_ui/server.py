"""The page as a process of its own: one Streamlit app with our routes, on loopback, with safe options."""

from __future__ import annotations

import errno
import gc
import importlib
import logging
import os
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Route

from db import homes
from labeler_ui import api, logs, settings, store
from labeler_ui.accounts import first, oidc
from labeler_ui.accounts.gate import Gate
from labeler_ui.accounts.routes import routes as account_routes
from labeler_ui.hosts import HostGuard, is_loopback
from labeler_ui.theme import THEME

logger = logging.getLogger(__name__)

SCRIPT = Path(__file__).resolve().parent / "pages" / "shell.py"
OLD_SWITCH = "BORDERLINE_ALLOW_REMOTE"
WARM_UP_SECONDS = 3.0
PAGES = ("compare", "label", "people", "progress", "project", "quality", "review", "synthetic")
LATER = ("pandas", "pyarrow", "altair", *(f"labeler_ui.pages.{name}" for name in PAGES))
EXTRA_HOSTS = "BORDERLINE_ALLOWED_HOSTS"
TRUSTED_PROXY = "BORDERLINE_TRUSTED_PROXY"


class ServeError(Exception):
    """The page cannot be served; the text is one sentence for the person who started it."""


def create_app(host: str = "127.0.0.1") -> st.App:
    """Return the app: pages by Streamlit, images, the JSON API and the login as routes of the same server.

    Raises:
        ValueError: A login provider was asked for and a setting of it is missing.
    """
    mode = settings.load().mode
    service = api.Service(open_database=store.database, secret=store.secret(), team=mode != "local")
    routes: list[BaseRoute] = [*api.routes(service), Route("/label", _to_first_page)]
    if mode == "accounts":
        routes += account_routes(store.database)
    middleware = [Middleware(HostGuard, hosts=allowed_hosts(host))]
    if mode != "local":
        middleware.append(Middleware(Gate, open_database=store.database, mode=mode))
    secrets = oidc.secrets() if mode == "oidc" else None
    return st.App(SCRIPT, routes=routes, middleware=middleware, secrets=secrets)


def _to_first_page(request: Request) -> RedirectResponse:
    """Send /label to /, where Streamlit has the first page; under its own name it would not be found."""
    return RedirectResponse(f"/?{request.url.query}" if request.url.query else "/")


def allowed_hosts(host: str = "127.0.0.1") -> tuple[str, ...]:
    """Return the host names a browser may use: loopback, the one listened on, the public one, and those added."""
    extra = [name.strip() for name in os.environ.get(EXTRA_HOSTS, "").split(",") if name.strip()]
    public = urlsplit(settings.load().public_url or "").hostname
    return tuple(dict.fromkeys(["localhost", "127.0.0.1", "::1", host, *([public] if public else []), *extra]))


def options(host: str, port: int) -> Mapping[str, Any]:
    """Return Streamlit's options: no developer tools, no error details, no statistics sent, no file watching."""
    return {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.allowedHosts": list(allowed_hosts(host)),
        "server.fileWatcherType": "none",
        "server.enableAgentApi": False,
        "server.enableStaticServing": False,
        "client.toolbarMode": "viewer",
        "client.showErrorDetails": "none",
        "browser.gatherUsageStats": False,
        "browser.serverAddress": "localhost" if is_loopback(host) else host,
        "logger.level": "warning",
        **THEME,
    }


def serve(host: str = "127.0.0.1", port: int = 8501) -> None:
    """Serve the pages until the process is told to stop.

    The store and the secret are opened first, so that a database from a newer version or an unreadable home is said
    before anything listens.

    Args:
        host: The address to listen on; beyond loopback only with accounts.
        port: The port to listen on.

    Raises:
        ServeError: The address is not loopback and there are no accounts, or the port is taken.
        ValueError: A setting cannot be used.
        db.errors.StoreError: The store cannot be opened.
    """
    check_address(host, port)
    found = settings.load()
    logs.configure()
    os.environ["BORDERLINE_HOME"] = str(found.home)
    # Who may say where a request came from: by default the server believes whoever calls from this machine
    os.environ["FORWARDED_ALLOW_IPS"] = os.environ.get(TRUSTED_PROXY, "")
    opened = store.database()
    logger.info("the page is %s", homes.recognize(opened).sentence)
    if found.mode == "accounts":
        _tell_of_first(first.offer(opened, found.public_url or f"http://localhost:{port}"))
    sys.argv = [str(SCRIPT)]
    app = create_app(host)
    warm_up()
    app.run(config=dict(options(host, port)))


def _tell_of_first(file: Path | None) -> None:
    """Say where the first administrator's link is; the link itself must not get into a log."""
    if file is not None:
        sys.stderr.write(f"borderline: nobody can administrate yet; open the address that is in {file}\n")
        sys.stderr.flush()


def warm_up() -> None:
    """Load the pages and what draws charts a little later, so neither the start nor the first look at a page waits.

    What is loaded then stays: it is taken out of garbage collection. Streamlit collects everything after each run of a
    page, which took 130 ms a run and a core for seven runs a second.
    """
    later = threading.Timer(WARM_UP_SECONDS, _load_later)
    later.daemon = True
    later.start()


def _load_later() -> None:
    for name in LATER:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def check_address(host: str, port: int) -> None:
    """Raise `ServeError` when the page must not or cannot listen there."""
    if not is_loopback(host) and not settings.load().team:
        raise ServeError(
            f"expected a loopback address such as 127.0.0.1, got {host}: without accounts anybody who reaches the page "
            f"could label; do: set BORDERLINE_ACCOUNTS=accounts (or oidc) to let people log in{_old_switch()}"
        )
    if not 0 < port < 65536:
        raise ServeError(f"expected a port from 1 to 65535, got {port}")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServeError(_why_not(error, host, port)) from error


def _old_switch() -> str:
    return f"; {OLD_SWITCH} is no more" if os.environ.get(OLD_SWITCH) else ""


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use; stop what runs there or choose another with --port"
    return f"cannot listen on {host}, port {port}: {os.strerror(error.errno or 0)}"
