"""Zoom and touch: wheel, pinch, key, drag, double tap; every image starts as a whole; a pinch is never a swipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from db.engine import Database
from tests.labeler_ui.browser.people import PageServer, Person, wait_for
from tests.labeler_ui.seed import Seeded, seed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession

pytestmark = pytest.mark.browser


def scale(person: Person) -> float:
    """How much larger than as a whole the image is drawn."""
    return person.page.locator(".picture img").evaluate(
        "(image) => image.getBoundingClientRect().width / image.offsetWidth"
    )


def middle(person: Person) -> tuple[float, float]:
    box = person.page.locator(".picture").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def left(person: Person) -> float:
    return person.page.locator(".picture img").evaluate("(image) => image.getBoundingClientRect().left")


def test_z_zooms_and_every_image_starts_as_a_whole(person: Person) -> None:
    person.press("z")
    assert scale(person) == pytest.approx(2)
    assert person.page.locator(".scale").inner_text() == "2.0 ×"
    person.press("z")
    assert scale(person) == pytest.approx(1)
    person.press("z", "3")
    assert person.classes(1) == ["3"]
    assert scale(person) == pytest.approx(1)
    assert person.page.locator(".scale").is_hidden()


def test_the_wheel_zooms_at_the_pointer_and_out_again(person: Person) -> None:
    x, y = middle(person)
    person.page.mouse.move(x + 60, y - 40)

    person.page.mouse.wheel(0, -200)
    wait_for(lambda: scale(person) > 1.3, "the zoom", person.page)
    for _ in range(8):
        person.page.mouse.wheel(0, 240)
    wait_for(lambda: scale(person) == pytest.approx(1), "the whole image", person.page)
    for _ in range(30):
        person.page.mouse.wheel(0, -240)
    wait_for(lambda: scale(person) == pytest.approx(8), "the most there is", person.page)


def test_a_zoomed_image_is_moved_by_drag_and_arrows_and_never_out_of_sight(person: Person) -> None:
    x, y = middle(person)
    person.press("z")
    person.page.mouse.move(x, y)
    person.page.mouse.wheel(0, -240)
    person.page.mouse.wheel(0, -240)
    wait_for(lambda: scale(person) > 3, "the zoom", person.page)
    before = left(person)
    person.page.mouse.down()
    person.page.mouse.move(x + 50, y, steps=3)
    person.page.mouse.up()
    assert left(person) == pytest.approx(before + 50, abs=1)
    person.press("ArrowRight")
    assert left(person) == pytest.approx(before - 10, abs=1)
    for _ in range(60):
        person.page.keyboard.press("ArrowRight")
    box = person.page.locator(".picture").bounding_box()
    image = person.page.locator(".picture img").bounding_box()
    assert box is not None
    assert image is not None
    assert image["x"] + image["width"] > box["x"] + box["width"] / 2
    assert person.mine() == []


@pytest.fixture
def phone(browser: Browser, server: PageServer, store: Database) -> Iterator[Person]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    person = Person(context, server, seed(store, k=10), "ada").open().decoded(6)
    yield person
    context.close()


Points = list[tuple[float, float]]


def touch(person: Person, *moments: Points) -> None:
    """Fingers at these places, a moment of 20 ms after the other, however busy the machine is; then all are lifted."""
    begin = time.time()
    session: CDPSession = person.context.new_cdp_session(person.page)
    for number, points in enumerate(moments):
        kind = "touchStart" if number == 0 or len(points) > len(moments[number - 1]) else "touchMove"
        fingers = [{"x": x, "y": y, "id": place} for place, (x, y) in enumerate(points)]
        at = begin + number / 50
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers, "timestamp": at})
    at = begin + len(moments) / 50
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": [], "timestamp": at})
    session.detach()


def stroke(person: Person, dx: float, dy: float = 0) -> None:
    x, y = middle(person)
    touch(person, *[[(x + dx * part / 6, y + dy * part / 6)] for part in range(7)])


def test_a_swipe_to_the_left_skips_and_to_the_right_takes_back(phone: Person) -> None:
    first = phone.query()
    stroke(phone, -150)
    [row] = phone.saved(1)
    assert (str(row["query_id"]), row["outcome"]) == (first, "skip")
    stroke(phone, 150)
    wait_for(lambda: phone.query() == first, "the first image again", phone.page)
    phone.page.wait_for_timeout(600)  # right after a stroke Chromium takes a tap for the end of that
    phone.page.get_by_role("button", name="5", exact=True).tap()
    assert phone.classes(1) == ["5"]


def test_a_pinch_zooms_and_is_no_swipe(phone: Person) -> None:
    x, y = middle(phone)
    first = phone.query()
    spread: list[Points] = [[(x + 20 + 14 * part, y), (x - 20 - 14 * part, y)] for part in range(6)]
    touch(phone, [(x + 20, y)], *spread)
    wait_for(lambda: scale(phone) > 2, "the zoom", phone.page)
    before = left(phone)
    stroke(phone, -60)  # a zoomed image is moved
    assert left(phone) < before
    assert phone.query() == first
    assert phone.mine() == []


def test_a_double_tap_zooms_and_short_or_steep_strokes_do_nothing(phone: Person) -> None:
    stroke(phone, -20)
    stroke(phone, -70, 120)
    x, y = middle(phone)
    for _ in range(2):
        touch(phone, [(x, y)])
    wait_for(lambda: scale(phone) == pytest.approx(2), "the zoom", phone.page)
    assert phone.mine() == []


def test_everything_fits_a_phone(phone: Person) -> None:
    wide = phone.page.evaluate("() => document.documentElement.scrollWidth")
    assert wide <= 390
    for button in phone.page.locator(".class, .tool").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44


def test_a_photo_larger_than_the_screen_zooms_to_its_own_pixels(visit: Callable[..., Person], seeded: Seeded) -> None:
    person = visit(seeded).decoded(1)
    person.page.locator(".picture img").evaluate(
        """(image) => { Object.defineProperty(image, 'naturalWidth', {value: 10 * image.offsetWidth});
        Object.defineProperty(image, 'naturalHeight', {value: 10 * image.offsetHeight}); }"""
    )
    person.press("z")
    assert scale(person) == pytest.approx(10, rel=0.01)
