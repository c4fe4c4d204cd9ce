"""One vote more while the votes are even, up to the project's maximum; then what the records or a reviewer say."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from db import labels
from db.engine import Database
from tests.db.scenes import Scene, make_scene, scalar


def vote(scene: Scene, *names: str) -> int:
    """Let people with the names' numbers answer the first query, one after another; returns its sample."""
    sample_id = 0
    for number, name in enumerate(names):
        person = scene.person(f"person {number}")
        query = scene.claim(person, 1)[0]
        scene.submit(person, query, name)
        sample_id = query.sample_id
    return sample_id


def state(database: Database, sample_id: int) -> tuple[str, int]:
    statement = text("SELECT state, slots FROM queries WHERE sample_id = :id")
    row = database.read(lambda session: session.execute(statement, {"id": sample_id}).one())
    return row[0], row[1]


@pytest.mark.parametrize(
    ("most", "votes", "expected", "label"),
    [
        (4, ("cat",), ("open", 2), None),
        (4, ("cat", "cat"), ("closed", 2), "cat"),
        (4, ("cat", "dog"), ("open", 3), None),
        (4, ("cat", "dog", "dog"), ("closed", 3), "dog"),
        (4, ("cat", "dog", "owl"), ("open", 4), None),
        (4, ("cat", "dog", "owl", "cat"), ("closed", 4), "cat"),
        (3, ("cat", "dog", "owl"), ("closed", 3), None),
    ],
)
def test_votes_are_added_while_they_are_even(
    database: Database, most: int, votes: tuple[str, ...], expected: tuple[str, int], label: str | None
) -> None:
    scene = make_scene(database, overlap=2, max_overlap=most)
    scene.ask(1)
    sample_id = vote(scene, *votes)
    assert state(database, sample_id) == expected
    assert scene.labels().get(sample_id) == (scene.cls(label) if label else None)
    assert labels.rebuild(database) == scene.labels()


def test_a_fixed_overlap_stays_fixed(database: Database) -> None:
    scene = make_scene(database, overlap=2)
    scene.ask(1)
    assert state(database, vote(scene, "cat", "dog")) == ("closed", 2)


def test_an_even_vote_can_be_decided_by_the_records(database: Database) -> None:
    scene = make_scene(database, overlap=2)
    scene.ask(1)
    sample_id = vote(scene, "cat", "dog")
    decide(scene, sample_id, "dog")
    assert scene.labels() == {sample_id: scene.cls("dog")} == labels.rebuild(database)


def test_a_decision_is_void_once_a_vote_changes(database: Database) -> None:
    from db import annotations

    scene = make_scene(database, overlap=2)
    scene.ask(1)
    sample_id = vote(scene, "cat", "dog")
    decide(scene, sample_id, "dog")
    bob = scene.person("person 1")
    answer = annotations.recent(database, bob, scene.id)[0]
    receipt = annotations.undo(database, bob, scene.id, "0" * 31 + "1", answer.answer_id)
    assert scene.labels() == {} == labels.rebuild(database)
    assert receipt.claimed is not None
    scene.submit(bob, receipt.claimed, "owl")
    assert scene.labels() == {} == labels.rebuild(database)


def decide(scene: Scene, sample_id: int, name: str) -> None:
    """Write what the consensus flow writes: an event with the class, then bring the label in line."""
    query = scalar(scene.database, f"SELECT id FROM queries WHERE sample_id = {sample_id}")
    scene.database.write(
        lambda session: session.execute(
            text(
                "INSERT INTO annotation_events (project_id, sample_id, query_id, user_id, kind, class_id, counts, "
                "digest, payload, receipt, created_at) VALUES (:project, :sample, :query, :user, 'decide', :class, "
                ":counts, '', '{}', '{}', 1)"
            ),
            {"project": scene.id, "sample": sample_id, "query": query, "user": scene.system.user_id,
             "class": scene.cls(name), "counts": True},
        )
    )  # fmt: skip
    scene.database.write(lambda session: labels.resolve(session, scene.id, sample_id))
