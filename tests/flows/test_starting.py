"""What is due is started until its run has begun: while Prefect is away, after runs that died, by several workers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from db import commands, schedules
from flows import deployments
from flows.backup_manifest import finished
from flows.jobs import working
from flows.recent import Recent
from flows.reconcile import MOST_RUNS, due_work, reconcile, start
from flows.report import SilentReporter
from flows.store import Store
from tests.database_fixtures import Place
from tests.flows.conftest import let_it_rest, make_project
from tests.flows.keeping import store_at

QUIET = SilentReporter()


@pytest.fixture
def saved(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store whose hourly backup is due, on each engine."""
    place.home.mkdir(exist_ok=True)
    store = store_at(place)
    schedules.put(store.database, store.actor, None, seconds=3600)
    change = text("UPDATE schedules SET changed_at = changed_at - 4000000")
    store.database.write(lambda session: session.execute(change))
    monkeypatch.setenv("BORDERLINE_HOME", str(store.settings.home))
    monkeypatch.setenv("BORDERLINE_DATABASE_URL", place.url or "")
    monkeypatch.setenv("BORDERLINE_BACKUP_FOLDER", str(tmp_path / "there"))
    monkeypatch.setattr(deployments, "ArtifactReporter", SilentReporter)  # no Prefect server is up here
    yield store
    store.database.close()


class Prefect:
    """Stands for the server: each key is one run, which ends as it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, carry_out: Callable[[dict[str, Any]], bool]) -> None:
        self.runs: dict[str, SimpleNamespace] = {}
        self.away = 0
        self._carry_out = carry_out
        monkeypatch.setattr("prefect.deployments.run_deployment", self.run)

    def run(self, *, idempotency_key: str, parameters: dict[str, Any], **_: object) -> SimpleNamespace:
        if self.away:
            self.away -= 1
            raise ConnectionError("nobody answers")
        if idempotency_key not in self.runs:
            pending = SimpleNamespace(is_final=lambda: False, name="Pending")
            self.runs[idempotency_key] = SimpleNamespace(state=pending)
            if self._carry_out(parameters):
                self.runs[idempotency_key].state = SimpleNamespace(is_final=lambda: True, name="Crashed")
            return SimpleNamespace(state=pending)
        return self.runs[idempotency_key]


def backups(tmp_path: Path) -> int:
    return len(finished(tmp_path / "there")) if (tmp_path / "there").exists() else 0


def ring(store: Store) -> list[str]:
    return [work.flow for work in reconcile(store, partial(start, store))]


def test_a_backup_is_made_although_prefect_was_away_at_its_moment(
    saved: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefect = Prefect(monkeypatch, lambda given: bool(deployments.backup.fn(**given)))
    prefect.away = 1
    assert ring(saved) == []
    assert ring(saved) == ["backup"]
    assert ring(saved) == []
    assert (backups(tmp_path), len(prefect.runs)) == (1, 1)


def test_a_backup_is_made_although_its_first_run_died_before_it_began(
    saved: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    died: list[bool] = []

    def carry_out(given: dict[str, Any]) -> bool:
        return (died.append(True) is None) if not died else bool(deployments.backup.fn(**given))

    prefect = Prefect(monkeypatch, carry_out)
    assert ring(saved) == ["backup"]
    assert backups(tmp_path) == 0
    assert ring(saved) == ["backup"]
    assert ring(saved) == []
    assert (backups(tmp_path), len(prefect.runs)) == (1, 2)


def test_one_that_failed_on_the_way_is_made_again(saved: Store, tmp_path: Path) -> None:
    [work] = due_work(saved)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deployments, "back_up", lambda *_, **__: (_ for _ in ()).throw(OSError("the disk is full")))
        with pytest.raises(OSError, match="full"):
            deployments.backup.fn(**work.parameters)
    assert due_work(saved) == []  # it rests
    let_it_rest(saved, minutes=1)
    change = text("UPDATE schedules SET last_started_at = last_started_at - 60000")
    saved.database.write(lambda session: session.execute(change))
    change = text("UPDATE jobs SET started_at = started_at - 60000")
    saved.database.write(lambda session: session.execute(change))
    [again] = due_work(saved)
    assert again.key != work.key
    deployments.backup.fn(**again.parameters)
    assert (due_work(saved), backups(tmp_path)) == ([], 1)


def test_any_number_of_starters_make_one_backup(saved: Store, tmp_path: Path) -> None:
    [work] = due_work(saved)
    assert work.parameters == {"schedule_id": schedules.everywhere(saved.database, saved.actor)[0].id}
    with working(saved, None, "backup", QUIET):
        assert due_work(saved) == []  # by hand, or by another worker
        assert "skipped" in deployments.backup.fn(**work.parameters)
        assert "skipped" in deployments.backup.fn()
    assert "backup" in deployments.backup.fn(**work.parameters)
    assert "skipped" in deployments.backup.fn(**work.parameters)
    assert "skipped" in deployments.backup.fn(schedule_id=999)  # of none
    assert backups(tmp_path) == 1


def test_the_moment_is_taken_once_however_many_have_seen_it(saved: Store) -> None:
    [slot] = schedules.due(saved.database)
    assert "backup" in deployments._back_up(saved, None, slot)
    assert "skipped" in deployments._back_up(saved, None, slot)


def test_two_workers_at_one_round_end_well(store: Store) -> None:
    project = make_project(store)
    for kind, flow in (("round", deployments.active_learning_round), ("retrain", deployments.retrain)):
        with working(store, project.id, kind, QUIET):
            assert "is running already" in flow.fn(project.id)["skipped"]
    command = commands.post(store.database, store.actor, project.id, "round", {}, "now")
    with working(store, project.id, "round", QUIET):
        assert "skipped" in deployments.active_learning_round.fn(project.id, command.id)
    assert [entry.id for entry in commands.pending(store.database)] == [command.id]  # it is done when that has ended


@pytest.mark.parametrize(
    ("flow", "by_hand"),
    [("active_learning_round", "borderline round 'my digits'"), ("retrain", "borderline retrain 'my digits'")],
)
def test_when_no_run_begins_its_work_the_log_says_what_to_do_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, flow: str, by_hand: str
) -> None:
    prefect = Prefect(monkeypatch, lambda _: True)
    project = make_project(store, "my digits")
    kind = "round" if flow == "active_learning_round" else flow
    command = commands.post(store.database, store.actor, project.id, kind, {}, "now")
    given_up = Recent()
    [work] = due_work(store)
    with caplog.at_level(logging.ERROR):
        for _ in range(MOST_RUNS + 3):
            start(store, work, given_up)
    assert len(prefect.runs) == MOST_RUNS
    [record] = caplog.records
    assert by_hand in record.getMessage()
    [told] = [one for one in commands.recent(store.database, store.actor, project.id) if one.id == command.id]
    assert (told.state, by_hand in told.message) == ("failed", True)


def test_the_newest_keys_are_remembered() -> None:
    told = Recent(most=10)
    for number in range(1000):
        assert told.add(str(number))
        assert not told.add(str(number))
    assert len(told) == 10
