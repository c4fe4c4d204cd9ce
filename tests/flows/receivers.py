"""A real HTTP server that webhooks are sent to."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable
from types import SimpleNamespace

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
