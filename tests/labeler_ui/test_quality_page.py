"""The Quality page: what it says of much agreement, of none, and of one annotator alone; names stay text."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from db import access, gold
from db.engine import Database
from db.records import AnnotatorRecord, TeamRecord
from labeler_ui import quality_words as words
from labeler_ui.quality_charts import alpha_chart, confusion_chart, most_confused
from pipeline.statistics import Agreement
from tests.labeler_ui.contested import answer, contested
from tests.labeler_ui.seed import Seeded, seed
from tests.labeler_ui.test_pages import texts
from tests.labeler_ui.test_review_page import MARKUP, unescaped

PAGE = """
from labeler_ui.pages import quality, visit
quality.show(visit.sidebar())
"""


def page(seeded: Seeded) -> AppTest:
    test = AppTest.from_string(PAGE, default_timeout=60)
    test.query_params["project"] = seeded.project.name
    return test.run()


def agreement(alpha: float | None, low: float | None = None, high: float | None = None, items: int = 100) -> Agreement:
    return Agreement(alpha=alpha, low=low, high=high, items=items, votes=2 * items)


def person(**changes: object) -> AnnotatorRecord:
    zero = {field.name: 0 for field in dataclasses.fields(AnnotatorRecord)}
    return AnnotatorRecord(**{**zero, "name": "Bo", "median_ms": None, **changes})


def team(*people: AnnotatorRecord, **changes: object) -> TeamRecord:
    values = {"people": people, "median_ms": 4000.0, "fast_below_ms": 1000.0, "spot_total": 0, "spot_differed": 0}
    return TeamRecord(**{**values, **changes})


def test_two_annotators_are_compared(database: Database) -> None:
    test = page(contested(database))
    assert not test.exception
    shown = texts(test)
    assert "Krippendorff" in shown
    assert "19 images have two answers" in shown
    assert "Who confuses what" in shown
    assert "Most often confused" in shown
    tables = [frame.value for frame in test.dataframe]
    assert tables[0]["Which"].tolist()[:3] == ["All images", "Chosen by the model", "Drawn at random"]
    assert tables[-1]["Name"].tolist() == ["Ana", "Bo"]


def test_three_annotators_can_be_compared_in_pairs(database: Database) -> None:
    seeded = contested(database, people=("Ana", "Bo", "Cy"))
    test = page(seeded)
    box = test.selectbox(key="quality_pair")
    assert box.options[0] == "Everybody"
    assert len(box.options) == 4
    box.select_index(2).run()
    assert not test.exception


def test_one_annotator_alone_is_told_what_to_do(database: Database) -> None:
    seeded = seed(database)
    assert "Nobody has answered yet" in texts(page(seeded))
    answer(seeded, access.local_user(database, "Ana"), 0)
    test = page(seeded)
    assert not test.exception
    assert "One person has answered so far" in texts(test)
    assert "overlap to 2" in texts(test)


def test_no_overlap_is_told(database: Database) -> None:
    seeded = seed(database, k=10, reserve=0)
    for place, name in enumerate(("Ana", "Bo")):
        actor = access.local_user(database, name)
        from db import claims

        held = claims.claim(database, actor, seeded.project.id, 5)
        assert len(held) == 5
        answer(seeded, actor, place) if place else None
    test = page(seeded)
    assert not test.exception
    shown = texts(test)
    assert "never the same image" in shown or "One person" in shown


def test_checks_are_made_from_known_classes_and_taken_out_of_use(database: Database) -> None:
    seeded = contested(database)
    assert "there are none now" in texts(page(seeded))
    with database.engine.begin() as connection:
        imported = "UPDATE labels SET origin = 'imported' WHERE sample_id IN (SELECT sample_id FROM labels LIMIT 3)"
        connection.execute(text(imported))
    test = page(seeded)
    test.number_input(key="checks_wanted").set_value(2).run()
    test.button(key="checks_draw").click().run()
    assert not test.exception
    assert "2 more checks are mixed in" in "".join(toast.value for toast in test.toast)
    marked = gold.listed(database, seeded.actor, seeded.project.id)
    assert len(marked) == 2
    next(button for button in test.button if button.label == "Use no longer").click().run()
    assert len(gold.listed(database, seeded.actor, seeded.project.id)) == 1


def test_names_and_notes_stay_text(database: Database) -> None:
    classes = ("<img src=x onerror=alert(1)>", "[x](javascript:alert)", "=1+1")
    seeded = contested(database, classes=classes, people=("<b>Eve</b>", "$x$ :red[y]"))
    test = page(seeded)
    assert not test.exception
    for element in (*test.markdown, *test.caption):
        assert not element.allow_html
    for element in (*test.markdown, *test.caption, *test.warning):
        assert not any(mark in unescaped(element.value) for mark in MARKUP), element.value


def test_below_reviewer_the_page_says_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    seeded = contested(database)
    from db import quality
    from db.errors import PermissionDenied

    def refuse(*_: object) -> None:
        raise PermissionDenied("expected the role reviewer")

    monkeypatch.setattr(quality, "votes", refuse)
    test = page(seeded)
    assert not test.exception
    assert "for reviewers" in "".join(element.value for element in test.info)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (agreement(0.82, 0.80, 0.85), "0.82: reliable"),
        (agreement(0.82, 0.61, 0.95), "anywhere from 0.61 to 0.95"),
        (agreement(0.70, 0.68, 0.75), "tentative"),
        (agreement(0.30, 0.20, 0.40), "not reliable"),
        (agreement(-0.1, -0.2, 0.0), "no better than chance"),
        (agreement(0.9, None, None, 2), "too few images"),
        (agreement(None, items=0), "No image has answers of two people"),
        (agreement(None, items=5), "all"),
    ],
)
def test_alpha_is_told_in_words(found: Agreement, said: str) -> None:
    assert said.lower() in words.alpha_words(found).lower()


def test_who_should_be_looked_at() -> None:
    fast = person(timed=100, fast=40)
    wrong = person(name="Cy", gold_total=20, gold_right=8)
    follows = person(name="Di", shown_total=100, shown_overruled=0, hidden_total=50, hidden_differed=20)
    stubborn = person(name="Ed", shown_total=100, shown_overruled=80)
    found = words.notices(team(fast, wrong, follows, stubborn, spot_total=20, spot_differed=3))
    assert len(found) == 5
    assert "Bo gave 40% of the answers in less than 1.0 s" in found[0]
    assert "Cy is right on 8 of 20 gold images" in found[1]
    assert "without looking" in found[2]
    assert "Ed overruled 80%" in found[3]
    assert "3 of 20 images confirmed in the grid" in found[4]
    assert words.notices(team(person(timed=10, fast=10), person(gold_total=5, gold_right=0))) == []


def test_charts_can_be_drawn() -> None:
    alpha_chart([("All", agreement(0.5, 0.4, 0.6)), ("None", agreement(None)), ("Few", agreement(-0.2))]).to_dict()
    counts = np.random.default_rng(0).integers(5, size=(60, 60))
    assert len(most_confused(counts)) == 30
    drawn = confusion_chart(counts, [f"class {place}" for place in range(60)], "Ana says", "Bo says").to_dict()
    assert len(drawn["layer"]) == 2


def test_the_page_imports_no_torch() -> None:
    code = "import sys, labeler_ui.pages.quality, labeler_ui.pages.review; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
