"""Ties are decided before training by who has been right so far: real votes of people, real SQL."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from db import annotations, claims, labels, projects, review, rounds
from db.access import local_user
from db.records import Actor, Answer, NewQuery, NewQueue, Project, Round
from db.samples import known_classes, pool_index
from flows.consensus import settle_ties
from flows.report import SilentReporter
from flows.rounds import train
from flows.store import Store
from tests.flows.conftest import make_project, read_digits

IMAGES, REVIEWED = 180, 60


def ask(store: Store, project: Project, count: int, slots: int) -> Round:
    turn = rounds.begin_round(store.database, store.actor, project.id)
    assert isinstance(turn, Round)
    ids = pool_index(store.database, project.id, labeled=False).ids[:count]
    queries = [NewQuery(sample_id=int(item), rank=rank, slots=slots) for rank, item in enumerate(ids)]
    return rounds.enqueue(store.database, store.actor, turn.id, NewQueue(queries=queries, strategy="test"))


def vote(store: Store, project: Project, actor: Actor, skill: float, seed: int) -> dict[int, int]:
    """Answer everything, right with a probability of `skill`; returns sample id -> class position given."""
    generator, given = np.random.default_rng(seed), {}
    queue = claims.claim(store.database, actor, project.id, 200)
    truth = known_classes(store.database, project.id, [query.sample_id for query in queue])
    for query in sorted(queue, key=lambda query: query.rank):
        place = truth[query.sample_id]
        if generator.random() >= skill:
            place = int((place + 1 + generator.integers(9)) % 10)
        given[query.sample_id] = place
        answer = Answer(
            answer_id=str(uuid.uuid4()),
            query_id=query.query_id,
            token=query.token,
            outcome="class",
            class_id=project.classes[place].id,
        )
        annotations.submit(store.database, actor, project.id, answer)
    return given


@pytest.fixture
def labeled(store: Store) -> Project:
    """Digits whose classes are known to the test alone; two people for each image."""
    project = make_project(store, holdout_size=0, overlap=2)
    read_digits(store, project, 220, test=False, labels="hide")
    return projects.get_project(store.database, store.actor, project.id)


def test_before_training_ties_go_to_the_one_who_has_been_right(
    store: Store, labeled: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(store, labeled, IMAGES, slots=2)
    careful, hasty = local_user(store.database, "cara"), local_user(store.database, "hugo")
    right = vote(store, labeled, careful, 1.0, 0)
    given = vote(store, labeled, hasty, 0.4, 1)
    ties = [item for item in right if right[item] != given[item]]
    assert sorted(review.ties(store.database, store.actor, labeled.id).tolist()) == sorted(ties)
    truth = known_classes(store.database, labeled.id, ties)
    for item in ties[:REVIEWED]:  # a reviewer decides some: that tells who is right
        review.decide(store.database, careful, labeled.id, str(uuid.uuid4()), item, labeled.classes[truth[item]].id)
    before = labels.rebuild(store.database)
    following = rounds.begin_round(store.database, store.actor, labeled.id)
    assert isinstance(following, Round)
    monkeypatch.setattr("flows.rounds.train_version", _stop)
    with pytest.raises(_Stopped):
        train(store, following.id, SilentReporter())
    after = labels.rebuild(store.database)
    decided = set(after) - set(before)
    assert len(decided) >= (len(ties) - REVIEWED) // 2
    assert all(after[item] == labeled.classes[truth[item]].id for item in decided)
    assert settle_ties(store, labeled) == []
    left = review.ties(store.database, store.actor, labeled.id)
    assert not set(left.tolist()) & decided


def test_two_strangers_who_differ_are_left_for_a_reviewer(store: Store, labeled: Project) -> None:
    ask(store, labeled, 4, slots=2)
    vote(store, labeled, local_user(store.database, "cara"), 1.0, 0)
    vote(store, labeled, local_user(store.database, "hugo"), 0.0, 1)
    assert len(review.ties(store.database, store.actor, labeled.id)) == 4
    assert settle_ties(store, labeled) == []
    assert review.waiting(store.database, store.actor, labeled.id) == 4


def test_without_ties_or_votes_there_is_nothing_to_do(store: Store, labeled: Project) -> None:
    assert settle_ties(store, labeled) == []
    ask(store, labeled, 3, slots=1)
    vote(store, labeled, local_user(store.database, "cara"), 1.0, 0)
    assert settle_ties(store, labeled) == []


class _Stopped(Exception):
    pass


def _stop(*_: object, **__: object) -> None:
    raise _Stopped
