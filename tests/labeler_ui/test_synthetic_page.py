"""The Synthetic page: what it shows of a version, what decisions do, and who gets the images."""

from __future__ import annotations

import dataclasses

import pytest
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from db import access, projects, synthetic
from db.engine import Database
from db.errors import PermissionDenied
from db.records import Holdout, Role, RoundSummary
from labeler_ui import synthetic_words as words
from labeler_ui.api.images import SYNTHETIC_HEADER
from labeler_ui.synthetic_charts import UNUSED, USED, recall_chart, recall_rows
from tests.labeler_ui.conftest import token_for
from tests.labeler_ui.made import CHECKS, TEST, made_images
from tests.labeler_ui.seed import Seeded, seed
from tests.labeler_ui.test_pages import texts

PAGE = """
from labeler_ui.pages import synthetic, visit
synthetic.show(visit.sidebar())
"""


def page(seeded: Seeded) -> AppTest:
    test = AppTest.from_string(PAGE, default_timeout=60)
    test.query_params["project"] = seeded.project.name
    return test.run()


def states(seeded: Seeded) -> set[tuple[str, str]]:
    return {(row["state"], row["decided_by"]) for row in seeded.rows("SELECT state, decided_by FROM synthetic_samples")}


def press(test: AppTest, verdict: str) -> AppTest:
    button = next(entry for entry in test.button if str(entry.key).startswith(f"synthetic-{verdict}"))
    return button.click().run()


def test_without_any_it_says_how_to_get_them(database: Database) -> None:
    seeded = seed(database)
    test = page(seeded)
    assert not test.exception
    assert "Nothing is made for this project" in texts(test)
    projects.update_project(database, seeded.actor, seeded.project.id, generate="gan", generate_below=50)
    assert "at least 20 and fewer than 50 labels" in texts(page(seeded))


def test_a_version_is_shown_with_reason_figures_and_what_it_changed(database: Database) -> None:
    seeded = seed(database)
    made_images(seeded)
    test = page(seeded)
    assert not test.exception
    shown = texts(test) + test.info[0].value
    for part in (
        "not photos", "The gate lets these in", "62 % to 71", "6 images: 6 accepted", "340 labels", "1,200 unlabeled",
        "give or take 3", "No round has measured this class",
    ):  # fmt: skip
        assert part in shown.replace("\\", ""), part
    table = test.dataframe[0].value
    assert table["Result"].tolist() == ["passes"] * 4 + ["told only"]
    assert table["Needed"].tolist()[3] == "at least 0.7, at most 2"


def test_a_person_decides_against_the_gate_and_history_keeps_it(database: Database) -> None:
    seeded = seed(database)
    made_images(seeded, verdict="refused")
    test = page(seeded)
    assert "The gate keeps these out" in texts(test)
    assert "\\<b\\>" in texts(test)  # a reason is text
    assert states(seeded) == {("rejected", "gate")}
    test.text_input[0].input("They look right to me").run()
    test = press(test, "accepted")
    assert not test.exception
    assert states(seeded) == {("accepted", "class review")}
    history = test.dataframe[-1].value
    assert history["What"][0] == "ada accepted all of them, against the gate (6 images changed)"
    assert history["Why"][0] == "They look right to me"
    press(test, "rejected")
    assert states(seeded) == {("rejected", "class review")}


def test_versions_and_classes_can_be_chosen(database: Database) -> None:
    seeded = seed(database)
    made_images(seeded)
    made_images(seeded, verdict="refused", key="two")
    test = page(seeded)
    box = next(entry for entry in test.selectbox if entry.label == "Made by")
    assert box.options == ["Version 2 (GAN)", "Version 1 (GAN)"]
    assert "keeps these out" in texts(test)
    box.select_index(1).run()
    assert "lets these in" in texts(test)


