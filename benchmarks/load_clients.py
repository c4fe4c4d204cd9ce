"""Annotators without a browser for `answer_load`: by the page's answer route, and by the component's state."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

WINDOW, LOW = 20, 8
PATIENCE = 30.0
COMPONENT = "borderline_labeler"


@dataclass(frozen=True)
class Person:
    """Who answers where: the page's address, a project, a name, and a token for the routes."""

    port: int
    project_id: int
    project: str
    name: str
    token: str
    class_ids: tuple[int, ...]


@dataclass
class Log:
    """What a client saw: how long each acknowledgment took, what was acknowledged, and what was not."""

    seconds: list[float] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)
    drafts: int = 0
    refused: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    repeats: int = 0
    idle: int = 0

    def note(self, result: dict[str, Any], seconds: float) -> None:
        """Note the result of one answer."""
        self.seconds.append(seconds)
        if not result.get("ok"):
            self.refused.append(f"{result.get('reason')}: {result.get('message')}")
        elif result.get("status") == "draft":
            self.drafts += 1
        else:
            self.saved.append(str(result["id"]))


class Annotator:
    """Claims windows of queries and answers them at a steady pace, by the route as the page does."""

    def __init__(self, person: Person) -> None:
        self.person, self.log = person, Log()
        self.window: list[dict[str, Any]] = []
        self._connection: http.client.HTTPConnection | None = None

    def work(self, start: float, end: float, pace: float) -> None:
        """Answer once every `pace` seconds from `start` to `end`; a late answer delays none of those that follow."""
        due = start
        while due < end:
            time.sleep(max(0.0, due - time.monotonic()))
            due += pace
            if len(self.window) < LOW:
                self.claim()
            if not self.window:
                self.log.idle += 1
                continue
            entry = self.entry(self.window.pop(0))
            self.answer(entry)
        self.close()

    def entry(self, query: dict[str, Any]) -> dict[str, Any]:
        """Return an answer as the component keeps it in its outbox."""
        now = int(time.time() * 1000)
        classes = self.person.class_ids
        return {
            "kind": "answer", "id": str(uuid.uuid4()), "query_id": query["query_id"], "token": query["token"],
            "outcome": "class", "class_id": classes[query["query_id"] % len(classes)], "note": "",
            "shown_at": now - 800, "answered_at": now, "latency_ms": 800, "prediction_shown": False,
        }  # fmt: skip

    def claim(self) -> None:
        """Fill the window."""
        held = {query["query_id"] for query in self.window}
        answer = self.post("claims", {"count": WINDOW, "holding": len(self.window)})
        self.window += [query for query in answer.get("queries", []) if query["query_id"] not in held]

    def answer(self, entry: dict[str, Any]) -> None:
        """Send one answer, again and again under the same id until it is acknowledged."""
        begun = time.monotonic()
        while time.monotonic() - begun < PATIENCE:
            results = self.post("answers", {"answers": [entry]}).get("results", [])
            if results and (results[0].get("ok") or not results[0].get("retry")):
                self.log.note(results[0], time.monotonic() - begun)
                return
            self.log.repeats += 1
        self.log.unanswered.append(entry["id"])

    def post(self, route: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send one request; nothing comes back from one that failed."""
        headers = {"Content-Type": "application/json", "X-Borderline-Token": self.person.token}
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self.person.port, timeout=PATIENCE)
            path = f"/api/projects/{self.person.project_id}/{route}"
            self._connection.request("POST", path, json.dumps(body), headers)
            found = json.loads(self._connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            time.sleep(0.2)
            return {}
        return found if isinstance(found, dict) else {}

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class ComponentAnnotator(Annotator):
    """Answers by the component's state, through Streamlit's own websocket: the second way, when the route fails."""

    def __init__(self, person: Person) -> None:
        super().__init__(person)
        self._socket: Any = None
        self._component = self._fragment = ""
        self._outbox: list[dict[str, Any]] = []

    def work(self, start: float, end: float, pace: float) -> None:
        """Open the page first, then answer as everybody does."""
        from websockets.sync.client import connect

        where = f"ws://127.0.0.1:{self.person.port}/_stcore/stream"
        with connect(where, subprotocols=["streamlit"], max_size=None, origin=_origin(self.person)) as socket:
            self._socket = socket
            self._rerun()
            self._read_until(set(), time.monotonic() + PATIENCE)
            super().work(start, end, pace)

    def answer(self, entry: dict[str, Any]) -> None:
        """Put the answer into the component's state and wait for its result to come back with the page."""
        self._outbox.append(entry)
        begun = time.monotonic()
        self._rerun()
        results = self._read_until({entry["id"]}, begun + PATIENCE)
        self._outbox = [kept for kept in self._outbox if kept["id"] not in results]
        if entry["id"] in results:
            self.log.note(results[entry["id"]], time.monotonic() - begun)
        else:
            self.log.unanswered.append(entry["id"])

    def _rerun(self) -> None:
        from streamlit.proto.BackMsg_pb2 import BackMsg

        message = BackMsg()
        asked = {"project": self.person.project, "name": self.person.name}
        message.rerun_script.query_string = urlencode(asked)
        if self._component:
            state = {"outbox": {"turn": int(time.time() * 1000), "entries": self._outbox}}
            message.rerun_script.fragment_id = self._fragment
            message.rerun_script.widget_states.widgets.add(id=self._component, json_value=json.dumps(state))
        self._socket.send(message.SerializeToString())

    def _read_until(self, wanted: set[str], deadline: float) -> dict[str, dict[str, Any]]:
        """Read what the page draws until these results came, and the run that brought them has ended."""
        results: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(TimeoutError):
            while time.monotonic() < deadline:
                drawn, ended = self._read(deadline)
                results.update({str(result["id"]): result for result in drawn})
                if ended and self._component and wanted <= set(results):
                    break
        return results

    def _read(self, deadline: float) -> tuple[list[dict[str, Any]], bool]:
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        message = ForwardMsg()
        message.ParseFromString(self._socket.recv(timeout=max(0.01, deadline - time.monotonic())))
        ended = message.WhichOneof("type") == "script_finished"
        if message.WhichOneof("type") != "delta" or message.delta.new_element.WhichOneof("type") != "bidi_component":
            return [], ended
        component = message.delta.new_element.bidi_component
        if component.component_name.rpartition(".")[2] != COMPONENT:
            return [], ended
        self._component, self._fragment = component.id, message.delta.fragment_id
        return list(json.loads(component.json).get("results", [])), ended


def _origin(person: Person) -> str:
    return f"http://127.0.0.1:{person.port}"


def run(annotators: list[Annotator], seconds: float, pace: float) -> float:
    """Let all work at the same time, spread over the pace; returns how long they took, in seconds."""
    start = time.monotonic() + 1.0 + len(annotators) / 10
    end = start + seconds
    threads = []
    for number, annotator in enumerate(annotators):
        first = start + pace * number / len(annotators)
        threads.append(threading.Thread(target=annotator.work, args=(first, end, pace), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return time.monotonic() - start
