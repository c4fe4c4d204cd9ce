"""Keys for classes, sentences for empty pages, text that stays text."""

from __future__ import annotations

import dataclasses

import pytest

from db.progress import progress
from db.records import ClassRecord, Job, Waiting
from labeler_ui import words
from labeler_ui.api.labeling import fair_window
from labeler_ui.keymap import COMMAND_KEYS, keys_for
from labeler_ui.pages.text import plain
from tests.labeler_ui.seed import Seeded

NOBODY = Waiting(open=0, with_others=0, next_free_in_ms=None)


def classes(*names: str, keys: str = "") -> list[ClassRecord]:
    return [
        ClassRecord(id=position, name=name, position=position, key=keys[position : position + 1])
        for position, name in enumerate(names)
    ]


def test_digits_get_their_own_keys() -> None:
    assert keys_for(classes(*"0123456789", keys="1234567890")) == list("0123456789")


def test_other_classes_count_from_one_and_go_on_with_letters_that_are_free() -> None:
    keys = keys_for(classes(*(f"class {number}" for number in range(40))))
    assert keys[:10] == list("1234567890")
    assert keys[10:15] == list("abcde")
    assert not set(keys) & COMMAND_KEYS
    given = [key for key in keys if key]
    assert len(given) == len(set(given)) == 31
    assert keys[-1] == ""


def test_a_stored_key_wins_unless_it_is_a_command() -> None:
    assert keys_for(classes("cat", "dog", "cow", keys="rcu")) == ["r", "c", "1"]
    assert keys_for(classes("cat", "dog", keys="77")) == ["7", "1"]


@pytest.mark.parametrize(
    ("wanted", "holding", "open_now", "expected"),
    [(20, 0, 100, 20), (20, 0, 30, 15), (20, 10, 5, 14), (20, 0, 1, 4), (20, 20, 0, 20), (1, 0, 50, 1), (20, 0, 0, 4)],
)
def test_nobody_takes_more_than_half_of_what_is_open(wanted: int, holding: int, open_now: int, expected: int) -> None:
    assert fair_window(wanted, holding, open_now) == expected


def test_an_empty_page_says_why(seeded: Seeded) -> None:
    now = progress(seeded.database, seeded.actor, seeded.project.id)

    def state(waiting: Waiting = NOBODY, **changes: object) -> dict:
        return words.idle_state(dataclasses.replace(now, **changes), waiting)

    counts = dataclasses.replace(now.counts, pool=0, holdout=0)
    assert state(counts=counts)["kind"] == "empty"
    assert state(counts=counts)["command"].startswith("borderline ingest")
    others = state(Waiting(open=0, with_others=12, next_free_in_ms=170_000))
    assert others["detail"].startswith("12 images are with others, free in 3 min")
    assert state(project=dataclasses.replace(now.project, state="paused"))["kind"] == "pause"
    finished = dataclasses.replace(now.counts, labels=now.counts.pool, labeled_pool=now.counts.pool)
    assert state(counts=finished)["kind"] == "done"
    assert state()["title"] == "The next images are being chosen"
    assert "disk is full" in state(last_error="the disk is full")["detail"]


def test_running_work_is_told_with_its_length(seeded: Seeded) -> None:
    now = progress(seeded.database, seeded.actor, seeded.project.id)
    job = Job(
        id=1, project_id=seeded.project.id, kind="round", owner="x", state="running", attempt=1, done=7, total=20,
        message="training round 4, epoch 7 of 20", error="", started_at=0, heartbeat_at=0, ended_at=None,
        cancel_requested=False,
    )  # fmt: skip
    state = words.idle_state(dataclasses.replace(now, job=job), NOBODY)
    assert (state["kind"], state["done"], state["total"]) == ("model", 7, 20)
    assert state["detail"] == "Training round 4, epoch 7 of 20."


@pytest.mark.parametrize("text", ["<b>x</b>", "[x](javascript:alert(1))", ":red[x]", "$x^2$", "`x`", "![](http://e)"])
def test_plain_text_escapes_everything_that_marks_up(text: str) -> None:
    import re

    assert not re.search(r"(?<!\\)[<>\[\]()`$!:*_]", plain(text))
