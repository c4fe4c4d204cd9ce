"""``borderline up``: Prefect server, flow runner and page from one terminal, with a clean stop and takeover."""

from __future__ import annotations

import ipaddress
import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from flows.errors import UsageError
from flows.health import answers
from flows.locks import file_lock
from flows.processes import MARK, Service, free_port, kill_marked, port_is_free, stop_all
from flows.settings import BOOT, LOOPBACK, Settings

logger = logging.getLogger(__name__)

START_SECONDS = 120.0
PREFECT_PORT = 4200


def up(
    settings: Settings,
    *,
    on_ready: Callable[[str], None],
    on_news: Callable[[str], None],
    prepare: Callable[[], None] | None = None,
) -> None:
    """Run everything until Ctrl-C or SIGTERM.

    Args:
        settings: Where and on which ports.
        prepare: Called when the ports are known to be free and nothing else is up, before anything starts.
        on_ready: Called with the page's address once it answers.
        on_news: Called with one line whenever there is something to tell.

    Raises:
        UsageError: Borderline is up already for this home folder, or the port is taken.
    """
    with file_lock(settings.run_folder / "up.lock", wait=False) as held:
        if not held:
            raise UsageError(f"Borderline is up already for {settings.home}; do: use its page, or stop it with Ctrl-C")
        mark = str(settings.home)
        left = kill_marked(mark)
        if left:
            on_news(f"{left} processes of a killed run would not end")
        settings = check_ports(settings)
        if prepare is not None:
            prepare()
        on_news("Starting the page, the flow runner and the Prefect server ...")
        services = build_services(settings, mark)
        stop = _stop_on_signals()
        try:
            for service in services:
                service.start()
            _watch(settings, services, stop, on_ready, on_news)
        finally:
            stop_all(list(reversed(services)), mark)


def check_ports(settings: Settings) -> Settings:
    """Check the page's port, and choose Prefect's when it was left open.

    Raises:
        UsageError: A port that was asked for is in use.
    """
    check_host(settings)
    if not port_is_free(settings.host, settings.port):
        raise UsageError(f"expected port {settings.port} to be free, got one in use; do: choose another with --port")
    if settings.prefect_api_url:
        return settings
    if settings.prefect_port == 0:
        return settings.model_copy(update={"prefect_port": free_port(LOOPBACK, PREFECT_PORT)})
    if not port_is_free(LOOPBACK, settings.prefect_port):
        raise UsageError(
            f"expected port {settings.prefect_port} to be free for Prefect, got one in use; "
            "do: choose another with --prefect-port"
        )
    return settings


def check_host(settings: Settings) -> None:
    """Raise `UsageError` when the page would listen beyond this machine without accounts."""
    if settings.accounts != "local" or is_loopback(settings.host):
        return
    old = "; BORDERLINE_ALLOW_REMOTE is no more" if os.environ.get("BORDERLINE_ALLOW_REMOTE") else ""
    raise UsageError(
        f"expected the page to listen on {LOOPBACK}, got BORDERLINE_HOST={settings.host}: without accounts whoever "
        f"reaches it can label; do: set BORDERLINE_ACCOUNTS=accounts (or oidc), or unset BORDERLINE_HOST{old}"
    )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def build_services(settings: Settings, mark: str) -> list[Service]:
    """Return the page first (people wait for it), then the Prefect server (unless there is one) and the runner."""
    base = {**os.environ, **settings.environment(), MARK: mark, BOOT: secrets.token_hex(4), "PYTHONUNBUFFERED": "1"}
    prefect = {**base, **settings.prefect_environment()}
    python = sys.executable
    page = [python, "-m", "labeler_ui", "--host", settings.host, "--port", str(settings.port)]
    server = [python, "-m", "prefect", "server", "start", "--host", LOOPBACK, "--port", str(settings.prefect_port)]
    flows = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 2) - 1)), **prefect}  # one core stays for the people
    runner = [python, "-m", "flows.runner"]
    logs = settings.log_folder
    services = [Service("page", page, base, logs / "page.log")]
    if not settings.prefect_api_url:
        services.append(Service("Prefect server", server, prefect, logs / "prefect-server.log"))
    services.append(Service("flow runner", runner, flows, logs / "runner.log"))
    return services


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, ask)
    signal.signal(signal.SIGTERM, ask)
    return stop


def _watch(
    settings: Settings,
    services: list[Service],
    stop: threading.Event,
    on_ready: Callable[[str], None],
    on_news: Callable[[str], None],
) -> None:
    """Tell when the page answers, and start again what dies, until asked to stop."""
    address = settings.page_address
    deadline = time.monotonic() + START_SECONDS
    ready = False
    while not stop.wait(0.3):
        if not ready and answers(f"{address}/_stcore/health"):
            ready = True
            on_ready(settings.public_url or address)
            _tell_of_first(settings, on_news)
        if not ready and time.monotonic() > deadline:
            raise UsageError(
                f"expected the page within {START_SECONDS:.0f} s, got no answer; do: read {services[0].log}"
            )
        for service in list(services):
            if not service.restart_if_dead():
                raise UsageError(f"expected the {service.name} to run, it keeps ending; do: read {service.log}")
    on_news("Stopping ...")


def _tell_of_first(settings: Settings, on_news: Callable[[str], None]) -> None:
    """Say where the first administrator's link is; the page writes it when nobody can administrate."""
    file = settings.home / "first-administrator.txt"
    if settings.accounts == "accounts" and file.exists():
        on_news(f"Nobody can administrate yet. Open the address that is in {file}")


def wait_for_prefect(url: str, seconds: float = START_SECONDS) -> None:
    """Wait until a Prefect server answers.

    Raises:
        UsageError: It did not within the time.
    """
    deadline = time.monotonic() + seconds
    while not answers(f"{url}/health"):
        if time.monotonic() > deadline:
            raise UsageError(f"expected a Prefect server at {url}, got no answer; do: check that address")
        time.sleep(0.3)
