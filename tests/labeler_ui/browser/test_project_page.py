"""The Project page in a real browser: hostile names and guidelines fetch nothing, run nothing, open nothing (T8)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from db import access, classes, members, projects
from db.engine import Database
from db.records import Role
from labeler_ui.pages.project import TABS
from tests.labeler_ui.browser.people import PageServer, wait_for
from tests.labeler_ui.seed import Seeded, seed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>[x](javascript:alert(1))![](http://evil.example/a.png) =1+1 $x$ :red[y]"
GUIDELINES = """# Wrens
![pixel](http://evil.example/pixel.png) and <img src="http://evil.example/b.png" onerror=alert(1)>

[run](javascript:alert(1)) [later][r] <javascript:alert(2)> [fine](https://example.org/)

[r]: javascript:alert(3)
"""


def opened(browser: Browser, server: PageServer, seeded: Seeded, scheme: str = "light") -> tuple[Page, list[str]]:
    context = browser.new_context(viewport={"width": 1280, "height": 1100}, color_scheme=scheme)
    page, problems = context.new_page(), []
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    page.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: problems.append(request.url) if "evil" in request.url else None)
    page.goto(f"{server.url}/project?project={seeded.project.id}&name=ada")
    page.get_by_role("tab", name=TABS[0], exact=True).wait_for(timeout=60_000)
    return page, problems


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    page.wait_for_timeout(700)


def test_hostile_texts_do_nothing_on_any_tab(browser: Browser, server: PageServer, store: Database) -> None:
    seeded = seed(store, name=HOSTILE, guidelines=GUIDELINES)
    for name in (HOSTILE, "wren", "wren 2"):
        classes.add(store, seeded.actor, seeded.project.id, name)
    access.add_user(store, seeded.actor, HOSTILE)
    members.add(store, seeded.actor, seeded.project.id, HOSTILE, Role.annotator)
    page, problems = opened(browser, server, seeded)
    for name in TABS:
        tab(page, name)
    tab(page, "Guidelines")
    read = page.get_by_text("What annotators see").locator("xpath=ancestor::*[@data-testid='stColumn'][1]")
    read.get_by_role("heading", name="Wrens").wait_for()
    assert read.locator("img").count() == 0
    links = [link.get_attribute("href") or "" for link in page.locator("[data-testid=stMarkdownContainer] a").all()]
    assert "https://example.org/" in links
    assert all(link.startswith(("http://", "https://", "#")) for link in links), links
    assert problems == []
    page.context.close()


def test_a_class_is_renamed_and_a_folder_of_this_computer_is_taken(
    browser: Browser, server: PageServer, store: Database, tmp_path: Path
) -> None:
    seeded = seed(store)
    page, problems = opened(browser, server, seeded)
    tab(page, "Classes")
    page.get_by_label("Add a class").fill("ten")
    page.get_by_role("button", name="Add", exact=True).first.click()
    wait_for(lambda: "ten" in projects.get_project(store, seeded.actor, seeded.project.id).class_names, "a class", page)
    tab(page, "Images")
    page.get_by_label("Folder", exact=True).fill(str(tmp_path))
    page.get_by_role("button", name="Add this folder").click()
    found = "SELECT count(*) AS n FROM commands WHERE project_id = :project AND kind = 'ingest'"
    wait_for(lambda: seeded.rows(found)[0]["n"] == 1, "the wish to read the folder", page)
    assert problems == []
    page.context.close()


@pytest.mark.skipif("BORDERLINE_SHOTS" not in os.environ, reason="BORDERLINE_SHOTS names no folder for pictures")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_of_every_tab(browser: Browser, server: PageServer, store: Database, scheme: str) -> None:
    seeded = seed(store, name=f"garden birds {scheme}", guidelines="# Wrens\n\n- The tail **points up**\n- Small\n")
    page, _ = opened(browser, server, seeded, scheme)
    for name in TABS:
        tab(page, name)
        page.screenshot(path=str(Path(os.environ["BORDERLINE_SHOTS"]) / f"project-{name.lower()}-{scheme}.png"))
    page.context.close()
