"""The grid: groups of one class, wrong tiles that come back singly, and checks of what was confirmed."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import select, text

from db import annotations, claims, grid, grid_marks, labels, progress, projects, rounds
from db.consensus import Ballot, Verdict
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound
from db.records import Actor, Answer, ClaimedQuery, Group, NewQuery, NewQueue, Receipt, Round
from db.tables import ClaimRow, QueryRow
from tests.database_fixtures import Place
from tests.db import children
from tests.db.children import together
from tests.db.scenes import Scene, as_gold, make_scene, scalar


def ask_grid(scene: Scene, *sizes: int, learn: int = 0, slots: int | None = None) -> Round:
    """Begin a round of `learn` queries and one group for each size, of the classes cat, dog, owl in turn."""
    turn = rounds.begin_round(scene.database, scene.system, scene.id)
    assert isinstance(turn, Round)
    pool = iter(scene.pool())
    queries = [NewQuery(sample_id=next(pool), rank=rank) for rank in range(learn)]
    for position, size in enumerate(sizes):
        start = len(queries)
        queries += [
            NewQuery(
                sample_id=next(pool), rank=start + number, kind="confirm", group=f"group {position}",
                predicted=position, score=0.99, slots=slots,
            )
            for number in range(size)
        ]  # fmt: skip
    return rounds.enqueue(scene.database, scene.system, turn.id, NewQueue(queries=queries, strategy="test"))


def group(scene: Scene, actor: Actor | None = None, most: int = 48, **more: object) -> Group:
    found = grid.claim_group(scene.database, actor or scene.ada, scene.id, most, **more)
    assert found is not None
    return found


def tile(scene: Scene, query: ClaimedQuery, name: str, **more: object) -> Answer:
    """A class confirms the tile, 'skip' says that it is wrong."""
    return scene.answer(query, name, mode="grid", prediction_shown=True, **more)


def send(scene: Scene, answer: Answer, actor: Actor | None = None) -> Receipt:
    return annotations.submit(scene.database, actor or scene.ada, scene.id, answer)


def kinds(scene: Scene, sample_id: int) -> list[tuple[str, str]]:
    statement = select(QueryRow.kind, QueryRow.state).where(QueryRow.sample_id == sample_id).order_by(QueryRow.id)
    return list(scene.database.read(lambda session: session.execute(statement).tuples().all()))


def checks(scene: Scene) -> dict[int, QueryRow]:
    statement = select(QueryRow).where(QueryRow.kind == "spot_check")
    return {row.sample_id: row for row in scene.database.read(lambda session: session.scalars(statement).all())}


def everything_fits(scene: Scene) -> None:
    assert labels.rebuild(scene.database) == scene.labels()


def test_a_group_is_of_one_class_and_as_large_as_asked(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 5, 3, learn=2)
    first = group(scene, most=4)
    assert (first.key, first.class_id) == ("group 0", scene.cls("cat"))
    assert [query.rank for query in first.queries] == [2, 3, 4, 5]
    assert {query.predicted for query in first.queries} == {0}  # shown by design, whatever the project hides
    known = [query.query_id for query in first.queries]
    rest = group(scene, besides=known)
    assert [query.rank for query in rest.queries] == [6]
    known += [query.query_id for query in rest.queries]
    dogs = group(scene, besides=known)
    assert (dogs.class_id, [query.rank for query in dogs.queries]) == (scene.cls("dog"), [7, 8, 9])
    known += [query.query_id for query in dogs.queries]
    assert grid.claim_group(database, scene.ada, scene.id, besides=known) is None


def test_a_reload_gets_the_same_group_renewed_and_filled_up(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 5, 3)
    before = group(scene, most=2, lease_seconds=10)
    again = group(scene, most=4, lease_seconds=600)
    assert again.queries[0].expires_at > before.queries[0].expires_at + 500_000
    assert [query.token for query in again.queries[:2]] == [query.token for query in before.queries]
    assert len(again.queries) == 4


def test_queries_without_a_key_are_grouped_by_class(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 2, 2)
    database.write(lambda session: session.execute(text("UPDATE queries SET group_key = NULL")))
    assert (group(scene).key, len(group(scene).queries)) == ("", 2)


def test_single_mode_gives_no_tiles_and_the_grid_nothing_else(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 3, learn=2)
    assert len(scene.claim(scene.ada, 10)) == 2
    group(scene)
    assert [query.kind for query in scene.claim(scene.ada, 10)] == ["learn", "learn"]
    assert grid.tiles(database, scene.person("bob"), scene.id) == 0
    assert claims.waiting(database, scene.person("bob"), scene.id).with_others == 2
    claims.release(database, scene.ada, scene.id, [query.query_id for query in group(scene).queries])
    assert grid.tiles(database, scene.person("bob"), scene.id) == 3
    assert len(group(scene, scene.person("bob")).queries) == 3
    assert claims.waiting(database, scene.person("eve"), scene.id).open == 0


def test_confirmed_tiles_become_labels(database: Database) -> None:
    scene = make_scene(database, spot_check_share=0.0)
    ask_grid(scene, 3)
    for query in group(scene).queries:
        receipt = send(scene, tile(scene, query, "cat", latency_ms=120))
        assert (receipt.status, receipt.query_closed) == ("saved", True)
    assert set(scene.labels().values()) == {scene.cls("cat")}
    seen = "SELECT count(*) FROM annotations WHERE mode = 'grid' AND prediction_shown AND latency_ms = 120"
    assert scalar(database, seen) == 3
    assert checks(scene) == {}
    assert grid.claim_group(database, scene.ada, scene.id) is None
    everything_fits(scene)


def test_a_wrong_tile_comes_back_singly_to_the_same_person(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 2)
    wrong, _ = group(scene).queries
    answer = tile(scene, wrong, "skip")
    first = send(scene, answer)
    assert (first.status, first.query_closed, first.repeated) == ("saved", False, False)
    assert scalar(database, "SELECT count(*) FROM annotations") == 0
    assert kinds(scene, wrong.sample_id) == [("learn", "open")]
    again = send(scene, answer)
    assert (again.repeated, scene.events()) == (True, 1)
    event = "SELECT count(*) FROM annotation_events WHERE kind = 'answer' AND NOT counts AND outcome = 'skip'"
    assert scalar(database, event) == 1
    [asked] = scene.claim(scene.ada, 5)
    assert (asked.query_id, asked.token > wrong.token) == (wrong.query_id, True)
    assert scene.submit(scene.ada, asked, "dog").status == "saved"
    assert scene.labels() == {wrong.sample_id: scene.cls("dog")}
    assert send(scene, answer).repeated  # an outbox that is sent late changes nothing
    assert scene.labels() == {wrong.sample_id: scene.cls("dog")}
    everything_fits(scene)


def test_a_wrong_tile_is_free_for_others_at_once(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 1)
    [wrong] = group(scene).queries
    send(scene, tile(scene, wrong, "skip"))
    assert [query.query_id for query in scene.claim(scene.person("bob"), 5)] == [wrong.query_id]


def test_two_people_may_disagree_about_a_tile(database: Database) -> None:
    scene = make_scene(database, overlap=2, spot_check_share=0.0)
    ask_grid(scene, 1)
    bob = scene.person("bob")
    [mine], [theirs] = group(scene).queries, group(scene, bob).queries
    send(scene, tile(scene, mine, "cat"))
    send(scene, tile(scene, theirs, "skip"), bob)
    assert kinds(scene, mine.sample_id) == [("learn", "open")]
    [asked] = scene.claim(bob, 5)
    scene.submit(bob, asked, "cat")
    assert scene.labels() == {mine.sample_id: scene.cls("cat")}
    everything_fits(scene)


def test_both_may_say_that_a_tile_is_wrong(database: Database) -> None:
    scene = make_scene(database, overlap=2)
    ask_grid(scene, 1)
    bob = scene.person("bob")
    [mine], [theirs] = group(scene).queries, group(scene, bob).queries
    assert send(scene, tile(scene, mine, "skip")).status == "saved"
    assert send(scene, tile(scene, theirs, "skip"), bob).status == "saved"
    assert scalar(database, "SELECT count(*) FROM annotations") == 0
    assert len(scene.claim(scene.ada, 5)) == len(scene.claim(bob, 5)) == 1


def test_a_late_mark_of_a_tile_that_others_confirmed_is_kept_aside(database: Database) -> None:
    scene = make_scene(database, spot_check_share=0.0)
    ask_grid(scene, 1)
    [mine] = group(scene).queries
    scene.age_claims()
    bob = scene.person("bob")
    [theirs] = group(scene, bob).queries
    assert theirs.token > mine.token
    send(scene, tile(scene, theirs, "cat"), bob)
    late = send(scene, tile(scene, mine, "skip"))
    assert (late.status, late.message) == ("draft", grid_marks.GONE)
    assert scene.labels() == {mine.sample_id: scene.cls("cat")}
    everything_fits(scene)


def test_a_mark_after_the_lease_counts_while_the_tile_is_open(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 1)
    [mine] = group(scene).queries
    scene.age_claims()
    bob = scene.person("bob")
    [theirs] = group(scene, bob).queries
    assert send(scene, tile(scene, mine, "skip")).status == "saved"
    assert kinds(scene, mine.sample_id) == [("learn", "open")]
    assert send(scene, tile(scene, theirs, "cat"), bob).status == "saved"  # bob still holds it


def test_a_mark_after_an_own_confirmation_is_kept_aside(database: Database) -> None:
    scene = make_scene(database, overlap=2)
    ask_grid(scene, 1)
    [mine] = group(scene).queries
    send(scene, tile(scene, mine, "cat"))
    assert send(scene, tile(scene, mine, "skip")).status == "draft"
    assert kinds(scene, mine.sample_id)[0] == ("confirm", "open")


def test_a_mark_needs_a_claim_of_ones_own(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 1)
    [mine] = group(scene).queries
    with pytest.raises(Conflict, match="token"):
        send(scene, tile(scene, mine, "skip"), scene.person("bob"))
    answer = tile(scene, mine, "skip")
    send(scene, answer)
    with pytest.raises(Conflict, match="another one"):
        send(scene, replace(answer, outcome="unsure"))


def test_a_skip_in_single_mode_stays_a_skip(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 0, learn=1)
    scene.submit(scene.ada, scene.claim(scene.ada)[0], "skip")
    assert scalar(database, "SELECT count(*) FROM annotations WHERE outcome = 'skip'") == 1


def test_a_holdout_image_stays_one(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 1)
    [mine] = group(scene).queries
    database.write(
        lambda session: session.execute(text(f"UPDATE samples SET split = 'holdout' WHERE id = {mine.sample_id}"))
    )
    send(scene, tile(scene, mine, "skip"))
    assert kinds(scene, mine.sample_id) == [("holdout", "open")]


def test_every_confirmation_is_checked_if_the_project_says_so(database: Database) -> None:
    scene = make_scene(database, spot_check_share=1.0)
    ask_grid(scene, 2, learn=2)
    one, two = group(scene).queries
    answer = tile(scene, one, "cat")
    send(scene, answer)
    send(scene, answer)
    send(scene, tile(scene, two, "skip"))
    [check] = checks(scene).values()
    assert (check.sample_id, check.slots, check.reserve, check.state) == (one.sample_id, 1, False, "open")
    assert (check.predicted, check.score, check.group_key) == (0, 0.99, None)
    asked = scene.claim(scene.ada, 10)  # also to the person who confirmed it, after what the round asked
    assert asked[-1].sample_id == one.sample_id
    assert {(query.kind, query.predicted) for query in asked} == {("learn", None)}
    scene.submit(scene.ada, asked[-1], "cat")
    assert scene.labels() == {one.sample_id: scene.cls("cat")}
    assert scalar(database, "SELECT votes FROM labels") == 1  # two answers of one person are one vote
    everything_fits(scene)


def test_a_check_that_disagrees_leaves_the_image_for_a_review(database: Database) -> None:
    scene = make_scene(database, spot_check_share=1.0)
    ask_grid(scene, 1)
    [mine] = group(scene).queries
    send(scene, tile(scene, mine, "cat"))
    assert scene.labels() == {mine.sample_id: scene.cls("cat")}
    [asked] = scene.claim(scene.ada, 5)
    scene.submit(scene.ada, asked, "dog")
    assert scene.labels() == {}
    everything_fits(scene)


def test_two_answers_of_one_person_do_not_outvote_another() -> None:
    cat, dog, ada, bob = 1, 2, 10, 11
    ballot = Ballot(votes={1: {ada: cat}, 2: {ada: cat}, 3: {bob: dog}}, slots={1: 1, 2: 1, 3: 1})
    assert ballot.verdict() is None
    ballot.vote(4, 12, dog)
    assert ballot.verdict() == Verdict(dog, "consensus", 3)


def test_which_images_are_checked_follows_from_seed_and_sample(database: Database) -> None:
    scene = make_scene(database, images=120, spot_check_share=0.2, seed=5)
    ask_grid(scene, 100)
    for half in (group(scene), group(scene)):
        for query in half.queries:
            send(scene, tile(scene, query, "cat"))
    for query in group(scene).queries:
        send(scene, tile(scene, query, "cat"))
    chosen = set(checks(scene))
    ids = [int(item) for item in scene.labels()]
    assert chosen == {item for item in ids if grid._is_checked(5, item, 0.2)}
    assert 8 <= len(chosen) <= 34
    wider = {item for item in ids if grid._is_checked(5, item, 0.4)}
    assert chosen < wider
    assert chosen != {item for item in ids if grid._is_checked(6, item, 0.2)}


def test_shares_at_both_ends() -> None:
    assert not any(grid._is_checked(0, item, 0.0) for item in range(1000))
    assert all(grid._is_checked(0, item, 1.0) for item in range(1000))
    assert 30 < sum(grid._is_checked(0, item, 0.05) for item in range(1000)) < 75


def test_an_undo_brings_a_tile_back_and_its_check_is_not_doubled(database: Database) -> None:
    scene = make_scene(database, spot_check_share=1.0)
    ask_grid(scene, 1)
    [mine] = group(scene).queries
    answer = tile(scene, mine, "cat")
    send(scene, answer)
    receipt = annotations.undo(database, scene.ada, scene.id, str(uuid.uuid4()), answer.answer_id)
    assert receipt.claimed is not None
    assert (receipt.claimed.query_id, scene.labels()) == (mine.query_id, {})
    everything_fits(scene)
    [again] = group(scene).queries
    send(scene, tile(scene, again, "cat"))
    assert len(checks(scene)) == 1
    assert scene.labels() == {mine.sample_id: scene.cls("cat")}
    everything_fits(scene)


def test_checks_and_wrong_tiles_outlive_their_round(database: Database) -> None:
    scene = make_scene(database, spot_check_share=1.0)
    ask_grid(scene, 3, learn=1)
    good, wrong, _ = group(scene).queries
    send(scene, tile(scene, good, "cat"))
    send(scene, tile(scene, wrong, "skip"))
    claims.release(database, scene.ada, scene.id, [query.query_id for query in group(scene).queries])
    [learn] = [query for query in scene.claim(scene.ada, 1) if query.rank == 0]
    assert scene.submit(scene.ada, learn).round_complete
    second = ask_grid(scene, learn=1)
    moved = f"SELECT count(*) FROM queries WHERE sample_id = {wrong.sample_id} AND round_id = {second.id}"
    assert scalar(database, moved) == 1
    assert scalar(database, "SELECT count(*) FROM queries WHERE state = 'withdrawn' AND kind = 'confirm'") == 1
    assert {query.sample_id for query in scene.claim(scene.ada, 5)} >= {good.sample_id, wrong.sample_id}


def test_tiles_keep_no_round_from_its_end(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 3, learn=2)
    one, two = scene.claim(scene.ada, 2)
    scene.submit(scene.ada, one, "skip")
    assert scene.submit(scene.ada, two, "cat").round_complete


def test_a_wrong_tile_that_is_labeled_singly_ends_no_round_early(database: Database) -> None:
    scene = make_scene(database)
    turn = ask_grid(scene, 2, learn=2)
    for query in group(scene).queries:
        send(scene, tile(scene, query, "skip"))
    asked = scene.claim(scene.ada, 5)
    wrong, learn = [query for query in asked if query.rank > 1], [query for query in asked if query.rank < 2]
    for query in wrong:
        assert not scene.submit(scene.ada, query, "dog").round_complete
    assert progress.standing(database, scene.ada, scene.id).gained == 0
    assert rounds.history(database, scene.ada, scene.id)[0].labels_gained == 0
    assert [scene.submit(scene.ada, query, "cat").round_complete for query in learn] == [False, True]
    assert (turn.k, progress.standing(database, scene.ada, scene.id).gained) == (2, 2)


def all_pass(scene: Scene, *actors: Actor) -> Receipt:
    """Everybody passes the round's one learn query: it ends without its k, when nothing is left to be answered."""
    for actor in actors:
        query, *others = scene.claim(actor, 5)
        claims.release(scene.database, actor, scene.id, [other.query_id for other in others])
        receipt = scene.submit(actor, query, "skip")
    return receipt


