"""The page's server as a process, and somebody with a browser at the labeling page or in its grid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.labeler_ui.seed import Seeded

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

ROOT = Path(__file__).parents[3]
PATIENCE = float(os.environ.get("BORDERLINE_TEST_PATIENCE", "60"))  # seconds; more where the machine is busy


def wait_for(condition: Callable[[], Any], what: str, page: Page | None = None, patience: float = PATIENCE) -> Any:
    """Ask again and again until the condition holds, and return what it gave.

    Where a page is open, Playwright must run meanwhile: its handlers of requests and dialogs do their work in between.
    """
    deadline = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {patience:.0f} s for {what}"
        page.wait_for_timeout(20) if page is not None else time.sleep(0.02)


class PageServer:
    """`python -m labeler_ui` as people run it; it can be killed and started again on the same port."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ, "BORDERLINE_HOME": str(self.home), "PYTHONPATH": str(ROOT)}
        environment.pop("BORDERLINE_DATABASE_URL", None)
        with (self.home / "page.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "labeler_ui", "--port", str(self.port)],
                env=environment, cwd=self.home, stdout=log, stderr=log,
            )  # fmt: skip
        wait_for(self.answers, "the page's server", patience=60)

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.home / "page.log").read_text()
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/api/health", timeout=1) as answer:
            return answer.status == 200
        return False

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)


class Person:
    """Somebody with a name at the labeling page of one project."""

    def __init__(self, context: BrowserContext, server: PageServer, seeded: Seeded, name: str) -> None:
        self.context, self.server, self.seeded, self.name = context, server, seeded, name
        self.page: Page = context.new_page()
        self.url = f"{server.url}/?project={seeded.project.name}&name={name}"

    def open(self) -> Person:
        self.page.goto(self.url)
        self.ready()
        return self

    def ready(self) -> None:
        self.page.wait_for_selector(".labeler[data-query]", timeout=PATIENCE * 1000)

    def decoded(self, count: int) -> Person:
        """Wait until so many images are ready; a key pressed before that would have nothing to answer."""
        self.page.wait_for_function(
            "(count) => [...document.querySelectorAll('*')].some((host) => host.shadowRoot &&"
            " Number(host.shadowRoot.querySelector('.labeler')?.dataset.ready) >= count)",
            arg=count,
            timeout=PATIENCE * 1000,
        )
        return self

    def query(self) -> str | None:
        return self.page.evaluate(
            "() => { for (const host of document.querySelectorAll('*')) { const root = host.shadowRoot;"
            " const found = root && root.querySelector('.labeler'); if (found) return found.dataset.query ?? null; }"
            " return null }"
        )

    def press(self, *keys: str, every: float = 0) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            if every:
                self.page.wait_for_timeout(every)

    def settled(self) -> None:
        """Wait until nothing is in the outbox."""
        self.page.wait_for_selector(".labeler[data-pending='0']", timeout=PATIENCE * 1000)

    def saved(self, count: int) -> list[dict]:
        """Wait until SQL has `count` answers and the page knows it; return the rows."""
        wait_for(lambda: len(self.mine()) >= count, f"{count} answers in SQL", self.page)
        self.settled()
        rows = self.mine()
        assert len(rows) == count
        return rows

    def mine(self) -> list[dict]:
        return [row for row in self.seeded.answers() if row["user_name"] == self.name]

    def classes(self, count: int) -> list[str | None]:
        return [row["class_name"] for row in self.saved(count)]


class GridPerson:
    """Somebody in the grid."""

    def __init__(self, person: Person) -> None:
        self.person, self.page, self.seeded = person, person.page, person.seeded

    def enter(self) -> GridPerson:
        self.page.get_by_role("button", name="Grid", exact=True).click()
        return self.shown()

    def shown(self, other_than: str | None = None) -> GridPerson:
        """Wait until a group, another one than before, is on the screen with all of its images."""
        wait_for(lambda: self.group() not in (None, other_than), "a group", self.page)
        self.page.locator(".tile[data-state=loading]").first.wait_for(state="detached")
        return self

    def group(self) -> str | None:
        found = self.page.locator(".grid[data-group]")
        return found.get_attribute("data-group") if found.count() else None

    def looked(self) -> GridPerson:
        """Wait until Enter would confirm."""
        self.page.locator(".grid-confirm[data-waits=no]").wait_for()
        return self

    def tiles(self) -> Any:
        return self.page.locator(".tile")

    def wrong(self) -> list[int]:
        return [index for index, tile in enumerate(self.tiles().all()) if tile.get_attribute("aria-pressed") == "true"]

    def confirm(self) -> None:
        self.looked()
        self.page.keyboard.press("Enter")

    def rows(self, count: int) -> list[dict]:
        return self.person.saved(count)

    def marked(self) -> list[dict]:
        return [event for event in self.seeded.events() if event["outcome"] == "skip"]
