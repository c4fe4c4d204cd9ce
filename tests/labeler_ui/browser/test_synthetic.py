"""Generated images in a real browser: each beside its nearest real one, chosen and decided on singly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from db import synthetic
from db.engine import Database
from tests.labeler_ui.browser.people import PATIENCE, PageServer, wait_for
from tests.labeler_ui.made import made_images
from tests.labeler_ui.seed import seed

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


def test_images_are_chosen_and_rejected_singly(browser: Browser, server: PageServer, store: Database) -> None:
    seeded = seed(store)
    version = made_images(seeded)
    page = browser.new_page()
    page.goto(f"{server.url}/synthetic?project={seeded.project.name}&name=Ana")
    tiles = page.locator(".sheet li")
    tiles.nth(5).wait_for(timeout=PATIENCE * 1000)
    loaded = page.locator(".sheet figure[data-state=ready] img")
    wait_for(lambda: loaded.count() == 12, "six images and the real one beside each", page)
    owl = seeded.project.classes[3].id
    first = synthetic.images(store, seeded.actor, seeded.project.id, version.id, owl)[0]
    assert tiles.first.locator("img").first.get_attribute("alt") == f"Generated image {first.id} of 3, not a photo"
    assert tiles.first.locator("figcaption").all_text_contents() == ["made", "nearest real"]
    for number in (0, 2):
        tiles.nth(number).locator("input").check()
    page.get_by_role("button", name="Reject 2 chosen").click(timeout=PATIENCE * 1000)

    def states() -> list[str]:
        return [found.state for found in synthetic.images(store, seeded.actor, seeded.project.id, version.id, owl)]

    expected = ["rejected", "accepted", "rejected", "accepted", "accepted", "accepted"]
    wait_for(lambda: states() == expected, "the two to be rejected", page)
    page.get_by_text("rejected by Ana, against the gate").nth(1).wait_for(timeout=PATIENCE * 1000)
    page.get_by_role("button", name="Accept all of this class").wait_for(timeout=PATIENCE * 1000)
    page.close()
