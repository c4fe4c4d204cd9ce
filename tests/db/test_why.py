"""Why this image: who may see it and when, today's classes and labels, and checks that look like any other query."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db import access, annotations, projects, rounds, samples, why
from db.engine import Database
from db.errors import InvalidInput, NotFound, PermissionDenied
from db.records import Actor, ClaimedQuery, ClassName, Neighbor, NewQuery, NewQueue, Role, Round, Why
from db.tables import ClassRow, FileRow, QueryRow, RoundRow
from tests.db.scenes import Scene, make_scene, new_file

RANKED = {"strategy": "dfal", "pool": 59_000, "place": 12, "descending": False, "cold_start": False, "distance": 0.25}


@pytest.fixture
def scene(database: Database) -> Scene:
    return make_scene(database)


def ask(scene: Scene, *queries: NewQuery) -> Round:
    turn = rounds.begin_round(scene.database, scene.system, scene.id)
    assert isinstance(turn, Round)
    ranked = [replace(query, rank=rank) for rank, query in enumerate(queries)]
    return rounds.enqueue(scene.database, scene.system, turn.id, NewQueue(queries=ranked, strategy="DFAL()"))


def ask_one(scene: Scene, *, neighbors: Sequence[int] = (), pictures: object = None, **more: object) -> int:
    """Ask one image that a strategy chose; returns its sample id."""
    details = {**RANKED, "neighbors": list(neighbors), **({} if pictures is None else {"pictures": pictures})}
    [sample_id] = [item for item in scene.pool() if item not in neighbors][:1]
    given = {"score": 0.25, "predicted": 0, "nearest": 1, "details": details, **more}
    ask(scene, NewQuery(sample_id=sample_id, rank=0, **given))
    return sample_id


def member(scene: Scene, name: str, role: Role) -> Actor:
    user = access.add_user(scene.database, scene.ada, name)
    access.add_member(scene.database, scene.ada, scene.id, user.id, role)
    return Actor(user_id=user.id, name=name)


def told(scene: Scene, actor: Actor, query: ClaimedQuery | int) -> Why:
    return why.why(scene.database, actor, scene.id, query if isinstance(query, int) else query.query_id)


def undo(scene: Scene, actor: Actor, answer_id: str) -> None:
    annotations.undo(scene.database, actor, scene.id, str(uuid.uuid4()), answer_id)


def setting(scene: Scene, show_why: str) -> None:
    projects.update_project(scene.database, scene.ada, scene.id, show_why=show_why)


def test_everything_that_was_stored_is_told(scene: Scene) -> None:
    sample_id = ask_one(scene)
    query = scene.claim(scene.ada)[0]
    assert told(scene, scene.ada, query) == Why(
        query_id=query.query_id,
        sample_id=sample_id,
        strategy="dfal",
        place=12,
        pool=59_000,
        score=0.25,
        distance=0.25,
        predicted=ClassName(id=scene.cls("cat"), name="cat"),
        nearest=ClassName(id=scene.cls("dog"), name="dog"),
    )


def test_an_annotator_sees_what_they_hold_or_answered_a_reviewer_everything(scene: Scene) -> None:
    ask_one(scene, slots=2)
    bob, eve = member(scene, "bob", Role.annotator), member(scene, "eve", Role.annotator)
    rita = member(scene, "rita", Role.reviewer)
    query = scene.claim(bob)[0]
    for held in (True, False):
        assert told(scene, bob, query).place == 12
        assert told(scene, rita, query).place == 12
        with pytest.raises(NotFound, match="hold or have answered"):
            told(scene, eve, query)
        if held:
            scene.submit(bob, query)
    with pytest.raises(NotFound):
        told(scene, rita, 99_999)


def test_a_claim_that_was_given_back_shows_nothing_any_more(scene: Scene) -> None:
    ask_one(scene)
    bob = member(scene, "bob", Role.annotator)
    query = scene.claim(bob)[0]
    scene.age_claims()
    assert told(scene, bob, query).place == 12  # over, but nobody wanted it: the image is still on the screen
    scene.claim(scene.ada)
    with pytest.raises(NotFound):
        told(scene, bob, query)


def test_a_project_may_show_it_after_the_answer_only(scene: Scene) -> None:
    ask_one(scene)
    bob = member(scene, "bob", Role.annotator)
    setting(scene, "after")
    query = scene.claim(bob)[0]
    with pytest.raises(PermissionDenied, match="answer first"):
        told(scene, bob, query)
    receipt = scene.submit(bob, query)
    assert told(scene, bob, query).place == 12
    assert told(scene, scene.ada, query).place == 12  # a reviewer who is not asked
    undo(scene, bob, receipt.answer_id)
    with pytest.raises(PermissionDenied, match="answer first"):
        told(scene, bob, query)


def test_the_role_does_not_lift_the_veil_of_an_own_query(scene: Scene) -> None:
    ask_one(scene)
    query = scene.claim(scene.ada)[0]
    for when in ("after", "never"):
        setting(scene, when)
        with pytest.raises(PermissionDenied):
            told(scene, scene.ada, query)


def test_a_project_may_never_show_it_to_annotators(scene: Scene) -> None:
    ask_one(scene)
    bob = member(scene, "bob", Role.annotator)
    query = scene.claim(bob)[0]
    setting(scene, "never")
    with pytest.raises(PermissionDenied, match="never"):
        told(scene, bob, query)
    scene.submit(bob, query)
    with pytest.raises(PermissionDenied, match="never"):
        told(scene, bob, query)
    assert told(scene, scene.ada, query).place == 12


def test_another_projects_query_is_not_found(scene: Scene, database: Database) -> None:
    other = make_scene(database, name="other")
    ask_one(other)
    query = other.claim(other.ada)[0]
    with pytest.raises(NotFound):
        told(scene, scene.ada, query)


def test_a_deleted_image_is_not_found(scene: Scene) -> None:
    sample_id = ask_one(scene)
    query = scene.claim(scene.ada)[0]
    samples.delete_sample(scene.database, scene.ada, scene.id, sample_id)
    with pytest.raises(NotFound):
        told(scene, scene.ada, query)


def test_neighbors_carry_the_labels_they_have_now(scene: Scene) -> None:
    ask(scene, *(NewQuery(sample_id=item, rank=0) for item in scene.pool()[:4]))
    queries = scene.claim(scene.ada, 4)
    receipts = [scene.submit(scene.ada, query, "dog") for query in queries]
    ids = [query.sample_id for query in queries]
    ask_one(scene, neighbors=[ids[2], ids[0], ids[1], ids[3]])
    undo(scene, scene.ada, receipts[1].answer_id)
    samples.delete_sample(scene.database, scene.ada, scene.id, ids[3])
    query = next(item for item in scene.claim(scene.ada, 9) if item.sample_id not in ids)
    dogs = tuple(Neighbor(sample_id=item, class_name="dog") for item in (ids[2], ids[0]))
    assert told(scene, scene.ada, query).neighbors == dogs


def merge(scene: Scene, name: str, into: str | None) -> None:
    values = {"retired_at": 1, "merged_into_id": None if into is None else scene.cls(into)}
    statement = update(ClassRow).where(ClassRow.id == scene.cls(name)).values(**values)
    scene.database.write(lambda session: session.execute(statement))


def test_a_merged_class_is_the_one_it_was_merged_into(scene: Scene) -> None:
    ask(scene, NewQuery(sample_id=scene.pool()[0], rank=0))
    first = scene.claim(scene.ada)[0]
    scene.submit(scene.ada, first, "cat")
    ask_one(scene, neighbors=[first.sample_id])
    query = scene.claim(scene.ada)[0]
    merge(scene, "cat", "dog")
    found = told(scene, scene.ada, query)
    assert found.predicted == ClassName(id=scene.cls("dog"), name="dog")
    assert found.nearest is None  # the two are one now
    assert [item.class_name for item in found.neighbors] == ["dog"]
    merge(scene, "dog", "owl")
    found = told(scene, scene.ada, query)
    assert found.predicted == ClassName(id=scene.cls("owl"), name="owl")
    assert [item.class_name for item in found.neighbors] == ["owl"]
    merge(scene, "owl", "cat")  # a circle is not a class
    assert told(scene, scene.ada, query).predicted is None


def test_a_class_that_is_gone_is_not_named(scene: Scene) -> None:
    ask_one(scene)
    query = scene.claim(scene.ada)[0]
    merge(scene, "dog", None)
    assert told(scene, scene.ada, query).predicted == ClassName(id=scene.cls("cat"), name="cat")
    assert told(scene, scene.ada, query).nearest is None


def add_query(scene: Scene, sample_id: int, kind: str) -> int:
    """Add a query that no strategy chose to the open round, whoever makes such; returns its id."""

    def work(session: Session) -> int:
        turn = session.scalars(select(RoundRow).where(RoundRow.state == "open")).one()
        row = QueryRow(project_id=scene.id, round_id=turn.id, sample_id=sample_id, kind=kind, rank=9, reserve=False)
        row.state, row.slots, row.token, row.decided, row.created_at = "open", 1, 0, False, 1
        row.predicted, row.score, row.expected, row.group_key = 2, 0.5, 1, "group"
        session.add(row)
        session.flush()
        return row.id

    return scene.database.write(work)


def test_what_no_strategy_chose_tells_nothing_whatever_its_kind(scene: Scene) -> None:
    ask_one(scene)
    sample_ids = scene.pool()[5:]
    for kind in ("learn", "holdout", "gold", "spot_check", "confirm"):
        sample_id = sample_ids.pop()
        query_id = add_query(scene, sample_id, kind)
        assert told(scene, scene.ada, query_id) == Why(query_id=query_id, sample_id=sample_id)


@pytest.mark.parametrize("kind", ["gold", "spot_check"])
def test_a_check_of_an_image_that_was_chosen_looks_like_any_other_query(scene: Scene, kind: str) -> None:
    sample_id = ask_one(scene)
    first = scene.claim(scene.ada)[0]
    before = told(scene, scene.ada, first)
    scene.submit(scene.ada, first)
    ask(scene, NewQuery(sample_id=scene.pool()[0], rank=0))
    check = add_query(scene, sample_id, kind)
    assert told(scene, scene.ada, check) == replace(before, query_id=check)


def pictures(scene: Scene, file_id: int) -> dict[str, object]:
    return {"file": file_id, "copy": [0, 40], "difference": [40, 60], "amplified": 40.5}


def test_pictures_lie_where_the_flow_put_them(scene: Scene) -> None:
    turn = rounds.begin_round(scene.database, scene.system, scene.id)
    file = new_file("projects/1/pictures/round-1.pack")
    file_id = why.record_pictures(scene.database, scene.system, turn.id, file)
    assert why.record_pictures(scene.database, scene.system, turn.id, file) == file_id  # a step that is run twice
    ask_one(scene, pictures=pictures(scene, file_id))
    query = scene.claim(scene.ada)[0]
    found = told(scene, scene.ada, query)
    assert found.amplified == 40.5
    for which, place in (("copy", found.copy), ("difference", found.difference)):
        assert place is not None
        assert place == why.picture_of(scene.database, scene.ada, scene.id, query.query_id, which)
        assert (place.path, place.media_type) == (file.path, "image/png")
    assert (found.copy.offset, found.copy.length) == (0, 40)
    assert (found.difference.offset, found.difference.length) == (40, 60)
    assert found.copy.etag != found.difference.etag
    with pytest.raises(NotFound):
        why.picture_of(scene.database, member(scene, "eve", Role.annotator), scene.id, query.query_id, "copy")
    with pytest.raises(InvalidInput, match="copy, difference"):
        why.picture_of(scene.database, scene.ada, scene.id, query.query_id, "original")


def test_a_query_without_a_copy_has_no_pictures(scene: Scene) -> None:
    ask_one(scene)
    query = scene.claim(scene.ada)[0]
    assert told(scene, scene.ada, query).copy is None
    with pytest.raises(NotFound, match="without"):
        why.picture_of(scene.database, scene.ada, scene.id, query.query_id, "copy")


def test_details_never_reach_a_file_of_another_project_or_kind(scene: Scene, database: Database) -> None:
    other = make_scene(database, name="other")
    turn = rounds.begin_round(database, other.system, other.id)
    strange = why.record_pictures(database, other.system, turn.id, new_file("other.pack"))
    weights = database.write(lambda session: _add_model_file(session, scene.id))
    for file_id in (strange, weights):
        ask_one(scene, pictures=pictures(scene, file_id))
        query = scene.claim(scene.ada)[0]
        assert told(scene, scene.ada, query).copy is None
        with pytest.raises(NotFound):
            why.picture_of(database, scene.ada, scene.id, query.query_id, "copy")
        scene.submit(scene.ada, query)


def _add_model_file(session: Session, project_id: int) -> int:
    row = FileRow(project_id=project_id, kind="model", path="m", sha256="0" * 64, size=1, created_at=1)
    session.add(row)
    session.flush()
    return row.id


def test_an_infinite_score_is_none(scene: Scene) -> None:
    ask_one(scene, score=float("inf"))
    assert told(scene, scene.ada, scene.claim(scene.ada)[0]).score is None