@pytest.mark.parametrize("said", [None, "unsure"])
def test_a_wrong_tile_holds_no_round_open(database: Database, said: str | None) -> None:
    scene = make_scene(database)
    ask_grid(scene, 1, learn=1)
    [marked] = group(scene).queries
    send(scene, tile(scene, marked, "skip"))
    learn, wrong = scene.claim(scene.ada, 5)
    if said is not None:  # bob might say more
        scene.submit(scene.ada, wrong, said)
    claims.release(database, scene.ada, scene.id, [learn.query_id, wrong.query_id])
    assert all_pass(scene, scene.person("bob"), scene.ada).round_complete


def test_a_tile_that_lacks_a_vote_holds_no_round_open_and_comes_along(database: Database) -> None:
    scene = make_scene(database, overlap=2, spot_check_share=0.0)
    ask_grid(scene, 1, learn=1)
    bob = scene.person("bob")
    [mine] = group(scene).queries
    send(scene, tile(scene, mine, "cat"))
    assert all_pass(scene, bob, scene.ada).round_complete
    following = ask_grid(scene, learn=1)
    assert following.number == 2
    [theirs] = group(scene, bob).queries
    assert theirs.sample_id == mine.sample_id
    send(scene, tile(scene, theirs, "cat"), bob)
    assert scene.labels() == {mine.sample_id: scene.cls("cat")}
    moved = f"SELECT count(*) FROM queries WHERE sample_id = {mine.sample_id} AND round_id = {following.id}"
    assert scalar(database, moved) == 1


