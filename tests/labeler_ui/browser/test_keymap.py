"""Other keys for classes and commands: taken over by a press, refused where taken, kept, reset (WCAG 2.1.4)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from db.engine import Database
from tests.labeler_ui.browser.people import Person
from tests.labeler_ui.seed import Seeded, seed

pytestmark = pytest.mark.browser


@pytest.fixture
def birds(visit: Callable[..., Person], store: Database) -> Person:
    return visit(seed(store, classes=("robin", "crow", "wren"), k=8, reserve=0)).decoded(4)


def change(person: Person, label: str, key: str) -> str:
    """Give one target another key in the open dialog and return what the dialog says."""
    person.page.get_by_role("button", name=f"{label}:").click()
    person.page.get_by_text("Press a key").wait_for()
    person.press(key)
    return person.page.locator(".said").inner_text()


def opened(person: Person) -> None:
    person.press("h")
    person.page.get_by_role("dialog", name="Keys").wait_for()


def closed(person: Person) -> None:
    person.page.get_by_role("button", name="Close", exact=True).click()
    person.page.get_by_role("dialog", name="Keys").wait_for(state="hidden")


def test_a_class_and_a_command_get_other_keys_and_keep_them(birds: Person) -> None:
    opened(birds)
    assert "is on Q now" in change(birds, "robin", "q")
    assert "is on ← now" in change(birds, "Skip", "ArrowLeft")
    closed(birds)
    birds.press("q", "1", "ArrowLeft", "2")  # 1 is nobody's now
    assert [(row["outcome"], row["class_name"]) for row in birds.saved(3)] == [
        ("class", "robin"), ("skip", None), ("class", "crow"),
    ]  # fmt: skip
    birds.page.reload()
    birds.ready()
    birds.press("q")
    assert birds.classes(4)[-1] == "robin"
    robin = birds.page.get_by_role("button", name="robin", exact=True)
    assert robin.get_attribute("aria-keyshortcuts") == "Q"


def test_a_taken_or_fixed_key_is_refused_with_a_sentence(birds: Person) -> None:
    opened(birds)
    assert "U is the key of “Undo”" in change(birds, "wren", "u")
    birds.press("Enter")
    assert "Enter" in birds.page.locator(".said").inner_text().title()
    birds.page.keyboard.press("Escape")  # gives up waiting, the dialog stays
    assert birds.page.get_by_role("dialog", name="Keys").is_visible()
    closed(birds)
    birds.press("3", "u", "2")
    assert birds.classes(1) == ["crow"]


def test_a_freed_key_can_be_given_to_another(birds: Person) -> None:
    opened(birds)
    change(birds, "robin", "9")
    assert "is on 1 now" in change(birds, "crow", "1")
    closed(birds)
    birds.press("1", "9")
    assert birds.classes(2) == ["crow", "robin"]


def test_reset_brings_the_first_keys_back(birds: Person) -> None:
    opened(birds)
    change(birds, "Undo", "b")
    birds.page.get_by_role("button", name="Reset all keys").click()
    closed(birds)
    birds.press("1", "b", "u", "2")
    assert birds.classes(1) == ["crow"]


def test_keys_belong_to_one_project(birds: Person, store: Database, visit: Callable[..., Person]) -> None:
    opened(birds)
    change(birds, "robin", "q")
    other = visit(seed(store, classes=("robin", "crow"), k=4, reserve=0)).decoded(2)
    other.press("q", "1")
    assert other.classes(1) == ["robin"]


def test_the_dialog_works_by_keyboard_alone(birds: Person) -> None:
    page = birds.page
    page.get_by_role("button", name="Keys").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="Keys").wait_for()
    page.keyboard.press("Tab")  # from Close round to the first key
    page.keyboard.press("Enter")
    page.get_by_text("Press a key").wait_for()
    page.keyboard.press("q")
    assert "“robin” is on Q now" in page.locator(".said").inner_text()
    page.keyboard.press("Escape")
    focused = page.evaluate("() => document.activeElement.shadowRoot?.activeElement?.textContent ?? ''")
    assert "Keys" in focused
    birds.press("q")
    assert birds.classes(1) == ["robin"]


def test_damaged_keys_in_storage_do_no_harm(birds: Person, seeded: Seeded) -> None:
    project = birds.seeded.project.id
    for stored in ("nonsense", "[1]", "3", '{"skip": 7, "undo": "enter", "class:x": "1"}'):
        birds.page.evaluate(
            "([project, stored]) => localStorage.setItem(`borderline.keys.${project}`, stored)", [project, stored]
        )
        birds.page.reload()
        birds.ready()
    birds.press("1", "u", "2", "Space")
    assert [row["outcome"] for row in birds.saved(2)] == ["class", "skip"]
