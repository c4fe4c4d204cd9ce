"""The Compare page in a real browser: read, chosen from, looked at, with the mouse and with the keyboard alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from db.engine import Database
from labeler_ui.pages.compare import TABS
from tests.labeler_ui.browser.conftest import PATIENCE, PageServer
from tests.labeler_ui.comparison_scene import Stored, stored

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


def opened(browser: Browser, server: PageServer, scene: Stored, scheme: str = "light", width: int = 1280) -> Page:
    context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{server.url}/compare?project={scene.project.id}&name=ada&comparison={scene.id}")
    page.get_by_role("tab", name=TABS[0], exact=True).wait_for(timeout=PATIENCE * 1000)
    return page


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    page.wait_for_timeout(1500)


@pytest.mark.skipif("BORDERLINE_SHOTS" not in os.environ, reason="BORDERLINE_SHOTS names no folder for pictures")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 420])
def test_pictures_of_every_tab(browser: Browser, server: PageServer, store: Database, scheme: str, width: int) -> None:
    page = opened(browser, server, stored(store), scheme, width)
    page.wait_for_timeout(3000)
    for name in TABS:
        page.set_viewport_size({"width": width, "height": 1000})
        tab(page, name)
        page.wait_for_timeout(2500)
        height = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": width, "height": min(6000, height + 60)})
        page.wait_for_timeout(1200)
        page.screenshot(path=str(Path(os.environ["BORDERLINE_SHOTS"]) / f"compare-{name.lower()}-{scheme}-{width}.png"))
    page.context.close()
