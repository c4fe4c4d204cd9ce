"""Webhooks sent for real, to servers on this machine: signed, tried again, and never where they must not go."""

from __future__ import annotations

import http.server
import json
import re
import shlex
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from db import deliveries, webhooks
from db.records import NewWebhook, Project
from flows import outgoing, runner
from flows.settings import Settings
from flows.store import Store
from flows.webhooks import relay, relay_until, send, signature
from tests.flows.conftest import Said, make_project

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


def say(status: int, **headers: str) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()

    return answer


class Receiver:
    """A real HTTP server on loopback that keeps what it was sent and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[SimpleNamespace] = []
        self.answer: Answer = say(204)
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(SimpleNamespace(path=self.path, headers=dict(self.headers), body=body))
                receiver.answer(self)

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?key=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


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


def test_little_of_an_answer_is_read(receiver: Receiver) -> None:
    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with pytest.raises(OSError):  # noqa: PT011, PT012 - the sender hangs up
            while True:
                handler.wfile.write(b"x" * 65536)

    receiver.answer = endless
    assert outgoing.post(receiver.url, b"{}", {}, allow_private=True, seconds=5) == 200


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_receiver_that_drips_is_cut_off(receiver: Receiver, part: str) -> None:
    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n" + (b"\r\n" if part == "body" else b""))
        for _ in range(100):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return
            time.sleep(0.1)

    receiver.answer = drip
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="within 1 s"):
        outgoing.post(receiver.url, b"{}", {}, allow_private=True, seconds=1)
    assert time.monotonic() - start < 3


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


INSIDE = [
    "https://127.0.0.1/", "https://127.1/", "https://0x7f000001/", "https://2130706433/", "https://0177.0.0.1/",
    "https://localhost/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[::127.0.0.1]/", "https://0.0.0.0/",
    "https://0/", "https://[::]/", "https://10.1.2.3/", "https://172.16.0.1/", "https://192.168.1.1/",
    "https://100.64.0.1/", "https://169.254.169.254/", "https://[fe80::1]/", "https://[fd00:ec2::254]/",
    "https://224.0.0.1/", "https://255.255.255.255/", "https://240.0.0.1/", "https://198.18.0.1/",
]  # fmt: skip


@pytest.mark.parametrize("url", INSIDE)
def test_addresses_inside_are_refused(url: str) -> None:
    with pytest.raises(outgoing.Refused, match="not a public address"):
        outgoing.checked_addresses(urlsplit(url), allow_private=False)


@pytest.mark.parametrize(
    "url",
    ["https://169.254.169.254/", "https://[fe80::1]/", "https://[fd00:ec2::254]/", "https://0.0.0.0/",
     "https://224.0.0.1/", "https://[::ffff:169.254.169.254]/", "https://100.100.100.200/"],
)  # fmt: skip
def test_a_clouds_metadata_is_refused_even_where_private_addresses_may_be_told(url: str) -> None:
    with pytest.raises(outgoing.Refused):
        outgoing.checked_addresses(urlsplit(url), allow_private=True)


@pytest.mark.parametrize("url", ["https://93.184.215.14/", "https://[2606:2800:21f::1]/", "https://8.8.8.8:444/"])
def test_public_addresses_pass(url: str) -> None:
    assert len(outgoing.checked_addresses(urlsplit(url), allow_private=False)) == 1


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let the network's name service give these addresses, one list a question; returns the names that were asked."""
    asked: list[str] = []
    genuine = socket.getaddrinfo

    def lookup(host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        if host.replace(".", "").isdigit() or ":" in host:
            return genuine(host, port, *more, **named)
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return asked


@pytest.mark.parametrize("found", [["10.0.0.7"], ["93.184.215.14", "127.0.0.1"], ["169.254.169.254"]])
def test_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch, found: list[str]) -> None:
    resolving(monkeypatch, found)
    with pytest.raises(outgoing.Refused, match="innocent"):
        outgoing.post("https://innocent.example/", b"{}", {}, allow_private=False)


def test_a_name_that_changes_after_the_check_leads_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    """DNS rebinding: the name is asked once, and the connection goes to what was checked."""
    asked = resolving(monkeypatch, ["192.0.2.1"], ["127.0.0.1"])
    monkeypatch.setattr(outgoing, "may_reach", lambda address, allow_private: str(address) == "192.0.2.1")
    with pytest.raises(OSError):  # noqa: PT011 - unreachable or timed out, as the machine has it
        outgoing.post(f"https://rebinding.example:{receiver.port}/", b"{}", {}, allow_private=False, seconds=1)
    assert asked == ["rebinding.example"]
    assert receiver.got == []


def test_without_the_switch_this_machine_is_not_told(
    store: Store, project: Project, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = hook(store, project, receiver.url)
    queue(store, project, made)
    monkeypatch.setenv("BORDERLINE_WEBHOOK_ALLOW_PRIVATE", "0")
    relay(Store(Settings(), store.database, store.actor))
    assert receiver.got == []
    assert "not a public address" in told(store, project, made).error


def test_http_is_for_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["10.0.0.7"])
    with pytest.raises(outgoing.Refused, match="https"):
        outgoing.post("http://inside.example/", b"{}", {}, allow_private=True)


def test_a_certificate_of_another_name_is_refused(receiver: Receiver, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {certificate} -days 1 -subj /CN=other.example"
    subprocess.run(shlex.split(make), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    with pytest.raises(ssl.SSLCertVerificationError):
        outgoing.post(f"https://127.0.0.1:{receiver.port}/", b"{}", {}, allow_private=True, seconds=5)
    assert receiver.got == []


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
