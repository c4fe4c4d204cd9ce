"""Calls of the page's routes, as its script makes them."""

from __future__ import annotations

import uuid

from starlette.testclient import TestClient

from tests.labeler_ui.conftest import token_for
from tests.labeler_ui.seed import Seeded


def claim(client: TestClient, seeded: Seeded, name: str = "ada", **body: int) -> list[dict]:
    answer = client.post(
        f"/api/projects/{seeded.project.id}/claims",
        json={"count": 5, "holding": 0, **body},
        headers=token_for(seeded, name),
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["queries"]


def entry(seeded: Seeded, query: dict, position: int = 3, **changes: object) -> dict:
    return {
        "kind": "answer",
        "id": str(uuid.uuid4()),
        "query_id": query["query_id"],
        "token": query["token"],
        "outcome": "class",
        "class_id": seeded.project.classes[position].id,
        "note": "",
        "shown_at": 1_790_000_000_000,
        "answered_at": 1_790_000_000_900,
        "latency_ms": 900,
        "prediction_shown": False,
        **changes,
    }


def send(client: TestClient, seeded: Seeded, *entries: object, name: str = "ada") -> list[dict]:
    answer = client.post(
        f"/api/projects/{seeded.project.id}/answers", json={"answers": list(entries)}, headers=token_for(seeded, name)
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]
