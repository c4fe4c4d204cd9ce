"""Keys in a real browser: every press is one answer about the image on the screen, and SQL has it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import pytest
from sqlalchemy import text

from db.engine import Database
from tests.labeler_ui.browser.people import Person, wait_for
from tests.labeler_ui.seed import Seeded, seed

pytestmark = pytest.mark.browser


WATCH_FRAMES = """() => {
  const host = [...document.querySelectorAll('*')].find((one) => one.shadowRoot?.querySelector('.labeler'));
  const labeler = host.shadowRoot.querySelector('.labeler');
  window.seenInFrames = [];
  const look = () => {
    if (labeler.dataset.query) window.seenInFrames.push(labeler.dataset.query);
    requestAnimationFrame(look);
  };
  look();
}"""


def dispatch(person: Person, key: str, code: str) -> None:
    """Send a key event that no keyboard of Playwright's makes, such as one of another layout."""
    person.page.evaluate(
        "([key, code]) => document.body.dispatchEvent(new KeyboardEvent('keydown',"
        " {key, code, bubbles: true, cancelable: true, composed: true}))",
        [key, code],
    )


def answered_queries(person: Person) -> list[int]:
    return [row["query_id"] for row in person.mine()]


def test_one_key_is_one_answer_about_the_image_shown(person: Person) -> None:
    shown = person.query()
    person.press("3")
    [row] = person.saved(1)
    assert (row["class_name"], str(row["query_id"])) == ("3", shown)
    assert person.query() != shown
    assert row["latency_ms"] >= 0
    assert row["shown_at"] <= row["answered_at"]


def test_a_held_key_is_one_answer(person: Person) -> None:
    for _ in range(20):  # the second `down` without an `up` is the keyboard's own repeat
        person.page.keyboard.down("4")
    person.page.keyboard.up("4")
    person.press("5")
    assert person.classes(2) == ["4", "5"]


def test_rolling_over_the_keys_loses_nothing(person: Person) -> None:
    keyboard = person.page.keyboard
    for first, second in (("1", "2"), ("3", "4"), ("5", "6"), ("7", "8"), ("9", "0")):
        keyboard.down(first)
        keyboard.down(second)
        keyboard.up(first)
        keyboard.up(second)
    assert person.classes(10) == list("1234567890")


def test_ten_presses_at_30_ms(person: Person) -> None:
    person.press(*"1234512345", every=30)
    assert person.classes(10) == list("1234512345")
    assert len(set(answered_queries(person))) == 10


def test_nineteen_presses_as_fast_as_they_can_be_sent(visit: Callable[..., Person], store: Database) -> None:
    person = visit(seed(store, images=80, k=60)).decoded(20)
    keys = list(itertools.islice(itertools.cycle("123456789"), 19))
    person.page.evaluate(WATCH_FRAMES)
    person.press(*keys)
    assert person.classes(19) == keys
    answered = answered_queries(person)
    assert len(set(answered)) == 19
    painted = {int(query) for query in person.page.evaluate("() => window.seenInFrames")}
    assert set(answered) <= painted  # no answer for an image that was never on the screen


def test_nineteen_presses_at_5_ms(visit: Callable[..., Person], store: Database) -> None:
    person = visit(seed(store, images=80, k=60)).decoded(20)
    keys = list(itertools.islice(itertools.cycle("123456789"), 19))
    person.press(*keys, every=5)
    assert person.classes(19) == keys
    assert len(set(answered_queries(person))) == 19


@pytest.mark.alone
def test_the_next_image_is_on_the_screen_soon_after_the_key(visit: Callable[..., Person], store: Database) -> None:
    """A generous limit for busy machines; benchmarks/labeling_page.py measures the real one."""
    person = visit(seed(store, images=80, k=60)).decoded(19)
    person.page.evaluate(
        "() => { window.took = []; new PerformanceObserver((list) => window.took.push(...list.getEntries()"
        ".filter(({name}) => name === 'borderline:key-to-image').map(({duration}) => duration)))"
        ".observe({entryTypes: ['measure']}) }"
    )
    person.press(*"123456789123456", every=120)
    person.saved(15)
    took = sorted(person.page.evaluate("() => window.took"))
    assert len(took) == 15
    assert took[13] < 150


