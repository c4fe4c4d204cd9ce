"""Why this image: only when asked for, as text and pictures, recorded; and guidelines as safe Markdown."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from db.engine import Database
from tests.labeler_ui.browser.people import Person, wait_for
from tests.labeler_ui.seed import seed

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.browser

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HOSTILE = "<img src=/x onerror=alert(1)>"


def explained(person: Person, **changes: Any) -> list[str]:
    """Let the server explain every image with these words, and return the addresses that the page asks for."""
    asked: list[str] = []
    project = person.seeded.project
    base = f"/api/projects/{project.id}/queries"

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        assert route.request.headers.get("x-borderline-token")
        if not route.request.url.endswith("/why"):
            route.fulfill(body=PNG, content_type="image/png")
            return
        sample = int(person.seeded.rows("SELECT min(id) AS id FROM samples WHERE project_id = :project")[0]["id"])
        words = {
            "strategy": "dfal", "place": 12, "pool": 59500, "score": 0.01234,
            "predicted": {"id": project.classes[0].id, "name": f"zero {HOSTILE}"},
            "nearest": {"id": project.classes[6].id, "name": "six"},
            "copy": f"{base}/1/copy", "difference": f"{base}/1/difference",
            "neighbors": [{"sample_id": sample, "class": f"six {HOSTILE}"}],
            "sentence": f"The model hesitates between zero and six. {HOSTILE}",
        }  # fmt: skip
        route.fulfill(json={**words, **changes})

    person.page.route("**/queries/**", answer)
    return asked


def panel(page: Page) -> Any:
    return page.get_by_role("region", name="Why this image")


def shown(row: dict) -> tuple[dict, bool]:
    return json.loads(row["shown"]), bool(row["prediction_shown"])


def test_it_is_fetched_on_request_alone_and_recorded(person: Person) -> None:
    asked = explained(person)
    person.press("1")
    person.saved(1)
    assert asked == []
    person.press("?")
    panel(person.page).get_by_text("The model hesitates").wait_for()
    loaded = "(all) => all.length === 4 && all.every((image) => image.naturalWidth > 0)"
    wait_for(lambda: panel(person.page).locator("img").evaluate_all(loaded), "the pictures", person.page)
    text = panel(person.page).inner_text()
    for part in ("zero", "six", "12 of 59,500", "0.0123", "dfal", "Pushed over the border", HOSTILE):
        assert part in text
    person.press("2")  # the panel takes no keys, and belongs to the image that was answered
    person.press("3")
    rows = person.saved(3)
    assert panel(person.page).is_hidden()
    assert [shown(row) for row in rows] == [({"why": False}, False), ({"why": True}, True), ({"why": False}, False)]
    assert sum(url.endswith("/why") for url in asked) == 1


def test_without_a_prediction_in_it_none_was_shown(person: Person) -> None:
    explained(
        person, predicted=None, nearest=None, copy=None, difference=None, neighbors=[], sentence="Drawn at random."
    )
    person.press("?")
    panel(person.page).get_by_text("Drawn at random.").wait_for()
    person.press("2")
    assert shown(person.saved(1)[0]) == ({"why": True}, False)


def test_nothing_stored_and_no_connection_are_said(person: Person) -> None:
    person.page.route(
        "**/why", lambda route: route.fulfill(status=404, json={"error": {"reason": "x", "message": "y"}})
    )
    person.press("?")
    panel(person.page).get_by_text("Nothing is stored about this image").wait_for()
    person.press("Escape")
    assert panel(person.page).is_hidden()
    person.page.route("**/why", lambda route: route.abort())
    person.press("?")
    panel(person.page).get_by_text("No connection").wait_for()
    person.press("4")
    assert shown(person.saved(1)[0]) == ({"why": False}, False)


def test_pictures_come_from_this_app_alone(person: Person) -> None:
    foreign: list[str] = []
    person.page.on("request", lambda request: foreign.append(request.url) if "evil" in request.url else None)
    explained(person, copy="https://evil.example/api/copy", difference="//evil.example/api/x")
    person.press("?")
    wait_for(lambda: panel(person.page).locator(".missing").count() == 2, "two missing pictures", person.page)
    assert foreign == []


def test_after_the_answer_a_card_tells_and_blocks_nothing(visit: Callable[..., Person], store: Database) -> None:
    person = visit(seed(store, k=10, show_why="after")).decoded(4)
    asked = explained(person)
    person.press("?")  # before any answer there is nothing to tell, and the image in sight stays unexplained
    panel(person.page).get_by_text("you see why after your answer").wait_for()
    first = person.query()
    person.press("1")
    card = person.page.locator(".why-card")
    card.get_by_text("You said 1. The model said zero").wait_for()
    assert [url.split("/")[-2] for url in asked] == [first]
    person.press("2", "3")
    person.saved(3)
    card.get_by_text("You said 3.").wait_for()
    card.get_by_role("button", name="Dismiss").click()
    assert card.is_hidden()
    person.press("?")
    panel(person.page).get_by_text("The model hesitates").wait_for()
    person.press("4")
    assert [shown(row) for row in person.saved(4)] == [({"why": False}, False)] * 4


def test_never_means_no_button_and_no_key(visit: Callable[..., Person], store: Database) -> None:
    person = visit(seed(store, k=4, reserve=0, show_why="never")).decoded(2)
    asked = explained(person)
    assert person.page.locator("[data-action=why]").is_hidden()
    person.press("?")
    person.page.get_by_role("dialog", name="Keys").wait_for()
    person.press("Escape", "1")
    assert person.classes(1) == ["1"]
    assert asked == []


def test_shown_predictions_are_marked_and_recorded(visit: Callable[..., Person], store: Database) -> None:
    person = visit(seed(store, k=4, reserve=0, show_predictions=True)).decoded(2)
    assert person.page.locator("[data-predicted]").inner_text().startswith("0")
    person.press("1")
    assert bool(person.saved(1)[0]["prediction_shown"]) is True


GUIDE = """# Birds
A *robin* is **red**, a __crow__ is _black_. Use `?` when in doubt.
- first [guide](https://example.org/birds?a=1&b=2)
- second
1) one
2. two

