"""The pages without a browser: what they show, what they teach, and the second way of answers."""

from __future__ import annotations

import dataclasses
import time
import uuid
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from db import claims, jobs, model_versions, projects
from db.engine import Database
from db.progress import progress
from db.records import Counts, Holdout, NewFile, NewModelVersion, ProjectSpec, RoundSummary
from labeler_ui import store
from labeler_ui.charts import accuracy_chart, accuracy_points
from labeler_ui.server import SCRIPT
from tests.labeler_ui.seed import Seeded, seed


def page(project: str = "", name: str = "ada") -> AppTest:
    test = AppTest.from_file(str(SCRIPT), default_timeout=30)
    if project:
        test.query_params["project"] = project
    test.query_params["name"] = name
    return test


PROGRESS = """
from labeler_ui.pages import progress, visit
progress.show(visit.sidebar())
"""


def progress_page(seeded: Seeded) -> AppTest:
    test = AppTest.from_string(PROGRESS, default_timeout=30)
    test.query_params["project"] = seeded.project.name
    return test.run()


def texts(test: AppTest) -> str:
    kinds = ("title", "subheader", "markdown", "caption", "warning", "code", "metric")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(test, kind))


def data_of(test: AppTest) -> Any:
    import json

    [element] = [found for found in test.main if found.type == "bidi_component"]
    return json.loads(element.proto.json)


def test_without_a_project_the_page_teaches_the_command(database: Database) -> None:
    test = page().run()
    assert not test.exception
    assert "borderline demo" in texts(test)
    assert "borderline project create" in texts(test)


def test_the_label_page_hands_the_component_what_it_needs(seeded: Seeded) -> None:
    test = page(seeded.project.name).run()
    assert not test.exception
    data = data_of(test)
    assert [entry["key"] for entry in data["classes"]] == list("0123456789")
    assert data["user"]["name"] == "ada"
    assert data["expires_in"] > 600
    assert set(data["project"]) == {"id", "name", "guidelines", "show_why", "grid"}


def test_the_pickers_follow_the_address_and_change_it(seeded: Seeded) -> None:
    other = seed(seeded.database)
    test = page(other.project.name, "grace").run()
    assert test.selectbox(key="borderline_project").value == other.project.name
    assert data_of(test)["user"]["name"] == "grace"
    test.selectbox(key="borderline_project").select(seeded.project.name).run()
    assert data_of(test)["project"]["id"] == seeded.project.id
    assert test.query_params["project"] in (seeded.project.name, [seeded.project.name])


def test_an_unknown_project_in_the_address_is_said(seeded: Seeded) -> None:
    test = page("nonsense").run()
    assert "There is no project nonsense" in texts(test)
    assert data_of(test)["project"]["id"] == seeded.project.id


def test_answers_arrive_by_the_second_way_once(seeded: Seeded) -> None:
    actor = store.actor(seeded.database, "ada")
    query = claims.claim(seeded.database, actor, seeded.project.id, 1)[0]
    entry = {
        "kind": "answer", "id": str(uuid.uuid4()), "query_id": query.query_id, "token": query.token,
        "outcome": "class", "class_id": seeded.project.classes[4].id,
    }  # fmt: skip
    test = page(seeded.project.name)
    test.session_state[f"labeler-{seeded.project.id}-{actor.user_id}"] = {"outbox": {"turn": 1, "entries": [entry]}}
    test.run()
    test.run()
    assert not test.exception
    assert [row["class_name"] for row in seeded.answers()] == ["4"]
    assert [(result["id"], result["ok"]) for result in data_of(test)["results"]] == [(entry["id"], True)]


@pytest.mark.parametrize("state", [None, "x", {"entries": "x"}, {"entries": [None, 3, {"id": 4}]}, [1]])
def test_nonsense_by_the_second_way_does_no_harm(seeded: Seeded, state: object) -> None:
    actor = store.actor(seeded.database, "ada")
    test = page(seeded.project.name)
    test.session_state[f"labeler-{seeded.project.id}-{actor.user_id}"] = {"outbox": state}
    assert not test.run().exception
    assert seeded.answers() == []


def test_progress_shows_the_round_that_is_labeled(seeded: Seeded) -> None:
    test = progress_page(seeded)
    assert not test.exception
    shown = texts(test)
    assert "Round 1 is being labeled" in shown
    assert {metric.label: metric.value for metric in test.metric}["Labels"] == "0"
    assert "The curve starts" in shown


