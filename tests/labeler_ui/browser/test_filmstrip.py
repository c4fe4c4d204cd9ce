"""The filmstrip: the last answers stay editable, and nothing changes without a new answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from db.engine import Database
from tests.labeler_ui.browser.people import Person, wait_for
from tests.labeler_ui.seed import seed

pytestmark = pytest.mark.browser


def frames(person: Person, *names: str) -> None:
    """Wait until the strip shows these answers, newest first."""
    found = person.page.locator(".strip .frame-name")
    wait_for(lambda: found.all_inner_texts() == list(names), f"{names}, not {found.all_inner_texts()}", person.page)


def choose(person: Person, back: int) -> None:
    person.page.locator(".strip .frame").nth(back).click()


def shows(person: Person, query: object) -> None:
    wait_for(lambda: person.query() == str(query), f"the image of query {query}", person.page)


def kinds(person: Person) -> list[str]:
    return [event["kind"] for event in person.seeded.events()]


def test_an_earlier_answer_is_replaced(person: Person) -> None:
    person.press("1", "2", "3")
    first = person.saved(3)[0]
    waiting = person.query()
    frames(person, "3", "2", "1")
    choose(person, 2)
    shows(person, first["query_id"])
    assert person.page.get_by_text("You said: 1").is_visible()
    assert person.page.get_by_role("button", name="1", exact=True).get_attribute("aria-pressed") == "true"
    person.press("7")
    shows(person, waiting)
    frames(person, "7", "3", "2")
    wait_for(lambda: len(person.seeded.events()) == 4, "the edit", person.page)
    rows = {row["query_id"]: row for row in person.saved(3)}
    edited = rows[first["query_id"]]
    assert edited["class_name"] == "7"
    assert edited["answer_id"] != first["answer_id"]
    assert [event["target_id"] for event in person.seeded.events()] == [None, None, None, first["answer_id"]]
    assert kinds(person) == ["answer"] * 4
    assert person.page.locator(".labeler").get_attribute("data-saved") == "3"


def test_escape_and_the_same_answer_change_nothing(person: Person) -> None:
    person.press("1", "2")
    first = person.saved(2)[0]
    waiting = person.query()
    for leave in ("Escape", "1"):
        frames(person, "2", "1")
        choose(person, 1)
        shows(person, first["query_id"])
        person.press(leave)
        shows(person, waiting)
    person.press("3")
    assert person.classes(3) == ["1", "2", "3"]
    assert kinds(person) == ["answer"] * 3


def test_an_edit_of_an_edit_and_undo_of_that(person: Person) -> None:
    person.press("1", "2")
    first = person.saved(2)[0]["query_id"]
    for back, key in ((1, "5"), (0, "6")):
        choose(person, back)
        shows(person, first)
        person.press(key)
        frames(person, key, "2")
    wait_for(lambda: len(person.seeded.events()) == 4, "both edits", person.page)
    assert sorted(person.classes(2)) == ["2", "6"]
    person.press("u")
    shows(person, first)
    frames(person, "2")
    person.press("8")
    frames(person, "8", "2")
    wait_for(lambda: len(person.seeded.events()) == 6, "undo and a new answer", person.page)
    assert sorted(person.classes(2)) == ["2", "8"]


def test_a_skip_becomes_a_class_and_a_class_a_flag(person: Person) -> None:
    person.press("Space", "4")
    skipped, classed = person.saved(2)
    frames(person, "4", "skipped")
    choose(person, 1)
    shows(person, skipped["query_id"])
    person.press("9")
    frames(person, "9", "4")
    choose(person, 1)
    shows(person, classed["query_id"])
    person.press("f")
    person.page.get_by_label("Flag this image").wait_for()
    person.page.keyboard.type("two digits")
    person.page.keyboard.press("Enter")
    frames(person, "flagged", "9")
    wait_for(lambda: len(person.seeded.events()) == 4, "both edits", person.page)
    rows = {row["query_id"]: (row["outcome"], row["class_name"], row["note"]) for row in person.saved(2)}
    assert rows == {skipped["query_id"]: ("class", "9", ""), classed["query_id"]: ("flag", None, "two digits")}


def test_an_edit_while_offline_follows_its_answer(person: Person) -> None:
    first = person.query()
    person.context.set_offline(True)
    person.press("1", "2")
    frames(person, "2", "1")
    choose(person, 1)
    shows(person, first)
    person.press("6")
    frames(person, "6", "2")
    person.page.wait_for_selector(".labeler[data-pending='3']")
    person.context.set_offline(False)
    wait_for(lambda: len(person.seeded.events()) == 3, "all of it", person.page)
    rows = {str(row["query_id"]): row["class_name"] for row in person.saved(2)}
    assert rows[first] == "6"


def test_the_strip_survives_a_reload_and_fills_in_another_browser(
    visit: Callable[..., Person], store: Database
) -> None:
    seeded = seed(store, k=10)
    person = visit(seeded).decoded(6)
    person.press("1", "2", "Space")
    first = person.saved(3)[0]
    person.page.reload()
    person.ready()
    frames(person, "skipped", "2", "1")
    elsewhere = visit(seeded, own_context=True)
    frames(elsewhere, "skipped", "2", "1")
    wait_for(lambda: elsewhere.page.locator(".strip canvas").count() == 3, "thumbnails", elsewhere.page)
    choose(elsewhere, 2)
    shows(elsewhere, first["query_id"])
    elsewhere.press("5")
    frames(elsewhere, "5", "skipped", "2")
    wait_for(lambda: len(seeded.events()) == 4, "the edit", elsewhere.page)
    rows = {row["query_id"]: row["class_name"] for row in elsewhere.saved(3)}
    assert rows[first["query_id"]] == "5"


def test_the_last_twenty_stay(visit: Callable[..., Person], store: Database) -> None:
    person = visit(seed(store, images=60, k=40)).decoded(15)
    for key in "12345678901234567890123":
        person.ready()
        person.press(key, every=40)
    person.saved(23)
    wait_for(lambda: person.page.locator(".strip .frame").count() == 20, "twenty frames", person.page)
    assert person.page.locator(".strip .frame-name").first.inner_text() == "3"


def test_the_strip_is_reachable_by_keyboard(person: Person) -> None:
    person.press("1", "2", "3")
    rows = person.saved(3)
    frames(person, "3", "2", "1")
    waiting, page = person.query(), person.page
    page.locator(".strip .frame").first.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")  # one stop for Tab
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    shows(person, rows[0]["query_id"])
    page.locator(".frame[aria-current=true][aria-label^='1, 3 answers ago']").wait_for()
    person.press("8")
    shows(person, waiting)
    wait_for(lambda: len(person.seeded.events()) == 4, "the edit", page)
    assert sorted(person.classes(3)) == ["2", "3", "8"]


def test_a_refused_edit_leaves_the_first_answer(person: Person, seeded: object) -> None:
    """Undone in another tab meanwhile: SQL says no, the page says so."""
    person.press("1", "2")
    rows = person.saved(2)
    frames(person, "2", "1")
    person.context.route("**/answers", lambda route: route.fulfill(json={"results": [
        {"id": one["id"], "ok": False, "retry": False, "reason": "NotFound", "message": "it was taken back before"}
        for one in route.request.post_data_json["answers"]]}))  # fmt: skip
    choose(person, 1)
    shows(person, rows[0]["query_id"])
    person.press("7")
    person.page.get_by_text("Not changed: it was taken back before").wait_for()
    wait_for(lambda: "1" in person.page.locator(".strip .frame-name").all_inner_texts(), "the old answer", person.page)
    assert sorted(person.classes(2)) == ["1", "2"]
