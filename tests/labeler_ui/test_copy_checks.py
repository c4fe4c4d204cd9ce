"""Copies as a check, as a browser and a program meet them, and what the Quality page says of them."""

from __future__ import annotations

import doctest
import hashlib
import io

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from db import access, rounds, samples, why
from db.records import CopyChecks, NewFile, NewQuery, NewQueue, Role
from labeler_ui import quality_words as words
from tests.labeler_ui.conftest import token_for
from tests.labeler_ui.seed import Seeded
from tests.labeler_ui.test_quality_page import page
from tests.labeler_ui.test_review_page import unescaped
from tests.labeler_ui.test_routes import claim, entry, send

pytestmark = pytest.mark.filterwarnings("ignore::starlette.exceptions.StarletteDeprecationWarning")


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((28, 28), shade, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def next_round_with_check(client: TestClient, seeded: Seeded) -> int:
    """Answer all of the first round and ask a second one, with a check of its first image's copy; returns the image."""
    database, actor, project = seeded.database, seeded.actor, seeded.project
    while queries := claim(client, seeded, count=20):
        send(client, seeded, *(entry(seeded, query) for query in queries))
    turn = rounds.begin_round(database, actor, project.id)
    data = png(200)
    path = database.home / "projects" / str(project.id) / "pictures" / f"round-{turn.number}.pack"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    relative = path.relative_to(database.home).as_posix()
    record = NewFile(path=relative, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    file = why.record_pictures(database, actor, turn.id, record)
    ids = [int(item) for item in samples.pool_index(database, project.id, labeled=False).ids[:4]]
    asked = [NewQuery(sample_id=item, rank=2 * rank, predicted=0) for rank, item in enumerate(ids)]
    place = {"shown": {"file": file, "place": [0, len(data)], "media_type": "image/png"}}
    asked.append(NewQuery(sample_id=ids[0], rank=1, kind="copy_check", predicted=0, details=place))
    rounds.enqueue(database, actor, turn.id, NewQueue(queries=asked, strategy="dfal()"))
    return ids[0]


def test_a_browser_gets_the_copys_picture_like_any_image(client: TestClient, seeded: Seeded) -> None:
    sample = next_round_with_check(client, seeded)
    queries = claim(client, seeded, count=20)
    check = next(query for query in queries if query["sample_id"] == sample and query != queries[0])
    assert check.keys() == queries[0].keys()
    assert {(query["reserve"], query["predicted"], query["comment"]) for query in queries} == {(False, None, "")}
    base, headers = f"/api/projects/{seeded.project.id}/queries", token_for(seeded)
    of_check, of_image = (
        client.get(f"{base}/{query['query_id']}/image", headers=headers) for query in (check, queries[0])
    )
    assert of_check.content == png(200)
    plain = client.get(f"/api/projects/{seeded.project.id}/images/{sample}", headers=headers)
    assert of_image.content == plain.content
    ours = {"content-length", "etag"}
    told = [
        {name: value for name, value in answer.headers.items() if name not in ours} for answer in (of_check, of_image)
    ]
    assert told[0] == told[1]
    assert [answer.headers["etag"].count("-") for answer in (of_check, of_image)] == [2, 2]
    known = {**headers, "if-none-match": of_check.headers["etag"]}
    assert client.get(f"{base}/{check['query_id']}/image", headers=known).status_code == 304
    before = seeded.labels()
    [result] = send(client, seeded, entry(seeded, check, 5))
    [other] = send(client, seeded, entry(seeded, queries[0], 3))
    assert result.keys() == other.keys()
    assert {name: result[name] for name in ("ok", "status", "message", "query_closed")} == {
        name: other[name] for name in ("ok", "status", "message", "query_closed")
    }
    assert seeded.labels() == before + 1
    told_why = [client.get(f"{base}/{query['query_id']}/why", headers=headers).json() for query in (check, queries[2])]
    assert told_why[0] == told_why[1]  # as for an image that no strategy chose


def test_nobody_gets_a_picture_of_a_query_that_others_have(client: TestClient, seeded: Seeded) -> None:
    next_round_with_check(client, seeded)
    eve = access.add_user(seeded.database, seeded.actor, "eve")
    access.add_member(seeded.database, seeded.actor, seeded.project.id, eve.id, Role.annotator)
    base, headers = f"/api/projects/{seeded.project.id}/queries", token_for(seeded, "eve")
    for query in claim(client, seeded, count=20):
        answer = client.get(f"{base}/{query['query_id']}/image", headers=headers)
        assert (answer.status_code, answer.json()["error"]["reason"]) == (404, "not_found")


def test_the_quality_page_says_what_people_saw(client: TestClient, seeded: Seeded) -> None:
    assert "Copies checked" not in _texts(page(seeded))
    sample = next_round_with_check(client, seeded)
    for query in claim(client, seeded, count=20):
        send(client, seeded, entry(seeded, query, 3))
    assert sample
    assert "1 of 1 got the class they train with" in _texts(page(seeded))


def _texts(test: AppTest) -> str:
    assert not test.exception
    return unescaped(" ".join(str(item.value) for kind in (test.caption, test.warning, test.markdown) for item in kind))


def test_the_words() -> None:
    assert doctest.testmod(words).failed == 0
    assert words.copy_words(CopyChecks(checked=0, agreed=0, passed=0)) == ""
    assert words.copy_words(CopyChecks(checked=0, agreed=0, passed=2)).endswith("so far. 2 more got no class.")
    assert words.copy_notice(CopyChecks(checked=0, agreed=0, passed=9)) == ""
    assert words.copy_notice(CopyChecks(checked=40, agreed=37, passed=0)) == ""  # 7.5 % may be by chance
    told = words.copy_notice(CopyChecks(checked=40, agreed=30, passed=0))
    assert told.startswith("10 of 40 adversarial copies look like another class")
    assert "reject_above=0.01" in told
