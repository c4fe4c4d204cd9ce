"""The Review page: votes hidden until decided, one decision an image, everything that people wrote stays text."""

from __future__ import annotations

import json
import re

from streamlit.testing.v1 import AppTest

from db import access, review
from db.engine import Database
from tests.labeler_ui.contested import contested
from tests.labeler_ui.seed import Seeded, seed
from tests.labeler_ui.test_pages import texts

MARKUP = ("<b>", "<img", "<script", "[x](", "![a]", ":red[", ":material/home", "$x$")
PAGE = """
from labeler_ui.pages import review, visit
review.show(visit.sidebar())
"""


def unescaped(text: str) -> str:
    """Leave out what Markdown takes as plain characters."""
    return re.sub(r"\\.", "", text)


def page(seeded: Seeded, name: str = "Rea") -> AppTest:
    test = AppTest.from_string(PAGE, default_timeout=60)
    test.query_params["project"] = seeded.project.name
    test.query_params["name"] = name
    return test.run()


def press(test: AppTest, label: str) -> AppTest:
    return next(button for button in test.button if button.label == label).click().run()


def image_data(test: AppTest) -> dict:
    found = [element for element in _all(test) if element.type == "bidi_component"]
    return json.loads(found[0].proto.json)


def _all(test: AppTest) -> list:
    def walk(block: object) -> list:
        children = getattr(block, "children", {})
        return [block, *(item for child in children.values() for item in walk(child))]

    return walk(test.main)


def reviews(seeded: Seeded) -> list[dict]:
    return [event for event in seeded.events() if event["kind"] == "review"]


def test_without_anything_to_review_the_page_says_how_it_comes(database: Database) -> None:
    test = page(seed(database))
    assert not test.exception
    assert "Nothing waits for a review" in texts(test)


def test_votes_are_hidden_until_the_reviewer_has_decided(database: Database) -> None:
    seeded = contested(database)
    test = page(seeded)
    assert not test.exception
    before = texts(test)
    assert "its answers differ" in before
    assert "The model said" not in before
    assert len(test.dataframe) == 0
    data = image_data(test)
    assert set(data) == {"token", "expires_in", "project", "sample", "alt", "keys"}
    press(test, "4")
    assert not test.exception
    after = texts(test)
    assert "You said: **4**" in after
    assert "The model said **1**" in after
    assert sorted(test.dataframe[0].value["Who"]) == ["Ana", "Bo"]
    [event] = reviews(seeded)
    assert (event["sample_id"], event["outcome"]) == (data["sample"], "class")


def test_the_next_image_comes_and_pressing_twice_is_one_decision(database: Database) -> None:
    seeded = contested(database)
    test = page(seeded)
    first = image_data(test)["sample"]
    press(test, "4")
    assert image_data(test)["sample"] == first
    press(test, "Next")
    assert image_data(test)["sample"] != first
    assert len(reviews(seeded)) == 1
    assert "The model said" not in texts(test)


def test_a_reviewer_can_change_their_mind_after_seeing_the_votes(database: Database) -> None:
    seeded = contested(database)
    test = page(seeded)
    item = image_data(test)["sample"]
    press(test, "4")
    press(test, "Decide again")
    assert image_data(test)["sample"] == item
    assert "The model said" in texts(test)
    press(test, "Cannot be used")
    assert "it cannot be used" in texts(test)
    assert [event["outcome"] for event in reviews(seeded)] == ["class", "skip"]
    assert "Earlier reviews" in texts(test)


def test_later_and_sending_back(database: Database) -> None:
    seeded = contested(database)
    test = page(seeded)
    first = image_data(test)["sample"]
    press(test, "Later")
    second = image_data(test)["sample"]
    assert second != first
    assert reviews(seeded) == []
    note = next(entry for entry in test.text_input if entry.label == "Note")
    note.input("look at the hook").run()
    press(test, "Send back")
    assert not test.exception
    rea = access.local_user(database, "Rea")
    told = review.votes_of(database, rea, seeded.project.id, second)
    assert (told.votes, told.history[0].what, told.history[0].note) == ([], "sent back", "look at the hook")
    assert image_data(test)["sample"] not in (first, second)


def test_only_flags_or_disagreements(database: Database) -> None:
    seeded = contested(database)
    test = page(seeded)
    waiting = review.waiting(database, access.local_user(database, "Rea"), seeded.project.id)
    assert f"{waiting} waiting" in texts(test)
    test.radio[0].set_value("Flags").run()
    assert "1 waiting" in texts(test)
    assert "somebody flagged it" in texts(test)
    press(test, "4")
    assert "cut off" in texts(test)
    press(test, "Next")
    assert "Nothing waits for a review" in texts(test)


def test_what_people_wrote_stays_text(database: Database) -> None:
    classes = ("<img src=x onerror=alert(1)>", "[x](javascript:alert)", "$x$ :red[y]")
    people, guidelines = ("<b>Eve</b>", ":material/home:"), "# <script>x</script> ![a](http://example.invalid/x.png)"
    seeded = contested(database, classes=classes, people=people, guidelines=guidelines)
    test = page(seeded)
    test.radio[0].set_value("Flags").run()
    assert not any(mark in unescaped(button.label) for button in test.button for mark in MARKUP)
    next(button for button in test.button if "onerror" in button.label).click().run()
    assert not test.exception
    for element in (*test.markdown, *test.caption):
        assert not element.allow_html
        assert not any(mark in unescaped(element.value) for mark in MARKUP), element.value


def test_many_classes_are_chosen_from_a_list(database: Database) -> None:
    seeded = contested(database, classes=tuple(f"class {number:02d}" for number in range(45)))
    test = page(seeded)
    box = next(entry for entry in test.selectbox if entry.label == "Class")
    box.select_index(7).run()
    press(test, "Decide")
    assert "You said: **class 07**" in texts(test)
