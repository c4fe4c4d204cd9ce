"""axe-core on every other page, light and dark: nothing serious in what we draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from db.engine import Database
from labeler_ui.pages.compare import TABS
from tests.labeler_ui.browser.conftest import PATIENCE, PageServer
from tests.labeler_ui.browser.test_accessibility import axe
from tests.labeler_ui.comparison_scene import Stored, stored
from tests.labeler_ui.contested import contested
from tests.labeler_ui.made import made_images

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser

PAGES = ("progress", "review", "quality", "synthetic", "project", "people")


def findings(page: Page) -> list[str]:
    """Return the serious and critical findings in the page's own part, without Streamlit's frame."""
    page.evaluate(axe())
    found = page.evaluate(
        """async () => {
          const {violations} = await axe.run('[data-testid=stMain]', {resultTypes: ['violations']});
          return violations.filter(({impact}) => ['serious', 'critical'].includes(impact)).map(
            ({id, nodes}) => id + ': ' + nodes.slice(0, 3).map(({html}) => html.slice(0, 200)).join(' | '));
        }"""
    )
    return list(found)


def compare_findings(context: BrowserContext, server: PageServer, scene: Stored) -> dict[str, list[str]]:
    """Return the findings on each tab of the Compare page."""
    page, found = context.new_page(), {}
    page.goto(f"{server.url}/compare?project={scene.project.id}&name=Ana&comparison={scene.id}")
    for name in TABS:
        page.get_by_role("tab", name=name, exact=True).click(timeout=PATIENCE * 1000)
        page.locator("[data-testid=stStatusWidget]").wait_for(state="detached", timeout=PATIENCE * 1000)
        page.wait_for_timeout(2000)
        found[f"compare, {name}"] = findings(page)
    page.close()
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_on_the_other_pages(browser: Browser, server: PageServer, store: Database, scheme: Any) -> None:
    seeded = contested(store, people=("Ana", "Bo"), guidelines="Count the loops.")
    made_images(seeded)
    context = browser.new_context(color_scheme=scheme)
    found = {}
    for name in PAGES:
        page = context.new_page()
        page.goto(f"{server.url}/{name}?project={seeded.project.name}&name=Ana")
        page.locator("[data-testid=stMain] h1").first.wait_for(timeout=PATIENCE * 1000)
        page.locator("[data-testid=stStatusWidget]").wait_for(state="detached", timeout=PATIENCE * 1000)
        page.wait_for_timeout(1500)
        found[name] = findings(page)
        page.close()
    found |= compare_findings(context, server, stored(store, arms=("dfal", "margin", "random_sampling")))
    context.close()
    assert {name: some for name, some in found.items() if some} == {}
