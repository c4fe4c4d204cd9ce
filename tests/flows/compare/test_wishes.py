"""What the page asks for: a row becomes a comparison in a process of its own, and the row has its answer at the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from db import commands, comparisons
from db.records import Command
from flows.compare import wishes
from flows.compare.options import plain_settings
from flows.compare.wishes import carry_out, lock_of, start_process
from flows.errors import UsageError
from flows.locks import file_lock
from flows.processes import RESTARTS_A_MINUTE
from flows.reconcile import DueWork, reconcile, start
from flows.report import SilentReporter
from flows.store import Store
from tests.flows.compare.conftest import DATA, few_digits, tiny

WAIT_SECONDS = 240
QUIET = SilentReporter()


def wish(store: Store, **changes: Any) -> Command:
    few_digits(store)
    settings = plain_settings(tiny(labels=20, seeds=(0,)).settings)
    asked = {name: settings[name] for name in ("strategies", "model", "labels", "batch", "seed_labels", "seeds")}
    payload = {"dataset": DATA, "recipe": "quick", **asked, **changes}
    return commands.post(store.database, store.actor, None, "compare", payload, "key")


def answer(store: Store, command_id: int) -> str | None:
    return None if any(entry.id == command_id for entry in commands.pending(store.database)) else "answered"


def test_a_wish_is_due_until_it_is_answered(store: Store) -> None:
    command = wish(store)
    seen: list[DueWork] = []
    reconcile(store, lambda work: not seen.append(work))
    [work] = seen
    assert (work.flow, work.project_id, work.parameters["command_id"]) == ("compare", None, command.id)
    assert work.parameters["options"]["dataset"] == DATA
    assert answer(store, command.id) is None


def test_it_runs_in_a_process_of_its_own(store: Store) -> None:
    command = wish(store)
    assert [work.flow for work in reconcile(store, lambda work: start(store, work))] == ["compare"]
    assert reconcile(store, lambda work: start(store, work)) == []  # it is under way
    deadline = time.monotonic() + WAIT_SECONDS
    while answer(store, command.id) is None:
        assert time.monotonic() < deadline, (store.settings.log_folder / f"compare-wish-{command.id}.log").read_text()
        time.sleep(0.3)
    [found] = comparisons.list_comparisons(store.database, store.actor)
    assert (found.state, found.points_done) == ("done", 4)
    wishes.service_of(store.settings, command.id).wait(WAIT_SECONDS)
    again = commands.post(store.database, store.actor, found.project_id, "compare", {"comparison_id": found.id}, "b")
    assert carry_out(store, again.payload, QUIET) == found.id


def test_no_second_process_while_one_is_at_it(store: Store) -> None:
    command = wish(store)
    with file_lock(lock_of(store.settings, command.id)):
        assert not start_process(store, command.id)


def test_one_that_keeps_ending_is_answered(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    command = wish(store)
    monkeypatch.setattr(wishes.sys, "executable", "/bin/false")
    for _ in range(RESTARTS_A_MINUTE):
        assert start_process(store, command.id)
        wishes.service_of(store.settings, command.id).wait(WAIT_SECONDS)
    assert not start_process(store, command.id)
    assert answer(store, command.id) == "answered"


def test_a_folder_of_the_server_stays_below_its_root(store: Store, tmp_path: Path) -> None:
    inside = tmp_path / "root"
    inside.mkdir()
    rooted = Store(store.settings.model_copy(update={"ingest_root": inside}), store.database, store.actor)
    with pytest.raises(UsageError, match="expected a path below"):
        carry_out(rooted, {"dataset": "/etc"}, QUIET)
    with pytest.raises(UsageError, match="expected options out of"):
        carry_out(rooted, {"dataset": DATA, "data_dir": "/etc"}, QUIET)
