"""Webhooks sent for real, to servers on this machine: signed, tried again, and never where they must not go."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from db import deliveries, webhooks
from db.records import NewWebhook, Project
from flows import runner
from flows.settings import Settings
from flows.store import Store
from flows.webhooks import relay, relay_until, send, signature
from tests.flows.conftest import Said, make_project
from tests.flows.receivers import Receiver, say

DOCS = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _private(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BORDERLINE_WEBHOOK_ALLOW_PRIVATE", "1")


@pytest.fixture
def project(store: Store) -> Project:
    return make_project(store)


def hook(store: Store, project: Project, url: str, *topics: str) -> NewWebhook:
    return webhooks.add(store.database, store.actor, project.id, url, topics or webhooks.TOPICS)


def queue(store: Store, project: Project, made: NewWebhook) -> None:
    webhooks.test(store.database, store.actor, project.id, made.webhook.id)


def told(store: Store, project: Project, made: NewWebhook) -> Any:
    return deliveries.listed(store.database, store.actor, project.id, made.webhook.id)[0]


def verifier() -> Callable[..., bool]:
    """The function that docs/api.md gives to receivers, as it stands there."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    [snippet] = [block for block in blocks if "def verify" in block]
    names: dict[str, Any] = {}
    exec(snippet, names)  # noqa: S102 - our own documentation
    return names["verify"]


def test_a_message_arrives_signed_and_the_documented_check_accepts_it(
    store: Store, project: Project, receiver: Receiver
) -> None:
    made = hook(store, project, receiver.url, "round.completed")
    said = {"round_id": 7, "number": 1, "name": "Ünï\u2028<b>"}
    store.database.write(lambda session: webhooks.ring(session, "round_complete", project.id, said))
    assert relay(store) == 1
    [got] = receiver.got
    assert got.path == "/hook?key=1"
    assert got.headers["Borderline-Event"] == "round.completed"
    assert got.headers["Host"] == f"127.0.0.1:{receiver.port}"
    body = json.loads(got.body)
    assert (body["topic"], body["project_id"], body["data"]) == ("round.completed", project.id, said)
    assert isinstance(body["id"], int)
    verify = verifier()
    assert verify(made.secret, got.headers, got.body)
    assert not verify("whs_other", got.headers, got.body)
    assert not verify(made.secret, got.headers, got.body + b" ")
    old = str(int(time.time()) - 3600)
    resigned = {**got.headers, "Borderline-Timestamp": old}
    assert not verify(made.secret, resigned, got.body)
    replayed = {**resigned, "Borderline-Signature": signature(made.secret, int(old), got.body)}
    assert not verify(made.secret, replayed, got.body)
    assert told(store, project, made).state == "done"
    assert relay(store) == 0


def test_a_failure_is_tried_again_under_the_same_id(store: Store, project: Project, receiver: Receiver) -> None:
    made = hook(store, project, receiver.url)
    queue(store, project, made)
    receiver.answer = say(503)
    relay(store)
    assert (told(store, project, made).state, told(store, project, made).status) == ("pending", 503)
    assert relay(store) == 0
    store.database.write(lambda session: session.execute(text("UPDATE webhook_deliveries SET next_at = 0")))
    receiver.answer = say(200)
    relay(store)
    first, second = receiver.got
    assert first.body == second.body
    assert first.headers["Borderline-Delivery"] == second.headers["Borderline-Delivery"]
    assert (told(store, project, made).state, told(store, project, made).attempt) == ("done", 2)


def test_a_sender_that_dies_after_sending_sends_again(store: Store, project: Project, receiver: Receiver) -> None:
    made = hook(store, project, receiver.url)
    queue(store, project, made)
    [parcel] = deliveries.lease(store.database)
    send(parcel, allow_private=True)  # and dies before it says so
    store.database.write(lambda session: session.execute(text("UPDATE webhook_deliveries SET next_at = 0")))
    relay(store)
    assert len({json.loads(got.body)["id"] for got in receiver.got}) == 1
    assert len(receiver.got) == 2


