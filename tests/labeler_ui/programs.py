"""Programs at the HTTP API: their tokens, and what they ask."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.testclient import TestClient

from db import access, api_tokens
from db.records import Actor, Role
from labeler_ui import store
from labeler_ui.api.v1 import OPERATIONS
from labeler_ui.api.v1.table import Operation
from tests.labeler_ui.seed import Seeded

ROOT = "/api/v1"
BY_NAME = {operation.name: operation for operation in OPERATIONS}
Headers = dict[str, str]


def bearer(seeded: Seeded, name: str = "ada", **limits: Any) -> Headers:
    actor = store.actor(seeded.database, name)
    return {"authorization": f"Bearer {api_tokens.create(seeded.database, actor, actor.user_id, 't', **limits).secret}"}


def member(seeded: Seeded, name: str, role: Role | None) -> Headers:
    user = access.add_user(seeded.database, seeded.actor, name)
    if role is not None:
        access.add_member(seeded.database, seeded.actor, seeded.project.id, user.id, role)
    made = api_tokens.create(seeded.database, Actor(user_id=user.id, name=name), user.id, "t")
    return {"authorization": f"Bearer {made.secret}"}


def url(seeded: Seeded, rest: str = "") -> str:
    return f"{ROOT}/projects/{seeded.project.id}{rest}"


def claim(client: TestClient, seeded: Seeded, headers: Headers, count: int = 3) -> list[dict]:
    answer = client.post(url(seeded, "/claims"), json={"count": count}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["queries"]


def answer_to(query: dict, **changes: object) -> dict:
    base = {"answer_id": str(uuid.uuid4()), "query_id": query["query_id"], "token": query["token"]}
    return {**base, "outcome": "class", "class": "3", **changes}


def send(client: TestClient, seeded: Seeded, headers: Headers, *answers: object) -> list[dict]:
    answer = client.post(url(seeded, "/answers"), json={"answers": list(answers)}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


class Session:
    """A program that uses every operation once, so that each real answer can be held against the document."""

    def __init__(self, client: TestClient, seeded: Seeded) -> None:
        self.client, self.seeded, self.headers = client, seeded, bearer(seeded)
        query = claim(client, seeded, self.headers)[0]
        self.sample, self.query, self.answer = query["sample_id"], query["query_id"], answer_to(query)
        self.kept = answer_to(claim(client, seeded, self.headers)[1])
        send(client, seeded, self.headers, self.kept)
        hook = client.post(url(seeded, "/webhooks"), json={"url": "https://example.org/"}, headers=self.headers)
        self.hook = hook.json()["webhook"]["id"]

    def body(self, name: str) -> dict | None:
        return {
            "claim": {"count": 2, "lease_seconds": 60},
            "answer": {"answers": [self.answer, {"answer_id": "x"}]},
            "release": {"query_ids": [1]},
            "undo": {"undo_id": str(uuid.uuid4()), "answer_id": self.kept["answer_id"]},
            "addWebhook": {"url": "https://example.org/", "topics": ["round.completed"]},
            "testWebhook": {},
        }.get(name)

    def path(self, operation: Operation) -> str:
        if operation.name == "listDeliveries":
            self.call(BY_NAME["testWebhook"])
        ids = {
            "project_id": self.seeded.project.id, "sample_id": self.sample, "query_id": self.query,
            "webhook_id": self.hook,
        }  # fmt: skip
        return ROOT + operation.path.format(**ids)

    def call(self, operation: Operation, headers: Headers | None = None, **more: Any) -> Any:
        body = self.body(operation.name)
        given = {"json": body, **more} if body is not None and "content" not in more else more
        where = self.path(operation) if not more.get("url") else more.pop("url")
        return self.client.request(operation.method, where, headers=headers or self.headers, **given)
