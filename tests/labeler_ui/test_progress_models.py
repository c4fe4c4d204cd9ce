"""The Progress page's models without a browser: versions, the button that returns to one, advice and the budget."""

from __future__ import annotations

import hashlib

from streamlit.testing.v1 import AppTest

from db import access, annotations, claims, model_choices, model_versions, projects
from db.progress import progress
from db.records import Actor, Answer, ModelVersion, NewFile, NewModelVersion, Role, Waiting
from labeler_ui import store, words
from tests.labeler_ui.seed import Seeded
from tests.labeler_ui.test_project_page import button, errors
from tests.labeler_ui.test_project_page import page as project_page

PAGE = """
from labeler_ui.pages import progress, visit
progress.show(visit.sidebar())
"""

AS_REVIEWER = """
import streamlit as st
from labeler_ui import store
from labeler_ui.pages import progress_models
from labeler_ui.pages.visit import Visit
state = st.session_state
progress_models.show(Visit(database=store.database(), actor=state["eve"], project=state["project"]))
"""


def page(seeded: Seeded, name: str = "ada") -> AppTest:
    test = AppTest.from_string(PAGE, default_timeout=60)
    test.query_params["project"] = seeded.project.name
    test.query_params["name"] = name
    test.run()
    assert not test.exception
    return test


def said(test: AppTest) -> str:
    found = [item.value for item in (*test.markdown, *test.caption)]
    return " ".join(found).replace("\\", "")


def trained(seeded: Seeded, number: int, correct: int, **more: object) -> ModelVersion:
    data = f"{seeded.project.id}-{number}".encode()
    path = seeded.database.home / f"model-{seeded.project.id}-{number}.safetensors"
    path.write_bytes(data)
    recall = {"0": correct / 100, "1": correct / 100}
    new = NewModelVersion(
        file=NewFile(path=path.name, sha256=hashlib.sha256(data).hexdigest(), size=len(data)), architecture="convnet",
        recipe="r", strategy="s", seed=0, labels_used=20 * number,
        metrics={"validation": {"correct": correct, "total": 100, "class_recall": recall}, **more},
    )  # fmt: skip
    return model_versions.record(seeded.database, seeded.actor, seeded.project.id, new)


def in_use(seeded: Seeded) -> int:
    current = model_versions.current(seeded.database, seeded.project.id)
    assert current is not None
    return current.number


def test_an_administrator_returns_to_an_older_version_by_the_button(seeded: Seeded) -> None:
    one, two = trained(seeded, 1, 90), trained(seeded, 2, 80)
    reason = "it is [better](javascript:x)"
    model_choices.promote(seeded.database, seeded.actor, seeded.project.id, two.id, reason, instead_of=None)
    test = page(seeded)
    table = next(frame.value for frame in test.dataframe if "In use" in frame.value.columns)
    assert table["Version"].tolist() == [2, 1]
    assert table["In use"].tolist() == ["yes", ""]
    assert table["Accuracy"].tolist()[1] == "90.0% (82.6% to 94.5%), 100 validation"
    assert table["Last chosen because"].tolist() == [reason, "–"]
    assert "A new version takes over if it is not worse by accuracy." in said(test)
    test.text_input(key=f"version-why-{seeded.project.id}").input("two takes 3 for 8")
    button(test, "Use this one")
    assert in_use(seeded) == 1
    test = page(seeded)
    table = next(frame.value for frame in test.dataframe if "In use" in frame.value.columns)
    assert table["Last chosen because"].tolist() == [reason, "chosen by hand: two takes 3 for 8"]
    history = next(frame.value for frame in test.dataframe if "By" in frame.value.columns)
    assert history[["Version", "By"]].values.tolist() == [[1, "ada"], [2, "seeder"]]
    (seeded.database.home / two.path).unlink()
    assert "restore it from a backup" in errors(button(test, "Use this one"))
    assert in_use(seeded) == 1
    assert one.number == 1


def test_who_is_no_administrator_sees_the_versions_and_no_button(seeded: Seeded) -> None:
    one = trained(seeded, 1, 90)
    trained(seeded, 2, 80)
    model_choices.choose(seeded.database, seeded.actor, seeded.project.id, one.id)
    user = access.add_user(seeded.database, seeded.actor, "eve", None)
    access.add_member(seeded.database, seeded.actor, seeded.project.id, user.id, Role.reviewer)
    test = AppTest.from_string(AS_REVIEWER, default_timeout=60)
    test.session_state["eve"] = Actor(user_id=user.id, name="eve")
    test.session_state["project"] = seeded.project
    test.run()
    assert not test.exception
    assert any("In use" in frame.value.columns for frame in test.dataframe)
    assert not [item for item in test.button if item.label == "Use this one"]


def test_the_advice_is_said_in_sentences(seeded: Seeded) -> None:
    assert "Are more labels worth it?" not in [item.value for item in page(seeded).subheader]
    for number, correct in enumerate((60, 75, 82, 85, 87), start=1):
        trained(seeded, number, correct, agreement={"kappa": 0.9})
    test = page(seeded)
    assert "Are more labels worth it?" in [item.value for item in test.subheader]
    shown = said(test)
    assert "Going on is worth it" in shown
    assert "The next 100 labels are expected to add" in shown
    assert "agree with kappa 0.900" in shown


def test_rule_and_budget_are_set_on_the_project_page_and_the_budget_is_said(seeded: Seeded) -> None:
    ada = store.actor(seeded.database, "ada")
    for query in claims.claim(seeded.database, ada, seeded.project.id, 3):
        answer = Answer(
            answer_id=f"00000000-0000-4000-8000-{query.query_id:012d}", query_id=query.query_id, token=query.token,
            outcome="class", class_id=seeded.project.classes[0].id,
        )  # fmt: skip
        annotations.submit(seeded.database, ada, seeded.project.id, answer)
    test, key = project_page(seeded), f"-{seeded.project.id}"
    test.selectbox(key="promote" + key).set_value("better")
    test.selectbox(key="promote_by" + key).set_value("balanced_accuracy")
    test.number_input(key="margin" + key).set_value(1.5)
    test.number_input(key="budget" + key).set_value(3)
    button(test, "Save the settings")
    changed = projects.get_project(seeded.database, ada, seeded.project.id)
    assert (changed.promote, changed.promote_by) == ("better", "balanced_accuracy")
    assert (changed.promote_margin, changed.label_budget) == (0.015, 3)
    shown = said(page(seeded))
    assert "The budget of 3 labels is used: no further round begins" in shown
    assert "3 of 3 labels are used." in shown
    start = next(item for item in project_page(seeded).button if item.key == "start-round")
    assert start.disabled
    assert "The budget of 3 labels" in (start.help or "")
    waits = Waiting(with_others=0, next_free_in_ms=None, open=0)
    idle = words.idle_state(progress(seeded.database, ada, seeded.project.id), waits)
    assert "The budget of 3 labels is used" in idle["detail"]
    test.number_input(key="budget" + key).set_value(0)
    button(test, "Save the settings")
    assert projects.get_project(seeded.database, ada, seeded.project.id).label_budget is None