def test_figures_and_deciders_in_words() -> None:
    row = words.figure_row({**CHECKS[1], "value": 0.5, "passed": False})
    assert (row["Generated"], row["Needed"], row["Result"]) == ("50 %", "at least 87 %", "refuses")
    assert words.figure_row({"name": "made_up", "value": 2.5})["What"] == "made up"
    assert "No paired test" in words.paired_words(None)
    assert "+9.0 points" in words.paired_words(TEST)
    assert {check["name"] for check in CHECKS} <= set(words.FIGURES)


def test_recall_by_round_tells_what_trained(database: Database) -> None:
    fields = {field.name: None for field in dataclasses.fields(RoundSummary)}
    test = {"correct": 3, "total": 10, "class_recall": {"0": 0.1}}
    held = Holdout(correct=4, total=10, class_recall={0: 0.4})
    told = [({}, None, 0), ({"test": test}, None, 0), ({}, held, 9)]
    turns = [
        RoundSummary(**{**fields, "number": number, "metrics": metrics, "holdout": holdout, "synthetic_used": used})
        for number, (metrics, holdout, used) in enumerate(told, 1)
    ]
    rows = recall_rows(turns, 0)
    assert [(row["round"], row["recall"], row["split"], row["trained"]) for row in rows] == [
        (2, 0.1, "test", UNUSED), (3, 0.4, "holdout", USED),
    ]  # fmt: skip
    assert recall_rows(turns, 1) == []
    assert recall_chart(rows).to_dict()["height"] == 240


def test_images_are_for_reviewers_and_say_what_they_are(client: TestClient, seeded: Seeded) -> None:
    version = made_images(seeded)
    owl = seeded.project.classes[3].id
    image = synthetic.images(seeded.database, seeded.actor, seeded.project.id, version.id, owl)[0]
    url = f"/api/projects/{seeded.project.id}/synthetic/{image.id}"
    answer = client.get(url, headers=token_for(seeded))
    assert answer.status_code == 200
    assert answer.content.startswith(b"\x89PNG")
    assert answer.headers["cache-control"] == "private, max-age=86400, immutable"
    assert answer.headers[SYNTHETIC_HEADER] == "made by a generator, not a photo"
    again = client.get(url, headers={**token_for(seeded), "If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.headers[SYNTHETIC_HEADER]) == (304, "made by a generator, not a photo")
    assert client.get(url).status_code == 401
    assert (
        client.get(url.replace(f"synthetic/{image.id}", "synthetic/999"), headers=token_for(seeded)).status_code == 404
    )
    other = seed(seeded.database)
    foreign = f"/api/projects/{other.project.id}/synthetic/{image.id}"
    assert client.get(foreign, headers=token_for(other)).status_code == 404
    user = access.add_user(seeded.database, seeded.actor, "ann")
    access.add_member(seeded.database, seeded.actor, seeded.project.id, user.id, Role.annotator)
    headers = token_for(seeded, user_id=user.id, name="ann")
    assert client.get(url, headers=headers).status_code == 403


def test_the_page_says_whom_it_is_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    made_images(seed(database))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionDenied("expected the role reviewer")

    monkeypatch.setattr(synthetic, "groups", refuse)
    test = AppTest.from_string(PAGE, default_timeout=60).run()
    assert not test.exception
    assert "for reviewers" in "".join(element.value for element in test.info)


def test_the_settings_are_on_the_project_page(database: Database) -> None:
    seeded = seed(database)
    test = AppTest.from_string(PAGE.replace("synthetic", "project"), default_timeout=60)
    test.query_params["project"] = seeded.project.name
    test.run()
    number = seeded.project.id
    test.selectbox(key=f"generate-{number}").select("translation")
    test.selectbox(key=f"balance-{number}").select("sampling")
    test.number_input(key=f"generate_below-{number}").set_value(40)
    test.number_input(key=f"copy_check-{number}").set_value(5.0)
    next(entry for entry in test.button if entry.label == "Save the settings").click().run()
    assert not test.exception
    saved = projects.get_project(database, seeded.actor, number)
    assert (saved.generate, saved.balance, saved.generate_below, saved.copy_check_share) == (
        "translation", "sampling", 40, 0.05,
    )  # fmt: skip