def test_the_other_answers_have_keys_too(person: Person) -> None:
    person.press("Space", "x", "X")
    person.press("f")
    person.page.get_by_label("Flag this image").wait_for()
    person.page.keyboard.type("12 blurred, u r x")
    person.page.keyboard.press("Enter")
    rows = person.saved(4)
    assert [row["outcome"] for row in rows] == ["skip", "unsure", "unsure", "flag"]
    assert rows[3]["note"] == "12 blurred, u r x"


def test_keys_in_a_text_field_are_text(person: Person) -> None:
    field = person.page.get_by_role("combobox", name="Your name")
    field.click()
    person.page.keyboard.type("123")
    person.page.keyboard.press("Escape")
    person.page.locator("[data-stage]").click()
    person.press("6")
    assert person.classes(1) == ["6"]


@pytest.mark.parametrize("kind", ["radio", "checkbox"])
def test_keys_work_after_using_a_select_box_and_a_radio_button_or_checkbox(person: Person, kind: str) -> None:
    box = person.page.get_by_role("combobox", name="Project")
    box.click()
    person.page.get_by_role("option", name=person.seeded.project.name, exact=True).click()
    person.press("1")
    person.page.evaluate(
        "(type) => { const made = Object.assign(document.createElement('input'), {type});"
        " document.querySelector('[data-testid=stMain]').append(made); made.focus(); }",
        kind,
    )
    person.press("2")
    assert person.classes(2) == ["1", "2"]


def test_an_open_dialog_keeps_the_keys(person: Person) -> None:
    page = person.page
    page.get_by_test_id("stMainMenu").get_by_role("button").click()
    page.get_by_role("menuitem", name="Record screen").wait_for()
    person.press("9")
    page.get_by_role("menuitem", name="Record screen").click()
    page.get_by_role("dialog").wait_for()
    person.press("1", "2", "u", "h")  # also our own dialog does not open behind it
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    person.press("h")
    page.get_by_role("dialog", name="Keys").wait_for()
    person.press("3", "4")
    person.press("h")
    page.get_by_role("dialog", name="Keys").wait_for(state="hidden")
    person.press("5")
    assert person.classes(1) == ["5"]


def test_r_and_c_are_not_streamlits_here(visit: Callable[..., Person], store: Database) -> None:
    sent: list[object] = []
    person = visit(seed(store, classes=("rook", "crow"), k=4, reserve=0))
    person.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    person.page.reload()
    person.ready()
    person.decoded(4)
    before = len(sent)
    assert before > 0
    person.press("r", "c", "1", "r", "c", "2")
    assert person.classes(2) == ["rook", "crow"]
    assert len(sent) == before


def test_a_class_may_have_r_as_its_key(visit: Callable[..., Person], store: Database) -> None:
    person = visit(seed(store, classes=("r", "c", "1"), k=4, reserve=0)).decoded(4)
    person.press("r", "c", "1")
    assert person.classes(3) == ["r", "c", "1"]


def test_other_keyboards(person: Person) -> None:
    dispatch(person, "&", "Digit1")  # the top row of AZERTY
    dispatch(person, "1", "Numpad1")
    dispatch(person, "ч", "KeyX")  # X on a Cyrillic layout
    rows = person.saved(3)
    assert [(row["outcome"], row["class_name"]) for row in rows] == [("class", "1"), ("class", "1"), ("unsure", None)]


def test_the_keyboard_can_be_switched_off(person: Person) -> None:
    page = person.page
    person.press("h")
    page.get_by_label("Single-key answers").uncheck()
    close = page.get_by_role("button", name="Close", exact=True)
    left = close.evaluate("(button) => { button.click(); return button.getRootNode().activeElement === null }")
    assert left, "a control that is hidden must not take the next key"
    person.press("1", "Space", "x", "u")
    page.get_by_role("button", name="7", exact=True).click()
    assert person.classes(1) == ["7"]
    page.reload()
    person.ready()
    person.press("2")
    person.press("h")
    page.get_by_label("Single-key answers").check()
    person.press("h")
    page.get_by_role("dialog", name="Keys").wait_for(state="hidden")
    person.press("3")
    assert person.classes(2) == ["7", "3"]


def test_a_button_reached_by_tab_is_pressed_with_space(person: Person) -> None:
    person.page.get_by_role("button", name="8", exact=True).focus()
    person.page.keyboard.press("Tab")
    person.page.keyboard.press("Space")
    assert person.classes(1) == ["9"]


