"""The grid's routes against the real store."""

from __future__ import annotations

import uuid

import pytest
from starlette.testclient import TestClient

from db.engine import Database
from tests.labeler_ui.conftest import token_for
from tests.labeler_ui.grid_seed import seed_grid
from tests.labeler_ui.seed import Seeded

pytestmark = pytest.mark.filterwarnings("ignore::starlette.exceptions.StarletteDeprecationWarning")


@pytest.fixture
def seeded(database: Database) -> Seeded:
    return seed_grid(database, ((3, 5), (7, 4)), name="grid", learn=2)


def post(client: TestClient, seeded: Seeded, path: str, body: dict, name: str = "ada", status: int = 200) -> dict:
    answer = client.post(f"/api/projects/{seeded.project.id}/{path}", json=body, headers=token_for(seeded, name))
    assert answer.status_code == status, answer.text
    return answer.json()


def pairs(group: dict) -> list[list[int]]:
    return [[query["query_id"], query["token"]] for query in group["queries"]]


def entry(query: dict, class_id: int | None) -> dict:
    return {
        "kind": "answer",
        "id": str(uuid.uuid4()),
        "query_id": query["query_id"],
        "token": query["token"],
        "outcome": "skip" if class_id is None else "class",
        "class_id": class_id,
        "note": "",
        "latency_ms": 80,
        "prediction_shown": True,
        "mode": "grid",
    }


def test_a_group_then_the_one_after_it(client: TestClient, seeded: Seeded) -> None:
    first = post(client, seeded, "grid/claims", {"most": 24, "holding": [], "besides": []})
    assert (first["group"]["class_id"], len(first["group"]["queries"])) == (seeded.project.classes[3].id, 5)
    assert first["open"] == 4
    assert set(first["group"]["queries"][0]) >= {"query_id", "sample_id", "token"}
    second = post(client, seeded, "grid/claims", {"most": 24, "holding": pairs(first["group"])})
    assert second["group"]["class_id"] == seeded.project.classes[7].id
    assert len(second["held"]) == 5
    holding = pairs(first["group"]) + pairs(second["group"])
    assert post(client, seeded, "grid/claims", {"most": 24, "holding": holding})["group"] is None
    assert post(client, seeded, "grid/claims", {"most": 24}, name="grace")["group"] is None


def test_renewing_alone_claims_nothing(client: TestClient, seeded: Seeded) -> None:
    assert post(client, seeded, "grid/claims", {"most": 0})["group"] is None
    group = post(client, seeded, "grid/claims", {"most": 3})["group"]
    answer = post(client, seeded, "grid/claims", {"most": 0, "holding": [*pairs(group), [1, 99]]})
    assert (answer["group"], len(answer["held"])) == (None, 3)


def test_released_tiles_go_to_others(client: TestClient, seeded: Seeded) -> None:
    group = post(client, seeded, "grid/claims", {})["group"]
    ids = [query["query_id"] for query in group["queries"]]
    assert post(client, seeded, "grid/release", {"query_ids": ids}, name="grace") == {"released": 0}
    assert post(client, seeded, "grid/release", {"query_ids": ids}) == {"released": 5}
    assert len(post(client, seeded, "grid/claims", {}, name="grace")["group"]["queries"]) == 5


def test_answers_carry_the_mode(client: TestClient, seeded: Seeded) -> None:
    group = post(client, seeded, "grid/claims", {})["group"]
    right, wrong, *_ = group["queries"]
    sent = {"answers": [entry(right, group["class_id"]), entry(wrong, None)]}
    for repeated in (False, True):
        results = post(client, seeded, "answers", sent)["results"]
        assert [(result["ok"], result["repeated"]) for result in results] == [(True, repeated)] * 2
    [row] = seeded.answers()
    assert (row["mode"], row["class_name"], row["latency_ms"], row["prediction_shown"]) == ("grid", "3", 80, 1)
    singly = post(client, seeded, "claims", {"count": 9, "holding": 9})["queries"]
    assert [query["query_id"] for query in singly][-1] == wrong["query_id"]
    assert len(singly) == 3


@pytest.mark.parametrize(
    "body",
    [
        {"most": -1},
        {"most": "many"},
        {"most": True},
        {"holding": 3},
        {"holding": [1]},
        {"holding": [[1, 2, 3]]},
        {"holding": [[1, 2**60]]},
        {"besides": ["1"]},
        {"besides": list(range(501))},
    ],
)
def test_odd_bodies_are_refused(client: TestClient, seeded: Seeded, body: dict) -> None:
    assert post(client, seeded, "grid/claims", body, status=422)["error"]["reason"] == "invalid"


def test_another_project_and_no_token_are_refused(client: TestClient, seeded: Seeded) -> None:
    path = f"/api/projects/{seeded.project.id}/grid/claims"
    assert client.post(path, json={}).status_code == 401
    assert client.post(path, json={}, headers=token_for(seeded, project_id=seeded.project.id + 1)).status_code == 403
    assert client.post(path.replace("claims", "release"), json={}).status_code == 401
