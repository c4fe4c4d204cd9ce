"""Copies as a check: answered like any image, and neither a label, a vote, a count nor a word about the annotator."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import select, update

from db import (
    access,
    annotations,
    claims,
    copy_answers,
    export,
    gold,
    history,
    labels,
    members,
    progress,
    quality,
    review,
    rounds,
    samples,
    why,
)
from db.engine import Database
from db.errors import InvalidInput, NotFound, PermissionDenied
from db.records import Actor, ClaimedQuery, CopyChecks, NewQuery, NewQueue, Role, Round
from db.tables import AnnotationEventRow, LabelTableRow, QueryRow, RoundRow
from tests.db.scenes import Scene, make_scene, new_file


def shown(scene: Scene, turn_id: int) -> dict[str, object]:
    file = why.record_pictures(scene.database, scene.system, turn_id, new_file(f"pictures-{turn_id}.pack"))
    return {"shown": {"file": file, "place": [30, 7], "media_type": "image/png"}}


def ask(scene: Scene, count: int = 4, checks: int = 2, **more: object) -> Round:
    """Begin a round with checks of the copies of its first images, after all of them."""
    turn = rounds.begin_round(scene.database, scene.system, scene.id)
    assert isinstance(turn, Round)
    details = shown(scene, turn.id)
    pool = scene.pool()[:count]
    queries = [NewQuery(sample_id=item, rank=rank, predicted=0, **more) for rank, item in enumerate(pool)]
    queries += [
        NewQuery(sample_id=item, rank=count + rank, kind="copy_check", predicted=0, details=details)
        for rank, item in enumerate(pool[:checks])
    ]
    return rounds.enqueue(scene.database, scene.system, turn.id, NewQueue(queries=queries, strategy="test"))


def kind_of(scene: Scene, query: ClaimedQuery) -> str:
    return scene.database.read(lambda session: session.get_one(QueryRow, query.query_id).kind)


def split(scene: Scene, held: list[ClaimedQuery]) -> tuple[list[ClaimedQuery], list[ClaimedQuery]]:
    checks = [query for query in held if kind_of(scene, query) == "copy_check"]
    return [query for query in held if query not in checks], checks


def annotator(scene: Scene, name: str) -> Actor:
    user = access.add_user(scene.database, scene.ada, name)
    access.add_member(scene.database, scene.ada, scene.id, user.id, Role.annotator)
    return Actor(user_id=user.id, name=name)


def test_a_check_looks_like_any_other_query(database: Database) -> None:
    scene = make_scene(database, 12)
    ask(scene)
    held = scene.claim(scene.ada, 20)
    asked, checks = split(scene, held)
    assert (len(asked), len(checks)) == (4, 2)
    assert {query.kind for query in held} == {"learn"}
    assert {query.comment for query in held} == {""}
    assert {query.sample_id for query in checks} == {query.sample_id for query in asked[:2]}
    receipts = [scene.submit(scene.ada, query) for query in held]
    assert {receipt.status for receipt in receipts} == {"saved"}
    assert all(receipt.query_closed for receipt in receipts)


@pytest.mark.parametrize("first", ["check", "image"])
def test_its_answer_is_no_label_and_no_vote(database: Database, first: str) -> None:
    scene = make_scene(database, 12, overlap=2)
    ask(scene)
    people = [scene.ada, scene.person("bob")]
    held = {actor.name: split(scene, scene.claim(actor, 20)) for actor in people}
    [taker] = [actor for actor in people if held[actor.name][1]]
    checks = held[taker.name][1]
    if first == "check":
        for query in checks:
            scene.submit(taker, query, "dog")
        assert scene.labels() == {}
        assert labels.rebuild(database) == {}
        assert samples.counts(database, scene.id).labels == 0
    for actor in people:
        for query in held[actor.name][0]:
            scene.submit(actor, query, "cat")
    before = scene.labels()
    assert set(before.values()) == {scene.cls("cat")}
    assert len(before) == 4
    votes = database.read(lambda session: dict(session.execute(select(LabelTableRow.id, LabelTableRow.votes)).all()))
    if first == "image":
        for query in checks:
            assert scene.submit(taker, query, "dog").status == "saved"
    assert scene.labels() == before == labels.rebuild(database)
    after = database.read(lambda session: dict(session.execute(select(LabelTableRow.id, LabelTableRow.votes)).all()))
    assert after == votes
    found = quality.votes(database, scene.ada, scene.id)
    assert set(found.kinds.tolist()) == {"learn"}
    assert len(found.samples) == 8
    assert set(found.classes.tolist()) == {scene.cls("cat")}


def test_it_changes_nobodys_gold_figures(database: Database) -> None:
    scene = make_scene(database, 12)
    ask(scene)
    asked, checks = split(scene, scene.claim(scene.ada, 20))
    for query in asked:
        scene.submit(scene.ada, query)
    gold.mark(database, scene.ada, scene.id, checks[0].sample_id, scene.cls("cat"))
    before = quality.team(database, scene.ada, scene.id)
    scene.submit(scene.ada, checks[0], "dog")
    after = quality.team(database, scene.ada, scene.id)
    for name in ("gold_total", "gold_right", "shown_total", "shown_overruled", "hidden_total", "hidden_differed"):
        assert getattr(after.people[0], name) == getattr(before.people[0], name)
    assert (after.spot_total, after.spot_differed) == (0, 0)
    assert quality.truths(database, scene.ada, scene.id) == {checks[0].sample_id: scene.cls("cat")}


def test_no_round_waits_for_it_and_no_progress_counts_it(database: Database) -> None:
    scene = make_scene(database, 12)
    turn = ask(scene, count=3, checks=2)
    assert turn.k == 3
    assert progress.progress(database, scene.ada, scene.id).waiting == 3
    assert samples.counts(database, scene.id).open == 3
    asked, checks = split(scene, scene.claim(scene.ada, 20))
    scene.submit(scene.ada, checks[0])
    standing = progress.standing(database, scene.ada, scene.id)
    assert (standing.gained, standing.k) == (0, 3)
    done = [scene.submit(scene.ada, query).round_complete for query in asked]
    assert done == [False, False, True]
    assert progress.standing(database, scene.ada, scene.id).gained == 3
    assert [turn.labels_gained for turn in history.history(database, scene.ada, scene.id)] == [3]
    assert samples.counts(database, scene.id).set_aside == 0


def test_an_image_whose_copy_was_answered_first_can_still_be_asked(database: Database) -> None:
    scene = make_scene(database, 12)
    ask(scene)
    asked, checks = split(scene, scene.claim(scene.ada, 20))
    claims.release(database, scene.ada, scene.id, [query.query_id for query in asked])
    for query in checks:
        scene.submit(scene.ada, query, "skip")
    again, none = split(scene, scene.claim(scene.ada, 20))
    assert [query.sample_id for query in again] == [query.sample_id for query in asked]
    assert none == []  # a check that was passed does not come back to the same person
    _, bobs = split(scene, scene.claim(scene.person("bob"), 20))
    assert len(bobs) == 2
    assert set(scene.pool()) >= {query.sample_id for query in checks}


def test_what_is_left_is_withdrawn_by_the_next_round(database: Database) -> None:
    scene = make_scene(database, 12)
    ask(scene)
    asked, checks = split(scene, scene.claim(scene.ada, 20))
    for query in asked:
        scene.submit(scene.ada, query)
    claims.release(database, scene.ada, scene.id, [query.query_id for query in checks])
    ask(scene, checks=1)
    states = database.read(
        lambda session: session.scalars(
            select(QueryRow.state).where(QueryRow.kind == "copy_check").order_by(QueryRow.id)
        ).all()
    )
    assert list(states) == ["withdrawn", "withdrawn", "open"]


def test_results_go_by_the_label_of_now_and_into_the_rounds_diagnostics(database: Database) -> None:
    scene = make_scene(database, 20)
    turn = ask(scene, count=6, checks=5)
    asked, checks = split(scene, scene.claim(scene.ada, 20))
    for query, name in zip(checks, ("cat", "cat", "dog", "cat", "unsure"), strict=True):
        scene.submit(scene.ada, query, name)
    assert copy_answers.results(database, scene.ada, scene.id) == CopyChecks(checked=0, agreed=0, passed=1)
    for query in asked:
        scene.submit(scene.ada, query, "cat")
    assert copy_answers.results(database, scene.ada, scene.id) == CopyChecks(checked=4, agreed=3, passed=1)
    review.decide(database, scene.ada, scene.id, str(uuid.uuid4()), checks[0].sample_id, scene.cls("owl"))
    assert copy_answers.results(database, scene.ada, scene.id) == CopyChecks(checked=4, agreed=2, passed=1)
    rounds.begin_round(database, scene.system, scene.id)
    kept = database.read(lambda session: session.get_one(RoundRow, turn.id).diagnostics)
    assert {name: kept[name] for name in kept if name.startswith("copies_")} == {
        "copies_checked": 4,
        "copies_agreed": 2,
        "copies_passed": 1,
    }
    with pytest.raises(PermissionDenied):
        copy_answers.results(database, annotator(scene, "bob"), scene.id)


def test_a_round_without_checks_says_nothing_of_them(database: Database) -> None:
    scene = make_scene(database, 12)
    turn = ask(scene, checks=0)
    for query in scene.claim(scene.ada, 20):
        scene.submit(scene.ada, query)
    rounds.begin_round(database, scene.system, scene.id)
    assert database.read(lambda session: session.get_one(RoundRow, turn.id).diagnostics) == {}


def test_undo_and_edit_work_as_for_any_image(database: Database) -> None:
    scene = make_scene(database, 12)
    ask(scene)
    _, checks = split(scene, scene.claim(scene.ada, 20))
    first = scene.answer(checks[0], "dog")
    annotations.submit(database, scene.ada, scene.id, first)
    undone = annotations.undo(database, scene.ada, scene.id, str(uuid.uuid4()), first.answer_id)
    assert undone.claimed is not None  # its image is still asked beside it
    assert undone.claimed.query_id == checks[0].query_id
    again = scene.answer(undone.claimed, "cat")
    annotations.submit(database, scene.ada, scene.id, again)
    edit = scene.answer(undone.claimed, "owl", supersedes=again.answer_id)
    assert annotations.submit(database, scene.ada, scene.id, edit).status == "saved"
    assert scene.labels() == labels.rebuild(database) == {}
    events = database.read(lambda session: session.scalars(select(AnnotationEventRow.counts)).all())
    assert not any(events)


def test_an_edit_after_the_label_is_there_changes_nothing_of_it(database: Database) -> None:
    scene = make_scene(database, 12)
    ask(scene)
    asked, checks = split(scene, scene.claim(scene.ada, 20))
    for query in asked:
        scene.submit(scene.ada, query, "cat")
    said = scene.answer(checks[0], "cat")
    annotations.submit(database, scene.ada, scene.id, said)
    before = scene.labels()
    annotations.submit(database, scene.ada, scene.id, scene.answer(checks[0], "dog", supersedes=said.answer_id))
    assert scene.labels() == before == labels.rebuild(database)


def test_review_never_hears_of_it(database: Database) -> None:
    scene = make_scene(database, 12)
    ask(scene)
    asked, checks = split(scene, scene.claim(scene.ada, 20))
    scene.submit(scene.ada, checks[0], "flag", note="strange")
    scene.submit(scene.ada, checks[1], "dog")
    assert review.waiting(database, scene.ada, scene.id) == 0
    for query in asked:
        scene.submit(scene.ada, query, "cat")
    assert review.waiting(database, scene.ada, scene.id) == 0
    sample = checks[1].sample_id
    told = review.votes_of(database, scene.ada, scene.id, sample)
    assert [vote.class_name for vote in told.votes] == ["cat"]
    assert told.predicted == "cat"
    review.send_back(database, scene.ada, scene.id, str(uuid.uuid4()), sample)
    again, _ = split(scene, scene.claim(scene.ada, 20))
    assert [query.sample_id for query in again] == [sample]
    scene.submit(scene.ada, again[0], "cat")
    assert copy_answers.results(database, scene.ada, scene.id).checked == 1  # its own answer was not taken back


def test_exports_leave_it_out(database: Database) -> None:
    scene = make_scene(database, 12)
    ask(scene)
    asked, checks = split(scene, scene.claim(scene.ada, 20))
    for query in checks:
        scene.submit(scene.ada, query, "dog")
    assert list(export.votes(database, scene.ada, scene.id)) == []
    assert list(export.tasks(database, scene.ada, scene.id)) == []
    for query in asked:
        scene.submit(scene.ada, query, "cat")
    assert {vote.kind for vote in export.votes(database, scene.ada, scene.id)} == {"learn"}
    tasks = list(export.tasks(database, scene.ada, scene.id))
    assert [len(task.votes) for task in tasks] == [1] * 4
    assert {
        (entry.class_name, entry.votes, entry.agreement) for entry in export.labels(database, scene.ada, scene.id)
    } == {("cat", 1, 1.0)}


def test_its_picture_is_for_whoever_is_asked_and_for_reviewers(database: Database) -> None:
    scene = make_scene(database, 12)
    ask(scene, details={"strategy": "dfal", "place": 1, "pool": 12})
    asked, checks = split(scene, scene.claim(scene.ada, 20))
    bob = annotator(scene, "bob")
    place = copy_answers.picture_to_label(database, scene.ada, scene.id, checks[0].query_id)
    assert (place.offset, place.length, place.media_type) == (30, 7, "image/png")
    assert place.path.startswith("pictures-")
    plain = copy_answers.picture_to_label(database, scene.ada, scene.id, asked[0].query_id)
    assert plain == samples.display_of(database, scene.ada, scene.id, asked[0].sample_id)
    for query in (checks[0], asked[0]):  # alike for both, so that nothing can be told by asking
        with pytest.raises(NotFound, match="that you were handed"):
            copy_answers.picture_to_label(database, bob, scene.id, query.query_id)
    with pytest.raises(NotFound):
        copy_answers.picture_to_label(database, scene.ada, scene.id, 10**9)
    told = why.why(database, scene.ada, scene.id, checks[0].query_id)
    assert told.place is None
    assert told.copy is None


def test_a_picture_that_is_gone_is_no_other_picture(database: Database) -> None:
    scene = make_scene(database, 12)
    ask(scene)
    _, checks = split(scene, scene.claim(scene.ada, 20))
    database.write(lambda session: session.execute(update(QueryRow).values(details={"shown": {"file": 10**9}})))
    with pytest.raises(NotFound, match="expected a picture"):
        copy_answers.picture_to_label(database, scene.ada, scene.id, checks[0].query_id)


def test_a_check_may_stand_beside_its_image_once(database: Database) -> None:
    scene = make_scene(database, 12)
    turn = rounds.begin_round(database, scene.system, scene.id)
    assert isinstance(turn, Round)
    item = scene.pool()[0]
    twice = [NewQuery(sample_id=item, rank=rank, kind="copy_check") for rank in (0, 1)]
    with pytest.raises(InvalidInput, match="repeats"):
        rounds.enqueue(database, scene.system, turn.id, NewQueue(queries=twice, strategy="test"))


def test_an_excluded_persons_checks_count_no_more(database: Database) -> None:
    scene = make_scene(database, 12)
    ask(scene)
    bob = annotator(scene, "bob")
    asked, checks = split(scene, scene.claim(bob, 20))
    for query in (*asked, *checks):
        scene.submit(bob, query, "cat")
    assert copy_answers.results(database, scene.ada, scene.id).checked == 2
    members.set_state(database, scene.ada, scene.id, bob.user_id, "excluded")
    assert copy_answers.results(database, scene.ada, scene.id).checked == 0
    assert scene.labels() == labels.rebuild(database) == {}
