"""Uploads on the page stop at the floor of free space and at quotas, before anything is written; answers still save."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from db import annotations, claims
from db.errors import NoSpace
from db.records import Answer
from labeler_ui import settings
from labeler_ui.pages import images
from tests.labeler_ui.seed import Seeded


def upload(seeded: Seeded, size: int) -> object:
    here = SimpleNamespace(database=seeded.database, actor=seeded.actor, project=seeded.project)
    return images.take_in(here, [SimpleNamespace(name="a.png", size=size, getvalue=lambda: b"x" * size)])


def written(seeded: Seeded) -> int:
    inbox = settings.load().home / "inbox"
    return sum(path.stat().st_size for path in inbox.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("name", "value", "size"),
    [
        ("BORDERLINE_FREE_SPACE_FLOOR", "900 TB", 10),
        ("BORDERLINE_PROJECT_QUOTA", "1 kB", 10),
        ("BORDERLINE_UPLOAD_QUOTA", "1 kB", 1001),
    ],
)
def test_a_limit_refuses_an_upload_and_answers_still_save(
    seeded: Seeded, monkeypatch: pytest.MonkeyPatch, name: str, value: str, size: int
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(NoSpace, match=name if "UPLOAD" not in name else "wait to be read"):
        upload(seeded, size)
    assert written(seeded) == 0
    assert seeded.rows("SELECT count(*) AS n FROM commands")[0]["n"] == 0
    [query] = claims.claim(seeded.database, seeded.actor, seeded.project.id, 1)
    answer = Answer(
        answer_id="00000000-0000-0000-0000-000000000001", query_id=query.query_id, token=query.token, outcome="skip"
    )
    assert annotations.submit(seeded.database, seeded.actor, seeded.project.id, answer).status == "saved"


def test_uploads_that_wait_count_together(seeded: Seeded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BORDERLINE_UPLOAD_QUOTA", "1 kB")
    upload(seeded, 600)
    with pytest.raises(NoSpace, match="got 600 bytes and 500 bytes more"):
        upload(seeded, 500)
    upload(seeded, 400)
    assert written(seeded) == 1000
