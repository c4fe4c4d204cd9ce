"""A simulation is a person's way through the store: its answers are in SQL, it can be killed, its seed decides."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from db import claims, projects, samples
from db.access import local_user
from flows.errors import Canceled
from flows.report import SilentReporter
from flows.settings import Settings
from flows.simulate import ANNOTATOR, CurvePoint, SimulationOptions, simulate
from flows.store import Store, open_store
from tests.flows.conftest import Said

OPTIONS = SimulationOptions(
    dataset="digits",
    strategy="dfal",
    model="lenet5",
    recipe="quick",
    labels=30,
    batch=5,
    seed_labels=20,
    seed=3,
    image_size=28,
    channels=1,
)


def curve(store: Store, options: SimulationOptions = OPTIONS) -> list[tuple[int, float]]:
    result = simulate(store, options, SilentReporter(), lambda _: None)
    return [(point.labels, point.test_accuracy) for point in result["curve"]]


def test_its_answers_are_in_sql_as_if_a_person_had_given_them(store: Store) -> None:
    shown: list[CurvePoint] = []
    result = simulate(store, OPTIONS, SilentReporter(), shown.append)
    assert [point.labels for point in shown] == [20, 25, 30]
    assert shown == result["curve"]
    project = projects.get_project(store.database, store.actor, result["project"])
    ids, positions = samples.labeled(store.database, project.id)
    truth = samples.known_classes(store.database, project.id, ids)
    assert len(ids) == 30
    assert [truth[int(sample_id)] for sample_id in ids] == positions.tolist()
    with store.database.engine.connect() as connection:
        names = connection.execute(
            text("SELECT DISTINCT u.name FROM annotation_events e JOIN users u ON u.id = e.user_id")
        ).scalars()
        assert list(names) == [ANNOTATOR]
    assert claims.claim(store.database, local_user(store.database, "ana"), project.id, 5) == []


def test_one_that_was_killed_goes_on_to_the_same_curve(settings: Settings, tmp_path: Path) -> None:
    class Kill(SilentReporter):
        def progress(self, done: int, total: int, message: str) -> None:
            if message.startswith("ranking"):
                raise Canceled("killed")

    curves = []
    for name in ("whole", "killed"):
        with open_store(settings.model_copy(update={"home": tmp_path / name}), system=True) as store:
            if name == "killed":
                with pytest.raises(Canceled):
                    simulate(store, OPTIONS, Kill(), lambda _: None)
            curves.append(curve(store))
    assert curves[0] == curves[1]
    assert len(curves[0]) == 3


def test_again_it_answers_from_what_is_stored(store: Store) -> None:
    assert curve(store) == curve(store)
    assert len(projects.list_projects(store.database, store.actor)) == 1


def test_the_command_writes_the_curve(run: Callable[..., Said], tmp_path: Path) -> None:
    out = tmp_path / "curve.json"
    said = run(
        "simulate", "--dataset", "digits", "--strategy", "random_sampling", "--model", "lenet5", "--recipe", "quick",
        "--labels", 25, "--batch", 5, "--seed-labels", 20, "--seed", 1, "--json", out,
    )  # fmt: skip
    assert said.code == 0, said.err
    result = json.loads(out.read_text())
    assert [point["labels"] for point in result["curve"]] == [20, 25]
    assert set(result["curve"][0]) == {
        "labels", "test_accuracy", "balanced_accuracy", "calibration_error", "class_recall", "train_seconds",
        "query_seconds",
    }  # fmt: skip
    assert result["seed"] == 1
    assert "RandomSampling" in result["strategy"]
    assert result["device"]
    assert result["versions"]["torch"]
