"""axe-core in the browser: the labeling page has no serious finding, light and dark, with all that can be opened."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from db.engine import Database
from tests.labeler_ui.browser.people import Person
from tests.labeler_ui.seed import seed
from tests.support import require

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

# Streamlit's own frame, which we cannot change.
FRAME: frozenset[str] = frozenset()


def axe() -> str:
    try:
        return (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
    except ModuleNotFoundError:
        require(False, "axe-core is not installed; run: pip install 'borderline[test]'")
        raise


def findings(person: Person, inside: str | None = ".labeler") -> list[dict[str, Any]]:
    """Return the serious and critical findings, inside of the component or on the whole page."""
    if not person.page.evaluate("() => Boolean(window.axe)"):
        person.page.evaluate(axe())
    found = person.page.evaluate(
        """async (inside) => {
          const host = [...document.querySelectorAll('*')].find((one) => one.shadowRoot?.querySelector('.labeler'));
          host.id ||= 'labeler-host';
          const where = inside ? {include: [[['#' + host.id, inside]]]} : document;
          const {violations} = await axe.run(where, {resultTypes: ['violations']});
          return violations.map(({id, impact, nodes}) => ({id, impact, nodes: nodes.map(({html, failureSummary}) =>
            html.slice(0, 200) + ' | ' + failureSummary)}));
        }""",
        inside,
    )
    return [one for one in found if one["impact"] in {"serious", "critical"}]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_on_the_labeling_page(
    visit: Callable[..., Person], browser: Browser, store: Database, scheme: Any
) -> None:
    person = visit(seed(store, k=10, guidelines="# Digits\n- one `1`\n[more](https://example.org)"), own_context=True)
    page = person.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.reload()
    person.ready()
    person.decoded(6)
    background = page.evaluate("() => getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(18, 19, 26)")
    person.press("1", "2", "Space")
    person.saved(3)
    page.locator(".strip .frame").nth(2).wait_for()
    states: dict[str, Callable[[], None]] = {
        "the image": lambda: None,
        "an earlier image": lambda: page.locator(".strip .frame").nth(2).click(),
        "zoomed": lambda: person.press("Escape", "z"),
        "guidelines": lambda: person.press("z", "g"),
        "why": lambda: person.press("?"),
        "the flag form": lambda: person.press("f"),
        "the keys": lambda: (page.keyboard.press("Escape"), person.press("h")),
    }
    found = {}
    for name, reach in states.items():
        reach()
        page.wait_for_timeout(200)
        found[name] = findings(person)
    assert {name: some for name, some in found.items() if some} == {}


def test_what_the_frame_has_is_known(person: Person) -> None:
    """Findings in Streamlit's own frame are listed, so that a new one is seen."""
    assert {one["id"] for one in findings(person, None)} <= FRAME


def test_an_empty_page_is_accessible_too(visit: Callable[..., Person], store: Database) -> None:
    person = visit(seed(store, k=1, reserve=0))
    person.press("1")
    person.page.wait_for_selector(".idle:not([hidden])")
    assert findings(person) == []
