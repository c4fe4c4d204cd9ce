"""A round that ranks on Ray asks what a round of one process asks, and says how it was done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from db import projects
from db import rounds as round_store
from db.access import local_user
from db.records import Project, Round
from flows import rounds
from flows.ranking import Ranking, rank
from flows.report import SilentReporter
from flows.rounds import Batch, run_round
from flows.settings import Settings
from flows.simulate import answer_all
from flows.store import Store
from tests.flows.conftest import Said, make_project, read_digits

QUIET = SilentReporter()
OWN = "tests.flows.strategies:SmallestIds"


def trained_round(store: Store, strategy: str) -> tuple[Project, Round]:
    """Return a round that has its model and ranks next."""
    project = make_project(store, strategy=strategy, confirm_share=0.5, confirm_confidence=0.5)
    read_digits(store, project)
    run_round(store, project.id, QUIET, Batch(first=20, size=5, reserve=5))
    answer_all(store, local_user(store.database, "ana"), project)
    round_id = rounds.begin(store, project.id)
    assert round_id is not None
    rounds.train(store, round_id, QUIET)
    return projects.get_project(store.database, store.actor, project.id), round_store.get_round(
        store.database, round_id
    )


def ranked(store: Store, project: Project, turn: Round, **settings: object) -> Ranking:
    other = replace(store, settings=store.settings.model_copy(update=settings))
    return rank(other, project, turn, 10, QUIET)


@pytest.mark.usefixtures("ray_here")
def test_a_round_on_ray_asks_the_same(store: Store) -> None:
    project, turn = trained_round(store, "dfal")
    here = ranked(store, project, turn)
    there = ranked(store, project, turn, runner="ray", ray_actors=1)
    for one, other in ((here.selection, there.selection), (here.sure, there.sure)):
        assert one is not None
        assert other is not None
        assert np.array_equal(one.ids, other.ids)
    assert there.selection is not None
    assert there.selection.copies is not None
    assert there.diagnostics["runner"] == "ray"
    assert there.diagnostics["actors"] == 1
    assert there.diagnostics["checked"] > 0  # the recall check of DFAL's search, summed over shards
    assert "runner" not in here.diagnostics
    assert here.strategy == there.strategy
    round_store_kept = {**there.diagnostics}
    assert "checks_by_shard" in round_store_kept


@pytest.mark.usefixtures("ray_here")
def test_what_cannot_be_shared_says_so(store: Store) -> None:
    project, turn = trained_round(store, OWN)
    there = ranked(store, project, turn, runner="ray", ray_actors=1)
    assert "smallest_ids" in there.diagnostics["in_one_process"]
    assert "mergeable" in there.diagnostics["in_one_process"]["smallest_ids"]


@pytest.mark.usefixtures("without_ray")
def test_without_ray_the_sentence_says_what_to_do(store: Store, run: Callable[..., Said]) -> None:
    project = make_project(store)
    read_digits(store, project, 40)
    said = run("round", "digits", "--runner", "ray")
    assert said.code == 2
    assert "borderline[cluster]" in said.err


def test_the_flow_worker_ranks_where_the_settings_say(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    assert settings.runner == "local"
    for name, value in (("RUNNER", "ray"), ("RAY_ADDRESS", "10.0.0.1:6379"), ("RAY_ACTORS", "4")):
        monkeypatch.setenv(f"BORDERLINE_{name}", value)
    child = Settings().environment()
    assert child["BORDERLINE_RUNNER"] == "ray"
    assert child["BORDERLINE_RAY_ADDRESS"] == "10.0.0.1:6379"
    assert child["BORDERLINE_RAY_ACTORS"] == "4"
