"""The grid while answers are on their way: offline, over a reload, and when a group is taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.labeler_ui.browser.people import GridPerson, wait_for
from tests.labeler_ui.grid_seed import held

pytestmark = pytest.mark.browser


def test_offline_while_confirming(opened: Callable[..., GridPerson]) -> None:
    grid = opened(((3, 24), (7, 12)))
    wait_for(lambda: held(grid.seeded, "confirm") == 36, "the next group claimed ahead", grid.page)
    grid.page.wait_for_timeout(700)
    grid.person.context.set_offline(True)
    first = grid.group()
    grid.tiles().nth(0).click()
    grid.confirm()
    grid.shown(other_than=first)
    grid.confirm()
    grid.page.get_by_text("36 answers are safe here").wait_for()
    grid.page.get_by_text("No new images yet").wait_for()
    assert grid.person.mine() == []
    grid.person.context.set_offline(False)
    grid.rows(35)
    assert len(grid.marked()) == 1
    assert len(grid.seeded.events()) == 36
    grid.page.get_by_text("That was all, thank you!").wait_for()


def hold_answers(grid: GridPerson) -> list[Any]:
    """Neither refuse answers, which would open the second way, nor let them through."""
    under_way: list[Any] = []
    grid.person.context.route("**/answers", lambda route: under_way.append(route))
    return under_way


def let_through(grid: GridPerson, under_way: list[Any]) -> None:
    for route in under_way:
        route.continue_()
    grid.person.context.unroute("**/answers")


def test_a_reload_with_answers_on_their_way(opened: Callable[..., GridPerson]) -> None:
    grid = opened(((3, 24), (7, 12)))
    grid.page.on("dialog", lambda dialog: dialog.accept())
    under_way = hold_answers(grid)
    first = grid.group()
    grid.tiles().nth(1).click()
    grid.confirm()
    grid.shown(other_than=first)
    wait_for(lambda: under_way, "answers on their way", grid.page)
    grid.person.context.unroute("**/answers")
    grid.page.reload()
    grid.person.ready()
    grid.enter()
    assert grid.page.get_by_role("heading", name="Is each of these 7?").is_visible()
    grid.rows(23)
    assert len(grid.seeded.events()) == 24
    grid.confirm()
    grid.rows(35)


def test_tiles_whose_answers_are_on_their_way_are_not_shown_again(opened: Callable[..., GridPerson]) -> None:
    grid = opened(((3, 24), (7, 12)))
    under_way = hold_answers(grid)
    grid.confirm()
    wait_for(lambda: under_way, "answers on their way", grid.page)
    grid.person.press("Escape")
    grid.page.locator(".grid").wait_for(state="detached")
    grid.enter()
    assert grid.page.get_by_role("heading", name="Is each of these 7?").is_visible()
    assert grid.person.mine() == []
    let_through(grid, under_way)
    grid.rows(24)


@pytest.mark.parametrize("key", ["u", "Backspace", "click"])
def test_the_last_group_is_taken_back(opened: Callable[..., GridPerson], key: str) -> None:
    grid = opened(((3, 24), (7, 12)))
    first = grid.group()
    grid.tiles().nth(1).click()
    grid.confirm()
    grid.shown(other_than=first)
    grid.rows(23)
    undo = grid.page.get_by_role("button", name="Take the last group back", exact=True)
    undo.click() if key == "click" else grid.person.press(key)
    wait_for(lambda: grid.group() == first, "the group before", grid.page)
    assert grid.shown().page.get_by_role("heading", name="Is each of these 3?").is_visible()
    assert (grid.group(), grid.tiles().count(), grid.wrong()) == (first, 24, [1])
    grid.looked()
    assert (grid.rows(0), undo.is_hidden()) == ([], True)
    assert grid.seeded.rows("SELECT count(*) AS n FROM labels WHERE project_id = :project")[0]["n"] == 0
    grid.person.press(key if key != "click" else "u")  # there is no more to take back
    grid.tiles().nth(1).click()
    grid.tiles().nth(2).click()
    grid.confirm()
    grid.shown(other_than=first)
    assert grid.page.get_by_role("heading", name="Is each of these 7?").is_visible()
    assert len(grid.rows(23)) == 23
    skipped = "SELECT q.rank FROM queries q WHERE q.project_id = :project AND q.kind = 'learn' AND q.rank > 3"
    assert [row["rank"] for row in grid.seeded.rows(skipped)] == [4 + 2]


def test_a_group_is_taken_back_from_the_end_and_without_a_connection(opened: Callable[..., GridPerson]) -> None:
    grid = opened(((3, 6),))
    grid.looked()
    grid.person.context.set_offline(True)
    grid.person.press("Enter")
    grid.page.get_by_text("6 answers are safe here").wait_for()
    grid.person.context.set_offline(False)
    grid.rows(6)
    grid.page.get_by_text("That was all, thank you!").wait_for()
    grid.person.context.set_offline(True)
    grid.person.press("u")
    grid.page.locator(".grid-confirm", has_text="Taking them back").wait_for()
    grid.person.context.set_offline(False)
    grid.looked()
    assert grid.rows(0) == []
    grid.confirm()
    grid.page.get_by_text("6 images confirmed").wait_for()
    grid.rows(6)
    assert grid.page.get_by_text("Not saved").count() == 0