def take_back(scene: Scene, answer: Answer, actor: Actor | None = None) -> Receipt:
    return annotations.undo(scene.database, actor or scene.ada, scene.id, str(uuid.uuid4()), answer.answer_id)


def test_a_whole_group_is_taken_back_marks_and_all(database: Database) -> None:
    scene = make_scene(database, spot_check_share=0.0)
    ask_grid(scene, 4)
    queries = group(scene).queries
    answers = [tile(scene, query, "skip" if place % 2 else "cat") for place, query in enumerate(queries)]
    for answer in answers:
        send(scene, answer)
    receipts = [take_back(scene, answer) for answer in reversed(answers)]
    assert [receipt.claimed.query_id for receipt in receipts if receipt.claimed] == [
        query.query_id for query in reversed(queries)
    ]
    assert scene.labels() == {}
    assert {query.query_id for query in group(scene).queries} == {query.query_id for query in queries}
    assert scalar(database, "SELECT count(*) FROM queries WHERE kind = 'confirm' AND state = 'open'") == 4
    for query in group(scene).queries:
        assert send(scene, tile(scene, query, "cat")).status == "saved"
    assert set(scene.labels().values()) == {scene.cls("cat")}
    everything_fits(scene)


def test_a_mark_that_was_taken_back_can_be_made_again(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 1)
    [mine] = group(scene).queries
    first = tile(scene, mine, "skip")
    send(scene, first)
    undo_id = str(uuid.uuid4())
    undone = annotations.undo(database, scene.ada, scene.id, undo_id, first.answer_id)
    again = annotations.undo(database, scene.ada, scene.id, undo_id, first.answer_id)
    assert again == replace(undone, repeated=True)
    with pytest.raises(NotFound, match="taken back before"):
        take_back(scene, first)
    assert undone.claimed is not None
    send(scene, tile(scene, undone.claimed, "skip"))
    assert kinds(scene, mine.sample_id) == [("learn", "open")]


