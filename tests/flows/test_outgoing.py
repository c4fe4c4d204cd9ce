"""Where a webhook may go: public addresses over https, checked once and connected to as checked (SSRF)."""

from __future__ import annotations

import http.server
import shlex
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from flows import outgoing
from tests.flows.receivers import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


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
