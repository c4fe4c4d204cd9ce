"""Groups for the grid: what the round's model is sure of and nothing that is asked singly; nobody waits for them."""

from __future__ import annotations

import uuid

import numpy as np
import pytest
import torch

from db import annotations as answers
from db import claims, grid, labels, model_versions, samples
from db import rounds as round_store
from db.records import Answer, Project
from db.tables import QueryRow
from flows import rounds
from flows.confirm import GROUP, confirm_queries, how_many
from flows.learning import load_version
from flows.rounds import Batch, run_round
from flows.store import Store
from flows.training_data import open_pool
from pipeline.strategies.base import Selection
from pipeline.strategies.confident import by_turns
from pipeline.strategies.uncertainty import doubt
from pipeline.training.inference import predict_logits
from tests.flows.conftest import make_project, read_digits
from tests.flows.test_rounds import QUIET, SMALL, person, ranked_round
from tests.flows.test_why import queries_of

SURE_ENOUGH = 0.3  # of a model that has seen twenty digits


def sure_of(*predicted: int) -> Selection:
    ids = 10 * np.arange(1, len(predicted) + 1)
    return Selection(ids=ids, scores=np.arange(len(predicted), dtype=float), predicted=np.array(predicted), nearest=ids)


def project_with_a_grid(store: Store, **settings: object) -> Project:
    given = {"confirm_share": 1.0, "confirm_confidence": SURE_ENOUGH, "overlap": 2, **settings}
    project = make_project(store, **given)
    read_digits(store, project)
    return project


def split(store: Store, round_id: int) -> tuple[list[QueryRow], list[QueryRow]]:
    """Queries of the grid, and all others."""
    queries = queries_of(store, round_id)
    return [row for row in queries if row.kind == "confirm"], [row for row in queries if row.kind != "confirm"]


def answer(store: Store, project: Project, query: object, *, mode: str = "single") -> object:
    """Answer a claimed query with its known class."""
    actor = person(store)
    truth = samples.known_classes(store.database, project.id, np.array([query.sample_id]))[query.sample_id]
    given = Answer(
        answer_id=str(uuid.uuid4()),
        query_id=query.query_id,
        token=query.token,
        outcome="class",
        class_id=project.classes[truth].id,
        mode=mode,
    )
    return answers.submit(store.database, actor, project.id, given)


def test_groups_are_of_one_class_with_the_surest_first() -> None:
    queries = confirm_queries(sure_of(7, 2, 2, 7, 2), 5, 3, first_rank=20)
    assert [(query.sample_id, query.predicted, query.group) for query in queries] == [
        (20, 2, "round-3-class-2-1"),
        (30, 2, "round-3-class-2-1"),
        (50, 2, "round-3-class-2-1"),
        (10, 7, "round-3-class-7-1"),
        (40, 7, "round-3-class-7-1"),
    ]
    assert [query.rank for query in queries] == [20, 21, 22, 23, 24]
    assert {(query.kind, query.slots, query.reserve, query.details) for query in queries} == {
        ("confirm", None, False, None)
    }


def test_fewer_than_were_found_are_the_first_of_each_class() -> None:
    assert [query.sample_id for query in confirm_queries(sure_of(7, 2, 2, 7, 2), 3, 1, 0)] == [20, 30, 10]
    assert confirm_queries(sure_of(1), 0, 1, 0) == []
    assert confirm_queries(None, 5, 1, 0) == []


def test_large_groups_are_split_evenly() -> None:
    queries = confirm_queries(sure_of(*([4] * (2 * GROUP + 1))), 1000, 2, 0)
    keys = [query.group for query in queries]
    assert [keys.count(f"round-2-class-4-{part}") for part in (1, 2, 3)] == [33, 32, 32]
    assert [query.sample_id for query in queries] == sorted(query.sample_id for query in queries)


def test_a_round_puts_what_its_model_is_sure_of_into_groups(store: Store) -> None:
    project = project_with_a_grid(store)
    round_id = ranked_round(store, project)
    grid, others = split(store, round_id)
    learn = [row for row in others if row.kind == "learn" and not row.reserve]
    assert len(grid) == how_many(project, len(learn)) == 5
    assert not {row.sample_id for row in grid} & {row.sample_id for row in others}
    assert min(row.rank for row in grid) > max(row.rank for row in others)
    assert {row.slots for row in grid} == {2}
    for row in grid:
        assert row.group_key == f"round-2-class-{row.predicted}-1"
    figures = round_store.history(store.database, store.actor, project.id)[1].diagnostics
    assert figures["to_confirm"] == 5
    assert figures["confirm_groups"] == len({row.group_key for row in grid})
    assert {row.sample_id: row.predicted for row in grid} == surest_by_hand(store, project, round_id, 5)