def test_a_mark_stays_where_somebody_looks_at_the_image_singly(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 2)
    held, answered = (tile(scene, query, "skip") for query in group(scene).queries)
    send(scene, held)
    send(scene, answered)
    bob = scene.person("bob")
    _, second = scene.claim(bob, 2)
    scene.submit(bob, second, "dog")
    before = scene.labels()
    for mark in (held, answered):
        receipt = take_back(scene, mark)
        assert (receipt.claimed, receipt.message) == (None, grid_marks.ASKED_SINGLY)
    assert scalar(database, "SELECT count(*) FROM queries WHERE kind = 'confirm'") == 0
    assert scene.labels() == before
    everything_fits(scene)


def test_a_mark_of_two_people_stays_when_one_takes_it_back(database: Database) -> None:
    scene = make_scene(database, overlap=2)
    ask_grid(scene, 1)
    bob = scene.person("bob")
    [mine], [theirs] = group(scene).queries, group(scene, bob).queries
    ada_says, bob_says = tile(scene, mine, "skip"), tile(scene, theirs, "skip")
    send(scene, ada_says)
    send(scene, bob_says, bob)
    assert take_back(scene, ada_says).claimed is None
    assert kinds(scene, mine.sample_id) == [("learn", "open")]
    assert take_back(scene, bob_says, bob).message == grid_marks.ASKED_SINGLY  # ada's was never taken back
    everything_fits(scene)


