"""The Compare page in a real browser: read, chosen from, looked at, with the mouse and with the keyboard alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from db import comparison_log, comparisons
from db.engine import Database
from labeler_ui.pages.compare import TABS
from tests.labeler_ui.browser.people import PATIENCE, PageServer
from tests.labeler_ui.comparison_scene import Stored, point, stored

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


def opened(
    browser: Browser, server: PageServer, scene: Stored, scheme: str = "light", width: int = 1280
) -> tuple[Page, list[str]]:
    context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)
    page, problems = context.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{server.url}/compare?project={scene.project.id}&name=ada&comparison={scene.id}")
    page.get_by_role("tab", name=TABS[0], exact=True).wait_for(timeout=PATIENCE * 1000)
    return page, problems


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    page.wait_for_timeout(1500)


def test_verdict_charts_and_downloads(browser: Browser, server: PageServer, store: Database, tmp_path: Path) -> None:
    page, problems = opened(browser, server, stored(store, arms=("dfal", "random_sampling")))
    page.get_by_role("heading", name="dfal beats random_sampling by").wait_for(timeout=PATIENCE * 4000)
    page.locator("[data-testid=stVegaLiteChart] svg, [data-testid=stVegaLiteChart] canvas").first.wait_for()
    with page.expect_download(timeout=PATIENCE * 2000) as got:
        page.get_by_role("button", name="Report (HTML)").click()
    got.value.save_as(tmp_path / "report.html")
    assert "dfal beats random_sampling" in (tmp_path / "report.html").read_text("utf-8")
    assert problems == []
    page.context.close()


def test_queried_images_side_by_side_come_by_the_token_route(
    browser: Browser, server: PageServer, store: Database
) -> None:
    page, problems = opened(browser, server, stored(store, arms=("margin", "random_sampling")))
    asked: list[str] = []
    page.on("response", lambda answer: asked.append(f"{answer.status} {answer.url}"))
    tab(page, "Images")
    page.locator(".strip li[data-state=ready]").nth(39).wait_for(timeout=PATIENCE * 1000)
    assert page.locator(".strip").count() == 2
    assert page.locator(".strip img").first.get_attribute("alt") != ""
    samples = {part.get_attribute("data-sample") for part in page.locator(".strip li").all()}
    fetched = [entry for entry in asked if entry.startswith("200") and "/images/" in entry]
    assert len(fetched) == len(samples)  # each image once, whoever asked it
    slider = page.get_by_role("slider", name="Round")
    slider.focus()
    slider.press("ArrowLeft")  # by keyboard alone: back to the seed set, which both arms share
    page.get_by_text("Round 0 is the seed set").wait_for(timeout=PATIENCE * 1000)
    page.locator(".strip li[data-shared=yes]").nth(39).wait_for(timeout=PATIENCE * 1000)
    assert problems == []
    page.context.close()


def test_tabs_are_reached_by_keyboard(browser: Browser, server: PageServer, store: Database) -> None:
    page, problems = opened(browser, server, stored(store, arms=("dfal", "random_sampling")))
    first = page.get_by_role("tab", name=TABS[0], exact=True)
    first.focus()
    first.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_text("Area under the curve").first.wait_for(timeout=PATIENCE * 1000)
    assert problems == []
    page.context.close()


def test_a_running_one_moves_by_itself_and_is_drawn_anew_when_it_ends(
    browser: Browser, server: PageServer, store: Database
) -> None:
    scene = stored(store, arms=("dfal", "random_sampling"), state="running", share=0.5)
    page, problems = opened(browser, server, scene)
    page.get_by_text("30 of 60 models", exact=True).wait_for(timeout=PATIENCE * 1000)
    waiting = [run for run in comparisons.runs(store, scene.actor, scene.id) if not run.points]
    comparison_log.record_point(store, scene.actor, waiting[0].id, point(20, 0, 0.5, range(1, 30), 10, None))
    page.get_by_text("31 of 60 models", exact=False).first.wait_for(timeout=PATIENCE * 1000)
    page.get_by_role("button", name="Show 1 newer result").wait_for(timeout=PATIENCE * 1000)
    comparison_log.set_state(store, scene.actor, scene.id, "done")
    page.get_by_text("Done: 31 models").wait_for(timeout=PATIENCE * 1000)
    assert problems == []
    page.context.close()


@pytest.mark.skipif("BORDERLINE_SHOTS" not in os.environ, reason="BORDERLINE_SHOTS names no folder for pictures")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 420])
def test_pictures_of_every_tab(browser: Browser, server: PageServer, store: Database, scheme: str, width: int) -> None:
    page, _ = opened(browser, server, stored(store), scheme, width)
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
