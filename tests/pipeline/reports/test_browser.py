"""The report in a real browser: nothing is fetched, nothing complains, everybody can read it, on a phone too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.reports import write_report
from tests.pipeline.reports.made import made_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tmp_path_factory.mktemp("report") / "report.html", made_report("<b onclick=x>dfal</b>"))[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_without_a_network_and_passes_axe(browser: Browser, report: Path, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # axe is a script; the page has none
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(report.as_uri())
    assert [url for url in asked if not url.startswith(("data:", report.as_uri()))] == []
    assert said == []
    found = Axe().run(page)
    problems = [
        (problem["id"], [node["html"][:200] for node in problem["nodes"][:3]])
        for problem in found.response["violations"]
    ]
    context.close()
    assert problems == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_of_the_page(browser: Browser, report: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