def test_a_skip_in_single_mode_is_taken_back_as_a_skip(database: Database) -> None:
    scene = make_scene(database, gold_share=0.0)
    ask_grid(scene, 0, learn=1)
    [query] = scene.claim(scene.ada)
    as_gold(scene, query.query_id, 0)  # its skip does not count, as a mark does not
    answer = scene.answer(query, "skip")
    send(scene, answer)
    assert take_back(scene, answer).message == ""
    assert scalar(database, "SELECT count(*) FROM annotations WHERE withdrawn_at IS NULL") == 0
    assert kinds(scene, query.sample_id) == [("gold", "open")]


def test_a_merged_class_is_asked_as_the_one_it_went_into(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 1)
    merge = f"UPDATE classes SET retired_at = 1, merged_into_id = {scene.cls('dog')} WHERE id = {scene.cls('cat')}"
    database.write(lambda session: session.execute(text(merge)))
    assert group(scene).class_id == scene.cls("dog")


def test_tiles_of_a_class_that_is_gone_are_asked_singly(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 2, 1)
    group(scene, most=1)
    database.write(lambda session: session.execute(text(f"UPDATE classes SET retired_at = 1 WHERE id = {scene.cls()}")))
    assert group(scene).class_id == scene.cls("dog")
    assert [query.rank for query in scene.claim(scene.ada, 5)] == [0, 1]


