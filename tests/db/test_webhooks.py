"""Webhooks in SQL: messages come with the transaction they tell of, once for each webhook that wants them."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from db import deliveries, rounds, webhooks
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound
from db.records import Delivery, NewWebhook, Parcel
from tests.database_fixtures import Place
from tests.db import children
from tests.db.children import together
from tests.db.scenes import Scene, make_scene, scalar

URL = "https://example.org/hook"


@pytest.fixture
def scene(database: Database) -> Scene:
    return make_scene(database)


def hook(scene: Scene, *topics: str, url: str = URL) -> NewWebhook:
    return webhooks.add(scene.database, scene.ada, scene.id, url, topics or webhooks.TOPICS)


def told(scene: Scene) -> list[tuple[str, dict]]:
    deliveries.spread(scene.database)
    return [(parcel.topic, dict(parcel.payload)) for parcel in lease_all(scene.database)]


def lease_all(database: Database) -> list[Parcel]:
    found: list[Parcel] = []
    while more := deliveries.lease(database):
        found += more
    return sorted(found, key=lambda parcel: parcel.delivery_id)


def later(scene: Scene) -> None:
    scene.database.write(lambda session: session.execute(text("UPDATE webhook_deliveries SET next_at = 0")))


def last(scene: Scene, made: NewWebhook) -> Delivery:
    return deliveries.listed(scene.database, scene.ada, scene.id, made.webhook.id, limit=1)[0]


def test_an_answer_is_told_in_its_own_transaction(scene: Scene) -> None:
    hook(scene)
    bob = scene.person("bob")
    scene.ask(1, slots=2)
    query = scene.claim(scene.ada)[0]
    answer = scene.answer(query, "dog")
    scene.submit(scene.ada, query, answer_id=answer.answer_id, class_id=answer.class_id)
    [(topic, said)] = told(scene)
    assert topic == "annotation.created"
    assert said == {
        "query_id": query.query_id, "sample_id": query.sample_id, "round_id": said["round_id"],
        "answer_id": answer.answer_id, "outcome": "class", "user": "ada", "mode": "single", "class": "dog",
        "supersedes": None,
    }  # fmt: skip
    scene.submit(bob, scene.claim(bob)[0], "dog")
    found = told(scene)
    assert [topic for topic, _ in found] == ["annotation.created", "query.completed", "round.completed"]
    assert found[1][1]["label"] == "dog"
    assert found[2][1]["number"] == 1


def test_a_query_that_nobody_can_finish_is_told_when_its_round_closes(scene: Scene) -> None:
    hook(scene, "query.completed")
    scene.ask(1, slots=2)
    query = scene.claim(scene.ada)[0]
    scene.submit(scene.ada, query, "dog")
    assert told(scene) == []
    rounds.begin_round(scene.database, scene.system, scene.id)
    [(topic, said)] = told(scene)
    assert (topic, said["query_id"], said["label"]) == ("query.completed", query.query_id, "dog")


def test_a_repeat_or_a_draft_is_not_told_again(scene: Scene) -> None:
    hook(scene, "annotation.created")
    scene.ask(2)
    query = scene.claim(scene.ada)[0]
    answer = scene.answer(query)
    for _ in range(2):
        scene.submit(scene.ada, query, answer_id=answer.answer_id, class_id=answer.class_id)
    assert scene.submit(scene.ada, query, "dog").status == "draft"
    assert len(told(scene)) == 1


def test_what_nobody_wants_is_not_written(scene: Scene) -> None:
    hook(scene, "round.completed")
    gone = hook(scene)
    webhooks.remove(scene.database, scene.ada, scene.id, gone.webhook.id)
    make_scene(scene.database, name="other", images=0)
    scene.ask(2)
    scene.submit(scene.ada, scene.claim(scene.ada)[0])
    topics = "SELECT count(*) FROM outbox WHERE topic NOT IN ('round_open', 'round_complete')"
    assert scalar(scene.database, topics) == 0


def test_a_webhook_hears_of_its_project_and_of_what_happened_since_it_is_there(scene: Scene) -> None:
    other = make_scene(scene.database, name="other")
    scene.ask(1)
    other.ask(1)
    scene.submit(scene.ada, scene.claim(scene.ada)[0])  # the round is complete
    scene.database.write(lambda session: session.execute(text("UPDATE outbox SET created_at = created_at - 10")))
    hook(scene)
    hook(other)
    assert told(scene) == []
    other.submit(scene.ada, other.claim(scene.ada)[0])
    assert [topic for topic, _ in told(scene)] == ["annotation.created", "query.completed", "round.completed"]
    hooks = "SELECT count(DISTINCT webhook_id) FROM webhook_deliveries"
    assert scalar(scene.database, hooks) == 1
    assert scalar(scene.database, "SELECT count(*) FROM outbox WHERE sent_at IS NULL") == 0


def test_the_secret_is_shown_once_and_signs(scene: Scene) -> None:
    made = hook(scene)
    assert made.secret.startswith("whs_")
    assert made.secret not in repr(made)
    assert made.secret not in repr(webhooks.listed(scene.database, scene.ada, scene.id))
    queued = webhooks.test(scene.database, scene.ada, scene.id, made.webhook.id)
    [parcel] = deliveries.lease(scene.database)
    assert (parcel.delivery_id, parcel.topic, parcel.secret) == (queued, "webhook.test", made.secret)
    assert made.secret not in repr(parcel)


def test_a_leased_delivery_is_nobody_elses_until_the_lease_is_over(scene: Scene) -> None:
    made = hook(scene)
    webhooks.test(scene.database, scene.ada, scene.id, made.webhook.id)
    [first] = deliveries.lease(scene.database)
    assert deliveries.lease(scene.database) == []
    later(scene)  # its sender died
    [again] = deliveries.lease(scene.database)
    assert (again.delivery_id, again.message_id, first.attempt, again.attempt) == (
        first.delivery_id, first.message_id, 1, 2,
    )  # fmt: skip


def test_ten_failures_are_the_end(scene: Scene) -> None:
    made = hook(scene)
    webhooks.test(scene.database, scene.ada, scene.id, made.webhook.id)
    waits = []
    for attempt in range(1, 11):
        later(scene)
        [parcel] = deliveries.lease(scene.database)
        assert parcel.attempt == attempt
        before = scalar(scene.database, "SELECT max(next_at) FROM webhook_deliveries") - deliveries.LEASE_MS
        deliveries.finish(scene.database, parcel, 500, "no")
        waits.append(last(scene, made).next_at - before)
    done = last(scene, made)
    assert (done.state, done.status, done.error, done.attempt) == ("failed", 500, "no", 10)
    assert waits[0] == pytest.approx(60_000, rel=0.05)
    assert waits[8] == pytest.approx(12 * 3_600_000, rel=0.05)
    later(scene)
    assert deliveries.lease(scene.database) == []


def test_success_ends_it_and_a_late_failure_does_not_take_it_back(scene: Scene) -> None:
    made = hook(scene)
    webhooks.test(scene.database, scene.ada, scene.id, made.webhook.id)
    [parcel] = deliveries.lease(scene.database)
    deliveries.finish(scene.database, parcel, 200, "")
    deliveries.finish(scene.database, parcel, 500, "too late")
    done = last(scene, made)
    assert (done.state, done.status, done.error) == ("done", 200, "")


def test_a_removed_webhook_gets_nothing_more(scene: Scene) -> None:
    made = hook(scene)
    webhooks.test(scene.database, scene.ada, scene.id, made.webhook.id)
    webhooks.remove(scene.database, scene.ada, scene.id, made.webhook.id)
    assert deliveries.lease(scene.database) == []
    assert last(scene, made).state == "failed"
    assert webhooks.listed(scene.database, scene.ada, scene.id) == []
    for again in (webhooks.remove, webhooks.test):
        with pytest.raises(NotFound):
            again(scene.database, scene.ada, scene.id, made.webhook.id)


def test_webhooks_of_another_project_are_not_there(scene: Scene) -> None:
    other = make_scene(scene.database, name="other", images=0)
    made = hook(scene)
    for call in (webhooks.remove, webhooks.test, deliveries.listed):
        with pytest.raises(NotFound):
            call(scene.database, scene.ada, other.id, made.webhook.id)


def test_a_webhook_that_hangs_leaves_room_for_others(scene: Scene) -> None:
    slow, quick = hook(scene), hook(scene, url="https://example.com/")
    for _ in range(40):
        webhooks.test(scene.database, scene.ada, scene.id, slow.webhook.id)
    webhooks.test(scene.database, scene.ada, scene.id, quick.webhook.id)
    leased = deliveries.lease(scene.database, 16)
    assert len(leased) == deliveries.SHARE + 1
    assert "https://example.com/" in {parcel.url for parcel in leased}


def test_old_messages_are_deleted_when_all_is_told(scene: Scene) -> None:
    made = hook(scene)
    for _ in range(2):
        webhooks.test(scene.database, scene.ada, scene.id, made.webhook.id)
    deliveries.finish(scene.database, deliveries.lease(scene.database)[0], 200, "")
    assert deliveries.prune(scene.database) == 0
    scene.database.write(lambda session: session.execute(text("UPDATE outbox SET sent_at = 1")))
    assert deliveries.prune(scene.database) == 1
    assert scalar(scene.database, "SELECT count(*) FROM webhook_deliveries") == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/", "http://10.0.0.1/", "http://127.1/", "ftp://example.org/", "file:///etc/passwd",
        "https://user:secret@example.org/", "https://", "https:///x", "https://example.org:0/", "https://example.org:99999",
        "https://exämple.org/", "https://example.org/a b", "https://[::1", "https://example.org/\nX: y", "", 3,
    ],
)  # fmt: skip
def test_addresses_that_cannot_be_told_are_refused(scene: Scene, url: str) -> None:
    with pytest.raises(InvalidInput, match="expected"):
        hook(scene, url=url)


@pytest.mark.parametrize("topics", [[], ["annotation.deleted"], "round.completed", [["round.completed"]], None])
def test_unknown_topics_are_refused(scene: Scene, topics: object) -> None:
    with pytest.raises(InvalidInput, match="topics"):
        webhooks.add(scene.database, scene.ada, scene.id, URL, topics)


def test_webhooks_are_not_added_without_end(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MOST_LIVE", 1)
    hook(scene)
    with pytest.raises(Conflict):
        hook(scene)


def test_four_relays_spread_and_send_each_message_once(place: Place) -> None:
    with place.open() as database:
        scene = make_scene(database, images=60)
        hook(scene)
        hook(scene, "annotation.created")
        scene.ask(40)
        for query in scene.claim(scene.ada, 40):
            scene.submit(scene.ada, query)
        sent = together(children.relay_all, [(place.url, place.home)] * 4)
        ids = [delivery for part in sent for delivery in part]
        assert len(ids) == len(set(ids)) == 40 + 40 + 40 + 1
        assert scalar(database, "SELECT count(*) FROM webhook_deliveries WHERE state = 'done'") == 121
