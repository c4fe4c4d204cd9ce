"""The routes of 'why this image': what a browser gets, and what it never gets."""

from __future__ import annotations

import hashlib
import io
import os

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from db import access, projects, rounds, samples, why
from db.records import NewFile, NewQuery, NewQueue, Role, Round
from labeler_ui.why_words import NEUTRAL
from tests.labeler_ui.conftest import token_for
from tests.labeler_ui.seed import Seeded
from tests.labeler_ui.test_routes import claim, entry, send

pytestmark = pytest.mark.filterwarnings("ignore::starlette.exceptions.StarletteDeprecationWarning")

FIELDS = {
    *("strategy", "place", "pool", "score", "distance", "predicted", "nearest", "copy", "difference", "amplified"),
    *("neighbors", "sentence"),
}


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((6, 6), shade, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write_pack(seeded: Seeded, turn: Round) -> tuple[int, dict[str, list[int]]]:
    """A pack of two pictures, as the flow writes it."""
    copy, difference = png(10), png(200)
    path = seeded.database.home / "projects" / str(seeded.project.id) / "pictures" / f"round-{turn.number}.pack"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(copy + difference)
    digest = hashlib.sha256(copy + difference).hexdigest()
    relative = path.relative_to(seeded.database.home).as_posix()
    file = NewFile(path=relative, sha256=digest, size=len(copy + difference))
    places = {"copy": [0, len(copy)], "difference": [len(copy), len(difference)]}
    return why.record_pictures(seeded.database, seeded.actor, turn.id, file), places


@pytest.fixture
def explained(client: TestClient, seeded: Seeded) -> dict:
    """A claimed query of a second round that has everything."""
    labeled = claim(client, seeded, count=10)
    send(client, seeded, *(entry(seeded, query) for query in labeled))
    turn = rounds.begin_round(seeded.database, seeded.actor, seeded.project.id)
    assert isinstance(turn, Round)
    file_id, places = write_pack(seeded, turn)
    details = {"strategy": "dfal", "pool": 50, "place": 2, "descending": False, "cold_start": False, "distance": 0.5}
    details |= {"neighbors": [query["sample_id"] for query in labeled[:2]]}
    details |= {"pictures": {"file": file_id, "amplified": 40.49, **places}}
    free = samples.pool_index(seeded.database, seeded.project.id, labeled=False).ids
    query = NewQuery(sample_id=int(free[-1]), rank=0, score=0.5, predicted=3, nearest=8, details=details)
    rounds.enqueue(seeded.database, seeded.actor, turn.id, NewQueue(queries=[query], strategy="DFAL()"))
    [held] = claim(client, seeded, count=1)
    return {**held, "neighbors": [query["sample_id"] for query in labeled[:2]]}


def address(seeded: Seeded, query: dict, what: str) -> str:
    return f"/api/projects/{seeded.project.id}/queries/{query['query_id']}/{what}"


def test_all_that_was_stored_and_a_sentence(client: TestClient, seeded: Seeded, explained: dict) -> None:
    answer = client.get(address(seeded, explained, "why"), headers=token_for(seeded))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert set(found) == FIELDS
    assert found["sentence"] == (
        "The model is torn between 3 and 8 here: of 50 images this is the 2nd closest to its border."
    )
    assert (found["place"], found["pool"], found["score"], found["distance"]) == (2, 50, 0.5, 0.5)
    assert found["predicted"] == {"id": seeded.project.classes[3].id, "name": "3"}
    assert found["nearest"] == {"id": seeded.project.classes[8].id, "name": "8"}
    assert found["neighbors"] == [{"sample_id": item, "class": "3"} for item in explained["neighbors"]]
    assert found["amplified"] == 40


def test_the_pictures_have_the_headers_of_images(client: TestClient, seeded: Seeded, explained: dict) -> None:
    found = client.get(address(seeded, explained, "why"), headers=token_for(seeded)).json()
    tags = set()
    for name, shade in (("copy", 10), ("difference", 200)):
        assert found[name].startswith(address(seeded, explained, name) + "?v=")
        answer = client.get(found[name], headers=token_for(seeded))
        assert answer.status_code == 200
        assert answer.content == png(shade)
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["cache-control"] == "private, max-age=86400, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        known = {**token_for(seeded), "if-none-match": answer.headers["etag"]}
        assert client.get(found[name], headers=known).status_code == 304
        tags.add(answer.headers["etag"])
    assert len(tags) == 2


def test_a_query_of_others_is_not_found(client: TestClient, seeded: Seeded, explained: dict) -> None:
    user = access.add_user(seeded.database, seeded.actor, "mallory")
    access.add_member(seeded.database, seeded.actor, seeded.project.id, user.id, Role.annotator)
    for what in ("why", "copy", "difference"):
        theirs, none = address(seeded, explained, what), address(seeded, {"query_id": 99_999}, what)
        assert client.get(theirs, headers=token_for(seeded)).status_code == 200
        assert client.get(theirs, headers=token_for(seeded, "mallory")).status_code == 404
        assert client.get(none, headers=token_for(seeded)).status_code == 404


def test_a_query_that_no_strategy_chose_gets_the_neutral_sentence(client: TestClient, seeded: Seeded) -> None:
    query = claim(client, seeded)[0]  # it has a prediction, but no place in a ranking
    found = client.get(address(seeded, query, "why"), headers=token_for(seeded)).json()
    empty = dict.fromkeys(FIELDS)
    assert found == {**empty, "strategy": "", "neighbors": [], "sentence": NEUTRAL}
    assert client.get(address(seeded, query, "copy"), headers=token_for(seeded)).status_code == 404


def test_a_project_that_shows_it_after_the_answer_refuses_before(
    client: TestClient, seeded: Seeded, explained: dict
) -> None:
    projects.update_project(seeded.database, seeded.actor, seeded.project.id, show_why="after")
    for what in ("why", "copy", "difference"):
        answer = client.get(address(seeded, explained, what), headers=token_for(seeded))
        assert answer.status_code == 403
    [result] = send(client, seeded, entry(seeded, explained))
    assert result["ok"]
    assert client.get(address(seeded, explained, "why"), headers=token_for(seeded)).status_code == 200


def test_a_damaged_pack_is_said_without_a_path(client: TestClient, seeded: Seeded, explained: dict) -> None:
    place = why.picture_of(seeded.database, seeded.actor, seeded.project.id, explained["query_id"], "difference")
    pack = seeded.database.home / place.path
    os.truncate(pack, place.offset + place.length - 1)
    url = address(seeded, explained, "difference")
    cut = client.get(url, headers=token_for(seeded))
    pack.unlink()
    gone = client.get(url, headers=token_for(seeded))
    assert (cut.status_code, gone.status_code) == (500, 404)
    assert str(seeded.database.home) not in cut.text + gone.text