def test_a_paused_project_hands_out_no_new_tiles(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 4)
    held = group(scene, most=2)
    projects.set_paused(database, scene.ada, scene.id, True)
    assert [query.query_id for query in group(scene).queries] == [query.query_id for query in held.queries]
    assert grid.claim_group(database, scene.person("bob"), scene.id) is None


def test_an_expired_tile_goes_to_others(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 2)
    group(scene)
    bob = scene.person("bob")
    assert grid.claim_group(database, bob, scene.id) is None
    scene.age_claims()
    assert len(group(scene, bob).queries) == 2
    assert grid.claim_group(database, scene.ada, scene.id) is None


def test_a_tile_whose_answer_is_on_its_way_is_not_shown_again(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 2)
    judged = [query.query_id for query in group(scene).queries]
    claims.release(database, scene.ada, scene.id, judged)  # as if others had had them meanwhile
    assert grid.claim_group(database, scene.ada, scene.id, besides=judged) is None


@pytest.mark.parametrize(("most", "besides"), [(0, []), (49, []), (1, ["x"]), (1, [-1]), (1, list(range(1001)))])
def test_odd_amounts_are_refused(sqlite_place: Place, most: int, besides: list[int]) -> None:
    with sqlite_place.open() as database:
        scene = make_scene(database, images=0)
        with pytest.raises(InvalidInput, match="expected"):
            grid.claim_group(database, scene.ada, scene.id, most, besides=besides)


def test_no_tile_is_given_twice(place: Place) -> None:
    with place.open() as database:
        scene = make_scene(database, images=80)
        ask_grid(scene, 40, 20, 20)
        names = ("ada", "bob", "eve", "eve")  # eve has two windows open
        together(children.claim_groups, [(place.url, place.home, scene.id, name) for name in names])
        leased = select(ClaimRow.query_id, ClaimRow.user_id).where(ClaimRow.state == "leased")
        rows = database.read(lambda session: session.execute(leased).tuples().all())
    assert set(Counter(query for query, _ in rows).values()) == {1}
    assert len(rows) == 80


def test_tiles_are_judged_once_whoever_is_faster(place: Place) -> None:
    """Four people confirm and reject the same groups of overlap two, and answer singly what was wrong."""
    with place.open() as database:
        scene = make_scene(database, images=40, spot_check_share=0.3)
        ask_grid(scene, 20, 12, slots=2)
        classes = [entry.id for entry in scene.project.classes]
        names = ("ada", "bob", "eve", "joe")
        together(children.judge_tiles, [(place.url, place.home, scene.id, name, classes) for name in names])
        over = "SELECT count(*) FROM (SELECT query_id FROM claims WHERE state IN ('leased', 'done') GROUP BY query_id "
        assert scalar(database, over + "HAVING count(*) > 2) AS crowded") == 0
        assert scalar(database, "SELECT count(*) FROM queries WHERE state = 'open'") == 0
        doubled = "SELECT count(*) FROM (SELECT sample_id FROM queries WHERE kind = 'spot_check' GROUP BY sample_id "
        assert scalar(database, doubled + "HAVING count(*) > 1) AS twice") == 0
        assert checks(scene)
        everything_fits(scene)
