"""The grid in a real browser: by keyboard alone, by mouse, without a connection; SQL has every tile once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from db import access, claims
from db.engine import Database
from tests.labeler_ui.browser.people import GridPerson, Person, wait_for
from tests.labeler_ui.grid_seed import held, seed_grid

pytestmark = pytest.mark.browser


PRESS_ENTER = """() => {
  const hosts = [...document.querySelectorAll('*')];
  const grid = hosts.map((host) => host.shadowRoot?.querySelector('.grid')).find(Boolean);
  const before = grid.dataset.group, start = performance.now();
  const options = {key: 'Enter', code: 'Enter', bubbles: true, cancelable: true, composed: true};
  document.body.dispatchEvent(new KeyboardEvent('keydown', options));
  const decoded = [...grid.querySelectorAll('.tile img')].filter((image) => image.complete && image.naturalWidth);
  return {changed: grid.dataset.group !== before, images: decoded.length, ms: performance.now() - start};
}"""


def test_by_keyboard_alone(opened: Callable[..., GridPerson]) -> None:
    grid = opened()
    assert grid.page.get_by_role("heading", name="Is each of these 3?").is_visible()
    assert grid.page.get_by_text("24 images", exact=True).is_visible()
    grid.person.press("ArrowRight", "ArrowDown", "Space", "ArrowLeft", "Space", "ArrowRight", "ArrowRight", "Space")
    assert grid.wrong() == [6, 7, 8]
    grid.person.press("Space")
    assert grid.wrong() == [6, 7]
    assert grid.page.get_by_text("2 marked wrong").is_visible()
    grid.confirm()
    rows = grid.rows(22)
    assert {(row["class_name"], row["mode"], row["prediction_shown"]) for row in rows} == {("3", "grid", 1)}
    assert len({row["latency_ms"] for row in rows}) == 1
    assert 0 < rows[0]["latency_ms"] < 2000
    assert len({row["sample_id"] for row in rows}) == 22
    assert len(grid.marked()) == 2


def test_wrong_ones_become_single_images(opened: Callable[..., GridPerson]) -> None:
    grid = opened(((3, 6),), learn=1, wrong=(2,))
    sample = grid.seeded.rows("SELECT sample_id FROM queries WHERE project_id = :project AND rank = 3")[0]["sample_id"]
    grid.tiles().nth(2).click()
    grid.confirm()
    grid.rows(5)
    wait_for(lambda: len(grid.marked()) == 1, "the mark in SQL", grid.page)
    assert grid.marked()[0]["sample_id"] == sample
    grid.page.get_by_text("That was all, thank you!").wait_for()
    assert grid.page.get_by_text("5 images confirmed. 1 image that you marked comes singly.").is_visible()
    grid.person.press("Enter")
    grid.person.decoded(2)
    grid.person.press("9", "7")
    rows = grid.rows(7)
    assert [(row["mode"], row["class_name"]) for row in rows[5:]] == [("single", "9"), ("single", "7")]
    assert rows[6]["sample_id"] == sample


def test_the_next_group_is_there_at_once(opened: Callable[..., GridPerson]) -> None:
    grid = opened(((3, 24), (7, 24)))
    first = grid.group()
    wait_for(lambda: held(grid.seeded, "confirm") == 48, "the next group claimed ahead", grid.page)
    grid.looked().page.wait_for_timeout(500)
    seen = grid.page.evaluate(PRESS_ENTER)
    assert (seen["changed"], seen["images"]) == (True, 24)  # within the key's own event: nothing is waited for
    assert seen["ms"] < 1000
    assert grid.group() != first
    assert grid.page.get_by_role("heading", name="Is each of these 7?").is_visible()
    grid.person.press("Enter")  # at once: nobody can have looked at them
    assert grid.group() is not None
    grid.confirm()
    rows = grid.rows(48)
    assert [row["class_name"] for row in rows].count("7") == 24


def test_shift_marks_ranges(opened: Callable[..., GridPerson]) -> None:
    grid = opened()
    grid.tiles().nth(3).click()
    grid.tiles().nth(7).click(modifiers=["Shift"])
    assert grid.wrong() == [3, 4, 5, 6, 7]
    grid.tiles().nth(5).click()
    grid.tiles().nth(6).click(modifiers=["Shift"])
    assert grid.wrong() == [3, 4, 7]
    grid.person.press("End", "Shift+ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowRight")
    assert grid.wrong() == [3, 4, 7, 21, 22, 23]
    grid.person.press("Home", "Shift+ArrowDown")
    assert grid.wrong() == [0, 1, 2, 3, 4, 5, 6, 7, 21, 22, 23]
    grid.person.press("Shift+ArrowUp")
    assert grid.wrong() == [0, 3, 4, 7, 21, 22, 23]


def test_every_tile_must_have_been_in_view(opened: Callable[..., GridPerson]) -> None:
    grid = opened(viewport={"width": 1280, "height": 560})
    grid.page.locator(".grid-confirm", has_text="more first").wait_for()
    grid.page.wait_for_timeout(1200)
    before = grid.group()
    presses = 0
    while grid.page.locator(".grid-confirm[data-waits=yes]").count():
        grid.person.press("Enter")
        grid.page.wait_for_timeout(200)
        presses += 1
        assert presses < 6
    assert grid.group() == before
    assert presses >= 1
    assert grid.person.mine() == []
    grid.confirm()
    grid.rows(24)


def test_escape_gives_the_tiles_back(opened: Callable[..., GridPerson]) -> None:
    grid = opened(((3, 24), (7, 12)))
    wait_for(lambda: held(grid.seeded, "confirm") == 36, "both groups claimed", grid.page)
    grid.tiles().nth(1).click()
    grid.person.press("Escape")
    grid.page.locator(".grid").wait_for(state="detached")
    wait_for(lambda: held(grid.seeded, "confirm") == 0, "the tiles given back", grid.page)
    grid.person.decoded(1)
    grid.person.press("9")
    assert [row["mode"] for row in grid.rows(1)] == ["single"]


def test_single_images_are_for_others_while_the_grid_is_open(opened: Callable[..., GridPerson]) -> None:
    grid = opened()
    wait_for(lambda: held(grid.seeded, "learn") == 0, "the single images given back", grid.page)
    grid.person.press("m")
    grid.person.decoded(4)
    assert held(grid.seeded, "learn") == 4
    grid.person.press("9")
    assert [row["mode"] for row in grid.rows(1)] == ["single"]


def test_a_tile_that_others_answer_singly_stays_away(opened: Callable[..., GridPerson], store: Database) -> None:
    grid = opened(((3, 6),), learn=1)
    grid.tiles().nth(0).click()
    grid.confirm()
    grid.rows(5)
    wait_for(lambda: len(grid.marked()) == 1, "the mark in SQL", grid.page)
    bob = access.local_user(store, "bob")
    assert len(claims.claim(store, bob, grid.seeded.project.id, 5)) == 2
    grid.person.press("u")
    grid.looked()
    assert (grid.tiles().count(), grid.wrong()) == (5, [])
    assert grid.page.get_by_text("this image is asked singly by now").is_visible()
    grid.confirm()
    grid.rows(5)


def test_nothing_to_confirm(opened: Callable[..., GridPerson], visit: Callable[..., Person], store: Database) -> None:
    person = visit(seed_grid(store, (), name="grid-empty"))
    person.page.get_by_role("button", name="Grid", exact=True).click()
    person.page.get_by_text("Nothing to confirm just now").wait_for()
    person.press("1", "x", "u")  # keys of single mode do nothing here
    person.press("Enter")
    person.page.locator(".grid").wait_for(state="detached")
    person.decoded(1)
    person.press("9")
    assert person.classes(1) == ["9"]


def test_names_and_states_for_screen_readers(opened: Callable[..., GridPerson]) -> None:
    grid = opened(((3, 6),), classes=(*"012", "<b>three</b>", *"456789"))
    button = grid.page.get_by_role("button", name="Image 2 of 6 is wrong, not <b>three</b>", exact=True)
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert grid.page.get_by_role("group", name="Images to confirm as <b>three</b>").is_visible()
    assert grid.page.get_by_role("status").filter(has_text="1 marked wrong").is_visible()
    tab_stops = grid.page.locator(".tile[tabindex='0']")
    assert tab_stops.count() == 1


def test_an_image_that_cannot_be_shown_is_asked_singly(opened: Callable[..., GridPerson], store: Database) -> None:
    broken: list[str] = []

    def refuse(route: Any) -> None:
        broken.append(route.request.url)
        route.fulfill(status=404, body="{}")

    grid = opened(((3, 6),), learn=1)
    grid.person.press("Escape")
    ids = grid.seeded.rows(
        "SELECT sample_id FROM queries WHERE project_id = :project AND kind = 'confirm' ORDER BY rank"
    )
    grid.person.context.route(f"**/images/{ids[4]['sample_id']}", refuse)
    grid.page.wait_for_timeout(300)
    grid.enter()
    assert grid.wrong() == [4]
    grid.tiles().nth(4).click()
    assert grid.wrong() == [4]
    grid.confirm()
    grid.rows(5)
    wait_for(lambda: len(grid.marked()) == 1, "the mark in SQL", grid.page)
    assert broken


def test_touch_and_a_phone(visit: Callable[..., Person], store: Database, browser: Any, server: Any) -> None:
    seeded = seed_grid(store, ((3, 12),), name="grid-phone")
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    try:
        grid = GridPerson(Person(context, server, seeded, "ada").open())
        grid.page.get_by_role("button", name="Grid", exact=True).tap()
        grid.shown()
        tops = {round(tile.bounding_box()["y"]) for tile in grid.tiles().all()}
        assert (grid.tiles().count(), len(tops)) == (12, 4)
        assert min(tile.bounding_box()["width"] for tile in grid.tiles().all()) >= 44
        grid.tiles().nth(4).tap()
        assert grid.wrong() == [4]
        grid.page.locator(".tile").last.scroll_into_view_if_needed()
        grid.looked()
        grid.page.locator(".grid-confirm").tap()
        assert len(grid.rows(11)) == 11
    finally:
        context.close()