def surest_by_hand(store: Store, project: Project, round_id: int, most: int) -> dict[int, int]:
    """Choose from the whole pool in memory."""
    version = model_versions.for_round(store.database, round_id)
    assert version is not None
    pool = open_pool(store, samples.pool_index(store.database, project.id, labeled=False))
    ids, logits = predict_logits(load_version(store, version), pool, device=torch.device("cpu"))
    asked = {row.sample_id for row in split(store, round_id)[1]}
    sure = torch.softmax(logits.double(), dim=1).amax(dim=1).numpy() >= SURE_ENOUGH
    free = np.flatnonzero(sure & ~np.isin(ids, list(asked)))
    predicted = logits.argmax(dim=1).numpy()[free]
    chosen = free[by_turns(ids[free], doubt(logits).numpy()[free], predicted, most)]
    return dict(zip(ids[chosen].tolist(), logits.argmax(dim=1).numpy()[chosen].tolist(), strict=True))


def test_the_holdout_and_what_people_saw_are_never_in_a_group(store: Store) -> None:
    project = make_project(store, confirm_share=1.0, confirm_confidence=0.0, overlap=1, holdout_size=30)
    read_digits(store, project, 120, test=False)
    batch = Batch(first=20, size=80, reserve=0)
    run_round(store, project.id, QUIET, batch)
    for query in claims.claim(store.database, person(store), project.id, 30):
        if query.rank % 5:
            answer(store, project, query)
        else:
            passed = Answer(answer_id=str(uuid.uuid4()), query_id=query.query_id, token=query.token, outcome="unsure")
            answers.submit(store.database, person(store), project.id, passed)
    run_round(store, project.id, QUIET, Batch(first=20, size=10, reserve=0))
    turn = round_store.history(store.database, store.actor, project.id)[1]
    grid, _ = split(store, turn.round_id)
    askable = set(samples.pool_index(store.database, project.id, splits=("pool",), labeled=False).ids.tolist())
    assert grid
    assert {row.sample_id for row in grid} <= askable


@pytest.mark.parametrize("changes", [{"confirm_share": 0.0}, {"confirm_confidence": 1.0}])
def test_there_are_no_groups_where_nobody_wants_them_or_nothing_is_sure(
    store: Store, changes: dict[str, float]
) -> None:
    project = project_with_a_grid(store, **changes)
    round_id = ranked_round(store, project)
    assert split(store, round_id)[0] == []
    figures = round_store.history(store.database, store.actor, project.id)[1].diagnostics
    assert figures.get("to_confirm", 0) == 0
    assert ("to_confirm" in figures) == (project.confirm_share > 0)


def test_without_a_model_nothing_is_sure(store: Store) -> None:
    project = project_with_a_grid(store)
    outcome = run_round(store, project.id, QUIET, SMALL)
    assert outcome.round_id is not None
    assert split(store, outcome.round_id)[0] == []


def test_groups_that_nobody_touched_keep_no_round_from_ending(store: Store) -> None:
    project = project_with_a_grid(store, overlap=1)
    round_id = ranked_round(store, project)
    grid, _ = split(store, round_id)
    held = claims.claim(store.database, person(store), project.id, 5)  # the learn queries come first
    assert not {query.query_id for query in held} & {row.id for row in grid}
    for query in held:
        answer(store, project, query)
    assert [due.reason for due in round_store.due(store.database)] == ["complete"]
    outcome = run_round(store, project.id, QUIET, SMALL)
    assert outcome.number == 3
    assert {row.state for row in split(store, round_id)[0]} == {"withdrawn"}  # the next model is asked again
    assert outcome.round_id is not None
    assert len(split(store, outcome.round_id)[0]) == 5


def test_confirmed_images_become_labels_like_any_other(store: Store) -> None:
    project = project_with_a_grid(store, overlap=1, spot_check_share=0.0)
    ranked_round(store, project)
    before = labels.counts(store.database, store.actor, project.id)
    group = grid.claim_group(store.database, person(store), project.id)
    assert group is not None
    assert 1 <= len(group.queries) <= GROUP
    assert {project.classes[row.predicted].id for row in split(store, _newest(store, project))[0]} >= {group.class_id}
    for query in group.queries:
        answer(store, project, query, mode="grid")
    after = labels.counts(store.database, store.actor, project.id)
    assert sum(after.values()) - sum(before.values()) == len(group.queries)


def _newest(store: Store, project: Project) -> int:
    return round_store.history(store.database, store.actor, project.id)[-1].round_id


def test_a_round_run_twice_has_the_same_groups(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    project = project_with_a_grid(store, overlap=1)
    run_round(store, project.id, QUIET, SMALL)
    for query in claims.claim(store.database, person(store), project.id, 100):
        answer(store, project, query)
    offered: list[list[tuple[int, str | None]]] = []

    def die(*arguments: object) -> None:
        queue = arguments[-1]
        offered.append([(item.sample_id, item.group) for item in queue.queries if item.kind == "confirm"])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rounds.round_store, "enqueue", die)
        with pytest.raises(KeyboardInterrupt):
            run_round(store, project.id, QUIET, SMALL)
    run_round(store, project.id, QUIET, SMALL)
    grid, _ = split(store, _newest(store, project))
    assert [(row.sample_id, row.group_key) for row in grid] == offered[0]
    assert len(grid) == 5
