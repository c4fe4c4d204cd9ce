"""The page as a process of its own: one Streamlit app with our routes, on loopback, with safe options."""

from __future__ import annotations

import errno
import importlib
import ipaddress
import os
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from labeler_ui import api, settings, store
from labeler_ui.hosts import HostGuard
from labeler_ui.theme import THEME

SCRIPT = Path(__file__).resolve().parent / "pages" / "shell.py"
OPEN_TO_NETWORK = "BORDERLINE_ALLOW_REMOTE"
WARM_UP_SECONDS = 3.0
CHART_PARTS = ("pandas", "pyarrow", "altair")
EXTRA_HOSTS = "BORDERLINE_ALLOWED_HOSTS"


class ServeError(Exception):
    """The page cannot be served; the text is one sentence for the person who started it."""


def create_app(host: str = "127.0.0.1") -> st.App:
    """Return the app: pages by Streamlit, images and the JSON API as routes of the same server."""
    service = api.Service(open_database=store.database, secret=store.secret())
    guard = Middleware(HostGuard, hosts=allowed_hosts(host))
    return st.App(SCRIPT, routes=list(api.routes(service)), middleware=[guard])


def allowed_hosts(host: str = "127.0.0.1") -> tuple[str, ...]:
    """Return the host names a browser may use: loopback, the address listened on, BORDERLINE_ALLOWED_HOSTS."""
    extra = [name.strip() for name in os.environ.get(EXTRA_HOSTS, "").split(",") if name.strip()]
    return tuple(dict.fromkeys(["localhost", "127.0.0.1", "::1", host, *extra]))


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
        "browser.serverAddress": "localhost" if host in {"127.0.0.1", "::1"} else host,
        "logger.level": "warning",
        **THEME,
    }


def serve(host: str = "127.0.0.1", port: int = 8501) -> None:
    """Serve the pages until the process is told to stop.

    The store and the secret are opened first, so that a database from a newer version or an unreadable home is said
    before anything listens.

    Args:
        host: The address to listen on; beyond loopback only with BORDERLINE_ALLOW_REMOTE=1.
        port: The port to listen on.

    Raises:
        ServeError: The address is not loopback, or the port is taken.
        db.errors.StoreError: The store cannot be opened.
    """
    check_address(host, port)
    found = settings.load()
    os.environ["BORDERLINE_HOME"] = str(found.home)
    store.database()
    sys.argv = [str(SCRIPT)]
    warm_up()
    create_app(host).run(config=dict(options(host, port)))


def warm_up() -> None:
    """Load what draws charts and tables a little later, so neither the start nor the first look at Progress waits."""
    later = threading.Timer(WARM_UP_SECONDS, lambda: [importlib.import_module(name) for name in CHART_PARTS])
    later.daemon = True
    later.start()


def check_address(host: str, port: int) -> None:
    """Raise `ServeError` when the page must not or cannot listen there."""
    if not is_loopback(host) and os.environ.get(OPEN_TO_NETWORK) != "1":
        raise ServeError(
            f"expected a loopback address such as 127.0.0.1, got {host}: there are no accounts yet, so anybody who "
            f"reaches the page could label; set {OPEN_TO_NETWORK}=1 if a trusted network is all that can reach it"
        )
    if not 0 < port < 65536:
        raise ServeError(f"expected a port from 1 to 65535, got {port}")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServeError(_why_not(error, host, port)) from error


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use; stop what runs there or choose another with --port"
    return f"cannot listen on {host}, port {port}: {os.strerror(error.errno or 0)}"