```
<b>not bold</b>
```
See https://example.org/more. [bad](javascript:alert(1)) <i>x</i> 2*3*4 snake_case_name \\*star\\*
"""


def test_guidelines_are_markdown_without_html(visit: Callable[..., Person], store: Database) -> None:
    person = visit(seed(store, k=4, reserve=0, guidelines=GUIDE)).decoded(2)
    person.press("g")
    page = person.page
    guide = page.get_by_role("region", name="Guidelines")
    assert guide.locator("h3").inner_text() == "Birds"
    assert guide.locator("em").all_inner_texts() == ["robin", "black", "3"]
    assert guide.locator("strong").all_inner_texts() == ["red", "crow"]
    assert guide.locator("ul li").all_inner_texts() == ["first guide", "second"]
    assert guide.locator("ol li").all_inner_texts() == ["one", "two"]
    assert guide.locator("pre code").inner_text() == "<b>not bold</b>"
    links = guide.locator("a").evaluate_all("(all) => all.map((a) => [a.href, a.target, a.rel])")
    assert links == [
        ["https://example.org/birds?a=1&b=2", "_blank", "noopener noreferrer"],
        ["https://example.org/more", "_blank", "noopener noreferrer"],
    ]
    last = guide.locator("p").last.inner_text()
    for part in ("[bad](javascript:alert(1))", "<i>x</i>", "snake_case_name", "*star*"):
        assert part in last
    assert guide.locator("i, b, script, img").count() == 0
    person.press("1", "g")
    assert person.classes(1) == ["1"]
    assert guide.is_hidden()


def test_without_a_grid_there_is_no_switch_to_it(person: Person) -> None:
    assert person.page.get_by_role("group", name="How to label").is_hidden()
    person.press("m", "1")
    assert person.classes(1) == ["1"]
