"""One real browser for all browser tests: where Chromium is, and how it is started quietly."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support import require

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def executable() -> str | None:
    """Return the browser named by BORDERLINE_CHROMIUM, else the system's; None leaves it to Playwright's own."""
    named = os.environ.get("BORDERLINE_CHROMIUM")
    if named:
        return named
    return next((path for path in map(shutil.which, NAMES) if path), None)


def arguments() -> list[str]:
    """Return the command line options; Chromium's sandbox does not work as root."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [*ARGUMENTS, "--no-sandbox"] if root else list(ARGUMENTS)


@contextmanager
def launched() -> Iterator[Browser]:
    """Start one headless browser, or skip (fail in CI) where there is none."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        require(False, "playwright is not installed; run: pip install 'borderline[test]'")
        return
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=executable(), args=arguments())
        except Error as error:
            require(False, f"no Chromium to test with; run: apt-get install chromium ({str(error).splitlines()[0]})")
            return
        try:
            yield browser
        finally:
            browser.close()
