"""What chooses while there is no model, what a strategy is given, and what is told about each query."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sqlalchemy import select

from db import projects, samples
from db import rounds as round_store
from db.access import local_user
from db.records import Project
from db.tables import QueryRow
from flows import ranking
from flows.errors import UsageError
from flows.ranking import choose_strategy
from flows.report import SilentReporter
from flows.rounds import Batch, run_round
from flows.simulate import SimulationOptions, answer_all
from flows.store import Store
from pipeline.catalog import STRATEGIES, WRAPPERS
from pipeline.data.pool import ImagePool
from pipeline.features.learned import STEPS
from tests.flows.conftest import Said, make_project, read_digits
from tests.flows.strategies import HERE, SmallestIds
from tests.flows.test_cli_errors import refuse

QUIET = SilentReporter()
SMALL = Batch(first=20, size=5, reserve=5)
SMALLEST = f"{HERE}:SmallestIds"
Run = Callable[..., Said]


def queries(store: Store, project: Project) -> list[QueryRow]:
    """All queries of the newest round, by rank."""
    newest = round_store.history(store.database, store.actor, project.id)[-1].round_id
    statement = select(QueryRow).where(QueryRow.round_id == newest).order_by(QueryRow.rank)
    return store.database.read(lambda session: list(session.scalars(statement)))


def diagnostics(store: Store, project: Project) -> dict[str, Any]:
    return dict(round_store.history(store.database, store.actor, project.id)[-1].diagnostics)


def ranked(store: Store, **settings: object) -> Project:
    """A project whose second round was ranked by a model."""
    project = make_project(store, **settings)
    read_digits(store, project, 120)
    run_round(store, project.id, QUIET, SMALL)
    answer_all(store, local_user(store.database, "ana"), project)
    run_round(store, project.id, QUIET, SMALL)
    return project


def test_the_cold_start_chooses_the_first_batch_and_the_round_says_so(store: Store) -> None:
    project = make_project(store, strategy="margin", cold_start=SMALLEST)
    read_digits(store, project, 60, test=False, labels="ignore")
    run_round(store, project.id, QUIET, SMALL)
    pool = samples.pool_index(store.database, project.id).ids
    learn = [query.sample_id for query in queries(store, project) if query.kind == "learn"]
    assert learn == np.sort(pool)[: len(learn)].tolist()
    said = diagnostics(store, project)
    assert said["reason"] == (
        "labels span fewer than two classes, so there is no model yet: smallest_ids chose this batch"
    )
    assert said["strategy"] == "smallest_ids"
    assert all("neighbors" not in (query.details or {}) for query in queries(store, project))


@pytest.mark.parametrize(
    ("kind", "strategy", "has_model", "chosen"),
    [
        ("labeling", "margin", False, "random_sampling"),
        ("labeling", SMALLEST, False, "smallest_ids"),  # it needs no model: why wait
        ("simulation", SMALLEST, False, "random_sampling"),  # compared from the same first labels
        ("labeling", "margin", True, "margin"),
        ("simulation", SMALLEST, True, "smallest_ids"),
    ],
)
def test_which_strategy_is_due(store: Store, kind: str, strategy: str, has_model: bool, chosen: str) -> None:
    project = make_project(store, kind=kind, strategy=strategy)
    assert choose_strategy(project, has_model=has_model).name == chosen


def test_a_cold_start_that_needs_a_model_stops_the_round_instead_of_a_guess(store: Store) -> None:
    project = make_project(store, cold_start="margin")
    read_digits(store, project, 40, test=False)
    with pytest.raises(UsageError, match="borderline project edit digits --cold-start typiclust"):
        run_round(store, project.id, QUIET, SMALL)


def test_typiclust_starts_a_project_by_default(store: Store, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STEPS, "autoencoder", 20)  # better features are not the point here
    assert run("project", "create", "cold", "--classes", "0,1,2,3,4,5,6,7,8,9").code == 0
    project = projects.get_project(store.database, store.actor, "cold")
    read_digits(store, project, 80, test=False, labels="ignore")
    run_round(store, project.id, QUIET, Batch(first=10, size=10, reserve=0))
    said = diagnostics(store, project)
    assert "typiclust chose this batch" in said["reason"]
    assert list(store.settings.project_folder(project.id, "embedders").iterdir())  # the next round need not learn it
    assert len([query for query in queries(store, project) if not query.reserve]) == 10


def test_a_strategy_is_given_the_round_its_labels_with_images_and_a_folder(store: Store) -> None:
    SmallestIds.contexts.clear()
    project = ranked(store, strategy=SMALLEST)
    first, second = SmallestIds.contexts
    assert (first.round_number, second.round_number) == (1, 2)
    assert first.model is None
    assert first.labeled_images is not None
    assert len(first.labeled_images) == 0
    assert second.model is not None
    assert second.labeled_images is not None
    assert second.labeled_images.ids.tolist() == second.labeled_ids.tolist()
    assert len(second.labeled_ids) == len(second.labeled_targets) == 25
    assert second.scratch == store.settings.project_folder(project.id, "embedders")
    assert set(second.pool.ids.tolist()).isdisjoint(second.labeled_ids.tolist())


def test_an_image_that_is_deleted_while_labels_are_read_is_left_out(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = ranked(store)
    turn = round_store.get_round(
        store.database, round_store.history(store.database, store.actor, project.id)[0].round_id
    )
    ids, targets = samples.labeled(store.database, project.id)
    assert len(ids)
    monkeypatch.setattr("flows.ranking.samples.labeled", lambda *_: (np.append(ids, 99_999), np.append(targets, 4)))
    pool = ImagePool.from_tensor(torch.zeros(1, 1, 2, 2).byte())
    context = ranking._context(store, project, turn, pool, None, QUIET, None)
    assert context.labeled_ids.tolist() == ids.tolist()
    assert context.labeled_targets.tolist() == targets.tolist()


def test_each_learn_query_tells_its_nearest_labeled_images(store: Store) -> None:
    project = ranked(store)
    labeled = set(samples.labeled(store.database, project.id)[0].tolist())
    asked = [query for query in queries(store, project) if query.kind == "learn"]
    assert len(asked) == 10
    for query in asked:
        assert query.details is not None
        assert query.details["place"]
        near = query.details["neighbors"]
        assert len(near) == len(set(near)) == 5
        assert set(near) <= labeled


def test_fewer_labels_give_fewer_neighbors(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def three(context: object, ids: np.ndarray, count: int) -> np.ndarray:
        return np.tile([4, 9, 2, -1, -1][:count], (len(ids), 1))

    monkeypatch.setattr("pipeline.features.neighbors.nearest_labeled", three)
    project = ranked(store)
    assert {tuple((query.details or {})["neighbors"]) for query in queries(store, project)} == {(4, 9, 2)}


def test_without_faiss_the_round_goes_on_and_says_it_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ranking._say_once.cache_clear()
    monkeypatch.setitem(sys.modules, "faiss", None)
    with caplog.at_level(logging.WARNING, "flows.ranking"):
        project = ranked(store)
        answer_all(store, local_user(store.database, "ana"), project)
        assert run_round(store, project.id, QUIET, SMALL).queries == 5
    details = [query.details or {} for query in queries(store, project)]
    assert [detail["place"] for detail in details] == list(range(1, 11))
    assert not any("neighbors" in detail for detail in details)
    assert sum("FAISS" in record.getMessage() for record in caplog.records) == 1


def test_settings_of_a_cold_start_that_cannot_be_are_refused(run: Run) -> None:
    create = ("project", "create", "x", "--classes", "a,b")
    refuse(run(*create, "--cold-start", "margin"), "cold start", "'margin'", "typiclust")
    refuse(run(*create, "--cold-start", "typiclst"), "typiclust")
    refuse(run(*create, "--strategy", "bald(drawz=5)"), "drawz")
    refuse(run("simulate", "--cold-start", "dfal"), "cold start", "'dfal'")
    assert run("project", "list", "--json").out.strip() == "[]"
    assert run(*create, "--cold-start", "random_sampling", "--strategy", "margin+deduplicated+copies").code == 0


def test_a_project_can_be_edited(run: Run) -> None:
    assert run("project", "create", "x", "--classes", "a,b").code == 0
    refuse(run("project", "edit", "x", "--cold-start", "margin"), "cold start", "'margin'")
    refuse(run("project", "edit", "x", "--strategy", "margn"), "margin")
    refuse(run("project", "edit", "x", "--recipe", "quik"), "quick")
    changes = ("--strategy", "ceal", "--cold-start", "random_sampling", "--recipe", "quick", "--batch", 7)
    changed = json.loads(run("project", "edit", "x", *changes, "--json").out)
    wanted = {"strategy": "ceal", "cold_start": "random_sampling", "recipe": "quick", "batch_size": 7}
    assert {field: changed[field] for field in wanted} == wanted
    assert "cold_start is random_sampling" in run("project", "edit", "x").out


def test_another_cold_start_is_another_simulation() -> None:
    options = SimulationOptions(dataset="digits", strategy="margin", labels=30, batch=5, seed_labels=20, seed=3)
    assert options.project_name == "simulation-digits-convnet-margin-20+5to30-seed3-0ab57c"  # as before there was one
    assert replace(options, cold_start="typiclust").project_name != options.project_name


def test_strategies_and_wrappers_are_listed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    shown = run("strategies").out
    for entry in (*STRATEGIES.values(), *WRAPPERS.values()):
        line = next(line for line in shown.splitlines() if f"│ {entry.name} " in line)
        assert entry.cost in line
    assert "arXiv:1802.09841" in shown
    assert max(map(len, shown.splitlines())) <= 100
    listed = json.loads(run("strategies", "--json").out)
    assert [entry["name"] for entry in listed] == [*STRATEGIES, *WRAPPERS]
    assert listed[0]["kind"] == "strategy"
    assert listed[-1]["kind"] == "wrapper"
    assert all(entry["summary"] and entry["cost"] for entry in listed)
