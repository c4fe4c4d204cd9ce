"""The Review and Quality pages in a real browser: the image by its token, keys, and what is hidden until decided."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from db.engine import Database
from tests.labeler_ui.browser.people import PATIENCE, PageServer, wait_for
from tests.labeler_ui.contested import contested
from tests.labeler_ui.seed import Seeded

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
SHOTS = os.environ.get("BORDERLINE_SCREENSHOTS", "")
SAMPLE = (
    "() => { for (const host of document.querySelectorAll('*')) { const found = host.shadowRoot &&"
    " host.shadowRoot.querySelector('.reviewer[data-state=ready]');"
    " if (found) return found.dataset.sample } return null }"
)


@pytest.fixture
def questioned(store: Database) -> Seeded:
    return contested(store, people=("Ana", "Bo", "Cy"), guidelines="Count the loops.\nA 7 may have a bar.")


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=request.param)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    context.close()
    assert problems == []


def shot(page: Page, name: str) -> None:
    """Keep a picture of the page where BORDERLINE_SCREENSHOTS says."""
    if SHOTS:
        dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        page.wait_for_timeout(800)
        page.screenshot(path=Path(SHOTS) / f"{name}-{'dark' if dark else 'light'}.png", full_page=True)


def opened(page: Page, server: PageServer, seeded: Seeded, name: str) -> None:
    page.goto(f"{server.url}/{name}?project={seeded.project.name}&name=Rea")


def test_an_image_is_reviewed_by_keys_alone(page: Page, server: PageServer, questioned: Seeded) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if "/images/" in request.url else None)
    opened(page, server, questioned, "review")
    first = wait_for(lambda: page.evaluate(SAMPLE), "the image", page)
    page.get_by_text("The answers of others are shown after yours.").wait_for(timeout=PATIENCE * 1000)
    assert page.get_by_text("The model said").count() == 0
    shot(page, "review-question")
    page.keyboard.press("4")
    page.get_by_text("You said: 4").wait_for(timeout=PATIENCE * 1000)
    page.get_by_text("The model said").wait_for(timeout=PATIENCE * 1000)
    shot(page, "review-answered")
    page.keyboard.press("Enter")
    second = wait_for(lambda: (found := page.evaluate(SAMPLE)) != first and found, "the next image", page)
    [event] = [event for event in questioned.events() if event["kind"] == "review"]
    assert event["sample_id"] == int(first) != int(second)
    assert requests
    assert not any("token" in address for address in requests)  # the address alone opens nothing
    for address in requests:
        assert page.context.request.get(address).status == 401


def test_a_held_key_decides_one_image(page: Page, server: PageServer, questioned: Seeded) -> None:
    opened(page, server, questioned, "review")
    wait_for(lambda: page.evaluate(SAMPLE), "the image", page)
    page.get_by_text("The answers of others").wait_for(timeout=PATIENCE * 1000)
    for _ in range(20):  # auto-repeat
        page.keyboard.down("4")
        page.wait_for_timeout(30)
    page.keyboard.up("4")
    page.get_by_text("You said: 4").wait_for(timeout=PATIENCE * 1000)
    page.wait_for_timeout(1000)
    assert len({event["sample_id"] for event in questioned.events() if event["kind"] == "review"}) == 1


def test_more_than_ten_classes_have_letters(page: Page, server: PageServer, store: Database) -> None:
    classes = tuple(f"kind {number:02d}" for number in range(14))
    seeded = contested(store, classes=classes, people=("Ana", "Bo"))
    opened(page, server, seeded, "review")
    first = wait_for(lambda: page.evaluate(SAMPLE), "the image", page)
    page.get_by_text("The answers of others").wait_for(timeout=PATIENCE * 1000)
    page.get_by_role("button", name="kind 12 · R").wait_for(timeout=PATIENCE * 1000)
    note = page.get_by_label("Note")
    note.press_sequentially("a rer")  # typing is typing
    page.keyboard.press("Tab")
    page.get_by_text("All", exact=True).click()  # a filter that was just used keeps no key
    page.wait_for_timeout(500)
    page.keyboard.press("r")
    page.get_by_text("You said: kind 12").wait_for(timeout=PATIENCE * 1000)
    page.keyboard.press("r")  # decided: nothing more
    page.keyboard.press("Enter")
    wait_for(lambda: (found := page.evaluate(SAMPLE)) != first and found, "the next image", page)
    page.get_by_text("The answers of others").wait_for(timeout=PATIENCE * 1000)
    page.get_by_text("All", exact=True).click()
    page.wait_for_timeout(500)
    page.keyboard.press("e")
    page.get_by_text("You said: kind 11").wait_for(timeout=PATIENCE * 1000)
    assert len([event for event in seeded.events() if event["kind"] == "review"]) == 2


def test_the_quality_page_draws_its_pictures(page: Page, server: PageServer, questioned: Seeded) -> None:
    page.set_viewport_size({"width": 1280, "height": 2000})
    opened(page, server, questioned, "quality")
    page.get_by_text("Who confuses what").wait_for(timeout=2 * PATIENCE * 1000)
    page.get_by_text("Annotators", exact=True).wait_for(timeout=PATIENCE * 1000)
    drawn = page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg")
    wait_for(lambda: drawn.count() >= 2, "the charts", page)
    shot(page, "quality")
