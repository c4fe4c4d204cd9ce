"""One HTTP request to an address that somebody typed in: to public addresses alone, no redirects, little read.

The name is resolved once, every address it has is checked, and the connection goes to one of those that were checked:
a name that changes in between (DNS rebinding) leads nowhere else.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from urllib.parse import SplitResult, urlsplit

from flows.errors import FlowError

SECONDS = 10.0
MOST_READ = 64 * 1024
METADATA = frozenset({"fd00:ec2::254"})  # a cloud's own data, inside of a private range
_PORTS = {"http": 80, "https": 443}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(FlowError):
    """The address may not be reached; the text says why."""


def post(url: str, body: bytes, headers: Mapping[str, str], *, allow_private: bool, seconds: float = SECONDS) -> int:
    """Send a body and return the status of the answer, whose content is thrown away.

    Args:
        url: Where to, https; http to this machine alone.
        body: What is sent.
        headers: Beside those that every request has.
        allow_private: Whether this machine and private networks may be reached.
        seconds: How long all of it may take once the name is resolved.

    Raises:
        Refused: The address may not be reached.
        OSError: It cannot be reached, or took too long.
        http.client.HTTPException: What answered does not speak HTTP.
    """
    parts = urlsplit(url)
    addresses = checked_addresses(parts, allow_private=allow_private)
    if parts.scheme != "https" and not (allow_private and all(address.is_loopback for address in addresses)):
        raise Refused("expected https; http is for this machine alone, and with BORDERLINE_WEBHOOK_ALLOW_PRIVATE=1")
    connection = _Pinned(parts, addresses, seconds)
    end = threading.Timer(seconds, connection.cut)  # a timeout of the socket starts anew with every byte
    end.start()
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, {"Connection": "close", **headers})
        answer = connection.getresponse()
        answer.read(MOST_READ)
        if connection.is_cut:  # to http.client a cut is the end of what was sent
            raise TimeoutError
        return answer.status
    except (OSError, http.client.HTTPException, ValueError) as error:
        if connection.is_cut:
            raise TimeoutError(f"no answer within {seconds:g} s") from error
        raise
    finally:
        end.cancel()
        connection.close()


def checked_addresses(parts: SplitResult, *, allow_private: bool) -> list[Address]:
    """Resolve an address's name once and return what it leads to, if all of it may be reached.

    Raises:
        Refused: It is no HTTP address, or one of the numbers it leads to is not public.
        OSError: The name cannot be resolved.
    """
    if parts.scheme not in _PORTS or not parts.hostname:
        raise Refused("expected an address that starts with https://")
    port = parts.port or _PORTS[parts.scheme]
    found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        if not may_reach(address, allow_private=allow_private):
            raise Refused(f"{parts.hostname} leads to {address}, which is not a public address")
    if not addresses:
        raise Refused(f"{parts.hostname} leads nowhere")
    return addresses


def may_reach(address: Address, *, allow_private: bool = False) -> bool:
    """Whether a webhook may go there. Link-local (a cloud's metadata), multicast and 0.0.0.0 never may.

    >>> [may_reach(ipaddress.ip_address(text)) for text in ("93.184.215.14", "10.0.0.1", "::ffff:127.0.0.1")]
    [True, False, False]
    """
    inner = _embedded(address)
    if inner is not None:
        return may_reach(inner, allow_private=allow_private)
    if address.is_link_local or address.is_multicast or address.is_unspecified or str(address) in METADATA:
        return False
    if allow_private and (address.is_loopback or _in_private_network(address)):
        return True
    return address.is_global and not address.is_reserved


def _in_private_network(address: Address) -> bool:
    networks = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
    known = [ipaddress.ip_network(network) for network in networks]
    return any(address in network for network in known if network.version == address.version)


def _embedded(address: Address) -> Address | None:
    """The IPv4 address inside of an IPv6 one: mapped, 6to4, Teredo, NAT64, IPv4-compatible."""
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    number = int(address)
    if address in ipaddress.ip_network("64:ff9b::/96") or (number >> 32 == 0 and number > 0xFFFF):
        return ipaddress.IPv4Address(number & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


class _Pinned(http.client.HTTPConnection):
    """A connection to checked numbers under the name it was asked by; `cut` ends it from another thread."""

    def __init__(self, parts: SplitResult, addresses: Sequence[Address], seconds: float) -> None:
        self.default_port = _PORTS[parts.scheme]
        super().__init__(str(parts.hostname), parts.port or self.default_port, timeout=seconds)
        self.secure, self.addresses, self.is_cut = parts.scheme == "https", addresses, False

    def connect(self) -> None:
        """Connect to a number, not to the name; the certificate must be the name's."""
        self.sock = self._first_that_answers()
        if self.is_cut:
            raise TimeoutError
        if self.secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)

    def _first_that_answers(self) -> socket.socket:
        for address in self.addresses[:-1]:
            with contextlib.suppress(OSError):
                return socket.create_connection((str(address), self.port), self.timeout)
        return socket.create_connection((str(self.addresses[-1]), self.port), self.timeout)

    def cut(self) -> None:
        """End the connection now, whatever waits for it."""
        self.is_cut = True
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