def test_a_click_then_space_skips(person: Person) -> None:
    person.page.get_by_role("button", name="8", exact=True).click()
    person.press("Space")
    assert [row["outcome"] for row in person.saved(2)] == ["class", "skip"]


def test_undo_brings_the_image_back_first(person: Person) -> None:
    first = person.query()
    person.press("1")
    second = wait_for(lambda: person.query() != first and person.query(), "the next image", person.page)
    person.press("2", "u")
    wait_for(lambda: person.query() == second, "the second image again", person.page)
    person.press("Backspace")
    wait_for(lambda: person.query() == first, "the first image again", person.page)
    person.press("7", "8")
    rows = person.saved(2)
    assert [(str(row["query_id"]), row["class_name"]) for row in rows] == [(first, "7"), (second, "8")]
    assert [event["kind"] for event in person.seeded.events()] == [
        "answer",
        "answer",
        "undo",
        "undo",
        "answer",
        "answer",
    ]


def test_nothing_shown_nothing_answered_and_the_next_round_comes_by_itself(
    visit: Callable[..., Person], store: Database
) -> None:
    from tests.labeler_ui.seed import next_round

    seeded = seed(store, k=3, reserve=0)
    person = visit(seeded).decoded(3)
    person.press("1", "2", "3", "4", "5")
    assert person.classes(3) == ["1", "2", "3"]
    person.page.wait_for_selector(".idle:not([hidden])")
    person.press("6")
    assert person.classes(3) == ["1", "2", "3"]
    next_round(seeded, k=2)
    person.ready()
    person.press("7", "8")
    assert person.classes(5) == ["1", "2", "3", "7", "8"]


def test_a_reviewers_comment_is_shown_as_text(visit: Callable[..., Person], store: Database) -> None:
    seeded = seed(store, k=1, reserve=0)
    comment = "<img src=x onerror=alert(1)> look at the **hook**"
    with store.engine.begin() as connection:
        change = "UPDATE queries SET details = :details WHERE project_id = :project AND rank = 0"
        connection.execute(text(change), {"details": json.dumps({"comment": comment}), "project": seeded.project.id})
    person = visit(seeded)
    shown = person.page.get_by_role("note")
    assert shown.inner_text() == f"A reviewer asks you to look again: {comment}"
    assert shown.locator("img, strong").count() == 0
    person.press("1")
    shown.wait_for(state="hidden")


def test_hostile_names_do_nothing(visit: Callable[..., Person], store: Database) -> None:
    hostile = ("<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "**b** :red[x] $x$", "`; alert(1) //")
    person = visit(
        seed(store, classes=hostile, k=4, reserve=0, guidelines="# <script>alert(1)</script>\n- <img src=x>")
    )
    person.decoded(4)
    happened: list[str] = []
    person.page.on("dialog", lambda dialog: (happened.append(dialog.message), dialog.dismiss()))
    person.page.on("request", lambda request: happened.append(request.url) if request.url.endswith("/x") else None)
    for name in hostile:
        assert person.page.get_by_role("button", name=name, exact=True).is_visible()
    person.press("g", "1", "2", "3", "4")
    assert person.page.get_by_text("<script>alert(1)</script>", exact=True).is_visible()
    assert person.classes(4) == list(hostile)
    assert happened == []


def test_the_page_asks_no_other_server(visit: Callable[..., Person], seeded: Seeded) -> None:
    asked: list[str] = []
    person = visit(seeded)
    person.page.on("request", lambda request: asked.append(request.url))
    person.page.reload()
    person.ready()
    person.press("1")
    assert person.classes(1) == ["1"]
    person.page.get_by_role("link", name="Progress").click()
    person.page.get_by_text("is being labeled").wait_for()
    foreign = [url for url in asked if not url.startswith((person.server.url, "blob:", "data:"))]
    assert foreign == []
    assert person.server.url + "/api/token" not in asked  # a fresh token comes with the page


def test_the_labeling_page_is_found_under_its_name_too(person: Person) -> None:
    first = person.page.url
    person.page.goto(first.replace("/?", "/label?"))
    person.query()
    assert person.page.url.split("?")[0] == first.split("?")[0]
    assert person.page.get_by_text("Page not found").count() == 0