def test_progress_shows_running_work_and_the_last_error(seeded: Seeded) -> None:
    job = jobs.begin(seeded.database, seeded.actor, seeded.project.id, "round", "test")
    assert job is not None
    jobs.heartbeat(seeded.database, job, 3, 20, "training round 2, epoch 3 of 20")
    assert "The next images are being chosen" in texts(progress_page(seeded))
    jobs.finish(seeded.database, job, "failed", "the disk is full: [x](javascript:y)")
    shown = texts(progress_page(seeded))
    assert "the disk is full" in shown
    assert "[x](" not in shown.replace("\\", "\0")


def test_progress_teaches_ingest_to_an_empty_project(database: Database) -> None:
    actor = store.actor(database, "ada")
    bare = projects.create_project(database, actor, ProjectSpec(name="bare", classes=("a", "b")))
    test = progress_page(Seeded(database=database, project=bare, actor=actor))
    assert "borderline ingest bare FOLDER" in texts(test)


def test_a_project_deleted_meanwhile_is_said(seeded: Seeded, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = projects.list_projects(seeded.database, seeded.actor)
    projects.delete_project(seeded.database, seeded.actor, seeded.project.id)
    monkeypatch.setattr(projects, "list_projects", lambda *arguments: listed)
    test = progress_page(seeded)
    assert not test.exception
    assert "This project was deleted" in texts(test)


def turn(number: int, **changes: object) -> RoundSummary:
    values = {
        "round_id": number, "number": number, "state": "closed", "strategy": "dfal", "k": 10,
        "labels_before": 10 * number, "labels_gained": 10, "model_version_id": number, "labels_used": 10 * number,
        "metrics": {}, "test_accuracy": None, "holdout": None, "diagnostics": {}, "begun_at": 0, "opened_at": 0,
        "closed_at": 0,
    }  # fmt: skip
    return RoundSummary(**{**values, **changes})


def counts(test: int) -> Counts:
    names = [field.name for field in dataclasses.fields(Counts)]
    return Counts(**{**dict.fromkeys(names, 0), "pool": 100, "test": test})


def test_the_curve_says_which_images_and_how_many() -> None:
    points = accuracy_points([turn(2, test_accuracy=0.9), turn(1, test_accuracy=0.5), turn(3)], counts(200))
    assert [(point.round, point.labels, point.source, point.total) for point in points] == [
        (1, 10, "test", 200),
        (2, 20, "test", 200),
    ]
    assert all(point.low < point.accuracy < point.high for point in points)
    held_out = accuracy_points([turn(1, holdout=Holdout(correct=3, total=4))], counts(0))
    assert (held_out[0].source, held_out[0].accuracy, held_out[0].total) == ("holdout", 0.75, 4)
    wide, narrow = held_out[0].high - held_out[0].low, points[0].high - points[0].low
    assert wide > 3 * narrow


def test_the_chart_can_be_drawn_with_one_point_and_many() -> None:
    for many in (1, 3):
        points = accuracy_points([turn(number, test_accuracy=0.8) for number in range(1, many + 1)], counts(50))
        drawn = accuracy_chart(points).to_dict()
        assert len(drawn["layer"]) == 2


def test_progress_draws_the_curve_from_the_store(seeded: Seeded) -> None:
    now = progress(seeded.database, seeded.actor, seeded.project.id)
    measured = {"accuracy": 0.5, "correct": 5, "total": 10, "balanced_accuracy": 0.5, "calibration_error": 0.12}
    measured["class_recall"] = {"0": 0.9, "1": 0.1}
    version = NewModelVersion(
        file=NewFile(path=f"models/{time.time_ns()}", sha256="0" * 64, size=1), architecture="convnet", recipe="r",
        strategy="s", seed=0, labels_used=0, round_id=now.rounds[-1].round_id,
        metrics={"test_accuracy": 0.5, "test": measured},
    )  # fmt: skip
    model_versions.record(seeded.database, seeded.actor, seeded.project.id, version)
    page = progress_page(seeded)
    assert not page.exception
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["Balanced accuracy"] == "50.0%"
    assert shown["Calibration error"] == "12.0 points"
    classes = next(frame.value for frame in page.dataframe if "Found" in frame.value.columns)
    assert classes["Found"].tolist() == [10.0, 90.0]
    assert classes["Class"].tolist() == [seeded.project.classes[1].name, seeded.project.classes[0].name]
