"""A bad network: a TCP proxy before PostgreSQL's socket that cuts connections, at random or at a COMMIT."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = 65536
BEFORE_COMMIT, AFTER_COMMIT = "before COMMIT", "after COMMIT"


class Proxy:
    """Passes connections on until it is told to cut.

    Attributes:
        port: Where clients connect to.
        cuts: How many connections were cut so far.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.cuts = 0
        self._cut_at: str | None = None
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def cut_next(self, when: str) -> None:
        """Cut the connection whose COMMIT comes next: before the server gets it, or after, without its reply."""
        with self._lock:
            self._cut_at = when

    @property
    def waiting(self) -> bool:
        """Whether the cut that was asked for is still to come."""
        return self._cut_at is not None

    def cut_all(self) -> None:
        """Cut every connection now."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            self._cut(pair)

    def close(self) -> None:
        """Cut everything and listen no more."""
        self._server.close()
        self.cut_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                server.connect(str(self._target))
            except OSError:  # the server is down
                client.close()
                continue
            pair = (client, server)
            with self._lock:
                self._pairs.append(pair)
            threading.Thread(target=self._to_server, args=(pair,), daemon=True).start()
            threading.Thread(target=self._to_client, args=(pair,), daemon=True).start()

    def _to_server(self, pair: tuple[socket.socket, socket.socket]) -> None:
        client, server = pair
        with contextlib.suppress(OSError):
            while data := client.recv(CHUNK):
                when = self._due(data)
                if when == BEFORE_COMMIT:
                    break
                if when == AFTER_COMMIT:
                    client.shutdown(socket.SHUT_RDWR)  # the reply finds nobody
                    server.sendall(data)  # what lies in a socket is read, even from one that was closed
                    break
                server.sendall(data)
        self._cut(pair)

    def _due(self, data: bytes) -> str | None:
        """Return the cut that this piece of the stream triggers, and count it."""
        if self._cut_at is None or b"COMMIT" not in data:
            return None
        with self._lock:
            when, self._cut_at = self._cut_at, None
            self.cuts += when is not None
            return when

    def _to_client(self, pair: tuple[socket.socket, socket.socket]) -> None:
        client, server = pair
        with contextlib.suppress(OSError):
            while data := server.recv(CHUNK):
                client.sendall(data)
        self._cut(pair)

    def _cut(self, pair: tuple[socket.socket, socket.socket]) -> None:
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def proxied(folder: Path | str) -> Iterator[Proxy]:
    """A proxy before the server whose socket lies in a folder."""
    proxy = Proxy(Path(folder) / ".s.PGSQL.5432")
    try:
        yield proxy
    finally:
        proxy.close()
