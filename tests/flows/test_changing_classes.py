"""Classes change between rounds: rounds go on, models of any age are read in today's terms."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from db import classes, model_versions, projects, samples
from db import rounds as round_store
from db.records import NewQuery, NewQueue, Project
from db.tables import LabelTableRow, QueryRow
from flows import rounds
from flows.export_model import export_model
from flows.jobs import working
from flows.learning import load_version
from flows.outputs import fold, in_todays_classes, to_live
from flows.predict import CsvWriter, predict_source
from flows.report import SilentReporter
from flows.retrain import retrain_project
from flows.rounds import Batch, run_round
from flows.simulate import answer_all
from flows.store import Store
from pipeline.data.sources import open_source
from tests.flows.conftest import make_project, read_digits
from tests.flows.test_rounds import person

QUIET = SilentReporter()
SMALL = Batch(first=20, size=6, reserve=4)


def now(store: Store, project: Project) -> Project:
    return projects.get_project(store.database, store.actor, project.id)


def turn(store: Store, project: Project) -> rounds.RoundOutcome:
    """Answer what is asked by the truth of today and run the next round."""
    answer_all(store, person(store), now(store, project))
    return run_round(store, project.id, QUIET, SMALL)


def of(project: Project, name: str) -> int:
    return next(entry.id for entry in project.classes if entry.name == name)


@pytest.mark.parametrize("strategy", ["dfal", "margin+class_balanced", "ceal"])
def test_classes_are_added_and_merged_and_rounds_go_on(store: Store, tmp_path: Path, strategy: str) -> None:
    project = make_project(store, strategy=strategy)
    read_digits(store, project)
    run_round(store, project.id, QUIET, SMALL)
    first = turn(store, project)
    classes.add(store.database, store.actor, project.id, "ten")
    second = turn(store, project)
    seven, one = of(now(store, project), "7"), of(now(store, project), "1")
    classes.merge(store.database, store.actor, project.id, seven, one)
    third = turn(store, project)
    project = now(store, project)
    shapes = []
    for outcome in (first, second, third):
        assert outcome.model_version_id is not None
        version = model_versions.get(store.database, store.actor, project.id, outcome.model_version_id)
        shapes.append(load_version(store, version))
    assert [model.architecture.classes for model in shapes] == [10, 11, 11]
    live = {entry.position for entry in project.classes}
    assert 7 not in live
    rows = store.database.read(lambda session: session.execute(select(QueryRow.predicted, QueryRow.nearest)).all())
    assert {place for row in rows for place in row if place is not None} <= live
    held = store.database.read(lambda session: session.scalars(select(LabelTableRow.class_id)).all())
    assert seven not in held
    history = round_store.history(store.database, store.actor, project.id)
    assert [item.metrics.get("test", {}).get("total") for item in history[1:]] == [
        samples.counts(store.database, project.id).test
    ] * 3
    folder = tmp_path / "out"
    export_model(store, project.name, folder, ("safetensors",))
    named = json.loads((folder / "classes.json").read_text())
    assert (named[7], named[1], named[10]) == ("1", "1", "ten")
    assert "output 7 | was 7, counts as 1" in (folder / "README.md").read_text()


def test_an_older_model_predicts_in_todays_classes(store: Store) -> None:
    project = make_project(store)
    read_digits(store, project)
    run_round(store, project.id, QUIET, SMALL)
    turn(store, project)
    classes.add(store.database, store.actor, project.id, "ten")
    project = now(store, project)
    project = classes.merge(store.database, store.actor, project.id, of(project, "7"), of(project, "1"))
    out = io.StringIO()
    predict_source(store, project.name, open_source("digits"), CsvWriter(out, project.class_names), QUIET)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert list(rows[0])[3:] == [f"p_{name}" for name in project.class_names]
    assert {row["class"] for row in rows} <= set(project.class_names)
    assert all(abs(sum(float(row[f"p_{name}"]) for name in project.class_names) - 1) < 1e-4 for row in rows[:50])
    assert all(float(row["p_ten"]) == 0 for row in rows)


def test_a_class_added_while_a_round_waits_to_rank_does_not_stop_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(store, strategy="margin+class_balanced")
    read_digits(store, project, 150)
    run_round(store, project.id, QUIET, SMALL)
    answer_all(store, person(store), project)
    with monkeypatch.context() as patch:
        patch.setattr("flows.rounds.rank", _killed)
        with pytest.raises(KeyboardInterrupt):
            run_round(store, project.id, QUIET, SMALL)
    classes.add(store.database, store.actor, project.id, "ten")
    assert run_round(store, project.id, QUIET, SMALL).queries == 6  # with the model that was trained before


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_current_model_is_measured_anew_when_classes_changed(store: Store) -> None:
    project = make_project(store)
    read_digits(store, project, 200, test=False)
    run_round(store, project.id, QUIET, SMALL)
    turn(store, project)
    answer_all(store, person(store), project)
    classes.add(store.database, store.actor, project.id, "ten")
    with working(store, project.id, "retrain", QUIET) as job:
        assert retrain_project(store, project.id, job).promoted
    current = model_versions.current(store.database, project.id)
    assert current is not None
    assert current.metrics["classes"] == list(range(11))


def test_probabilities_fold_into_the_classes_in_use(store: Store) -> None:
    project = make_project(store, classes=("a", "b", "c", "d"))
    given = np.array([[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 1.0, 0.0]])
    assert fold(project, given) is given
    ids = {entry.name: entry.id for entry in project.classes}
    project = classes.merge(store.database, store.actor, project.id, ids["a"], ids["d"])
    assert np.allclose(fold(project, given), [[0.2, 0.3, 0.5], [0.0, 1.0, 0.0]])
    project = classes.remove(store.database, store.actor, project.id, ids["c"])
    assert np.allclose(fold(project, given), [[2 / 7, 5 / 7], [0.5, 0.5]])
    assert to_live(project, np.array([0, 1, 2, 3])).tolist() == [3, 1, -1, 3]
    queries = [
        NewQuery(sample_id=1, rank=0, predicted=0, nearest=3),
        NewQuery(sample_id=2, rank=1, predicted=2, kind="confirm"),
    ]
    kept = in_todays_classes(project, NewQueue(queries=queries, strategy="s")).queries
    assert [(query.sample_id, query.predicted, query.nearest) for query in kept] == [(1, 3, None)]