@pytest.mark.parametrize("where", ["http://169.254.169.254/latest/meta-data/", "{own}/elsewhere"])
def test_a_redirect_is_not_followed(store: Store, project: Project, receiver: Receiver, where: str) -> None:
    made = hook(store, project, receiver.url)
    queue(store, project, made)
    receiver.answer = say(307, Location=where.format(own=f"http://127.0.0.1:{receiver.port}"))
    relay(store)
    assert len(receiver.got) == 1
    assert (told(store, project, made).status, told(store, project, made).state) == (307, "pending")
    assert "redirects are not followed" in told(store, project, made).error


def test_what_is_no_http_is_an_error_and_not_a_crash(store: Store, project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = hook(store, project, f"http://127.0.0.1:{server.getsockname()[1]}/")
        queue(store, project, made)

        def nonsense() -> None:
            peer, _ = server.accept()
            peer.recv(100)
            peer.sendall(b"\x1b[31mSSH-2.0\r\n\r\n")
            peer.close()

        thread = threading.Thread(target=nonsense, daemon=True)
        thread.start()
        relay(store)
        thread.join(5)
    assert told(store, project, made).state == "pending"
    assert "\x1b" not in told(store, project, made).error


def test_without_the_switch_this_machine_is_not_told(
    store: Store, project: Project, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = hook(store, project, receiver.url)
    queue(store, project, made)
    monkeypatch.setenv("BORDERLINE_WEBHOOK_ALLOW_PRIVATE", "0")
    relay(Store(Settings(), store.database, store.actor))
    assert receiver.got == []
    assert "not a public address" in told(store, project, made).error


def test_the_runner_tells_by_itself(settings: Settings, store: Store, project: Project, receiver: Receiver) -> None:
    hook(store, project, receiver.url, "round.completed")
    stop = threading.Event()
    thread = threading.Thread(target=relay_until, args=(Settings(), stop, 0.05), daemon=True)
    thread.start()
    store.database.write(lambda session: webhooks.ring(session, "round_complete", project.id, {"number": 1}))
    deadline = time.monotonic() + 10
    while not receiver.got and time.monotonic() < deadline:
        time.sleep(0.02)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert len(receiver.got) == 1
    assert "relay_until" in Path(str(runner.__file__)).read_text("utf-8")


Run = Callable[..., Said]


def test_the_commands_add_test_list_and_remove(run: Run, receiver: Receiver) -> None:
    assert run("project", "create", "birds", "--classes", "robin,wren").code == 0
    added = run("webhook", "add", "birds", receiver.url, "--topic", "round.completed")
    assert added.out.startswith("whs_")
    assert "answered 204" in run("webhook", "test", "birds", 1).out
    assert receiver.got[0].headers["Borderline-Event"] == "webhook.test"
    receiver.answer = say(500)
    failed = run("webhook", "test", "birds", 1)
    assert failed.code == 2
    assert "answered 500" in failed.err
    [listed] = json.loads(run("webhook", "list", "birds", "--json").out)
    assert listed["webhook"]["topics"] == ["round.completed"]
    assert listed["last"]["status"] == 500
    assert "whs_" not in run("webhook", "list", "birds").out
    assert run("webhook", "remove", "birds", 1).code == 0
    assert run("webhook", "test", "birds", 1).code == 2
    assert run("webhook", "add", "birds", "http://example.org/").code == 2


def test_the_commands_make_list_and_revoke_tokens(run: Run) -> None:
    assert run("project", "create", "birds", "--classes", "robin,wren").code == 0
    made = json.loads(run("token", "create", "nightly", "--project", "birds", "--days", 3, "--json").out)
    assert made["secret"].startswith("blt_")
    assert made["token"]["project_id"] == 1
    assert run("token", "create", "plain").out.startswith("blt_")
    listed = run("token", "list")
    assert "nightly" in listed.out
    assert "blt_" not in listed.out
    assert run("token", "revoke", made["token"]["id"]).code == 0
    assert json.loads(run("token", "list", "--json").out)[1]["revoked_at"] is not None
    assert "expected a user" in run("token", "create", "x", "--user", "nobody").err
    assert run("token", "revoke", 99).code == 2
