"""What schedules start: one run a moment whoever rings, again after infrastructure, not after bad data."""

from __future__ import annotations

import doctest
import socket
from collections.abc import Callable

import pytest
from sqlalchemy import text

from db import commands, jobs, model_versions, projects, schedules
from db.errors import Conflict, InvalidInput, NoSpace, StoreBusy
from db.records import DueSlot, Job, Project
from flows import recent, retries
from flows import schedules as scheduling
from flows.cli import schedules as command
from flows.errors import AlreadyRunning, Canceled, UsageError
from flows.jobs import working
from flows.reconcile import DueWork, due_work, reconcile
from flows.report import SilentReporter
from flows.retries import AGAIN, KILLED, needs_a_person, wait_ms
from flows.rounds import Batch, run_round
from flows.simulate import answer_all
from flows.store import Store
from pipeline.errors import DataError
from tests.flows.conftest import Said, let_it_rest, make_project, read_digits

QUIET = SilentReporter()
DEAD = f"{socket.gethostname()}:999999:1.00"


def pass_by(store: Store, seconds: int = 4000) -> None:
    """Let schedules have been set, and answered, earlier."""
    names = ("changed_at", "last_slot", "last_started_at")
    change = text(f"UPDATE schedules SET {', '.join(f'{name} = {name} - :ms' for name in names)}")
    store.database.write(lambda session: session.execute(change, {"ms": seconds * 1000}))


@pytest.fixture
def project(store: Store) -> Project:
    """A project whose round is out, with an hourly retraining that is due."""
    made = make_project(store)
    read_digits(store, made, 100)
    run_round(store, made.id, QUIET, Batch(first=20, size=5, reserve=5))
    schedules.put(store.database, store.actor, made.id, seconds=3600)
    pass_by(store)
    return made


def run(store: Store, error: BaseException | None = None, *, die: bool = False) -> dict[str, object]:
    """Do as the flow does for the schedule that is due, and fail in the middle if asked to."""
    [entry] = [item for item in schedules.running(store.database) if item.kind == "retrain"]

    def work(slot: DueSlot) -> dict[str, object]:
        if die:
            assert jobs.begin(store.database, store.actor, slot.project_id, "retrain", DEAD) is not None
            assert schedules.take(store.database, slot)
            return {"died": True}
        with working(store, slot.project_id or 0, "retrain", QUIET):
            assert schedules.take(store.database, slot)
            if error is not None:
                raise error
        return {"done": True}

    return scheduling.once(store, entry.id, work)


def rest_a_while(store: Store) -> None:
    """Let what failed have begun, and ended, twenty minutes earlier."""
    let_it_rest(store)
    for change in ("schedules SET last_started_at = last_started_at - :ms", "jobs SET started_at = started_at - :ms"):
        moved = text(f"UPDATE {change}")
        store.database.write(lambda session, moved=moved: session.execute(moved, {"ms": 1_200_000}))


def retrains(store: Store) -> list[DueWork]:
    return [work for work in due_work(store) if work.flow == "retrain"]


def latest(store: Store, project: Project) -> Job:
    found = jobs.latest(store.database, project.id, "retrain")
    assert found is not None
    return found


def test_the_examples_are_true() -> None:
    assert doctest.testmod(retries) == (0, 2)
    assert doctest.testmod(recent) == (0, 2)
    assert doctest.testmod(command) == (0, 2)


def test_a_due_retraining_is_one_run_and_waits_for_other_work(store: Store, project: Project) -> None:
    [work] = retrains(store)
    [entry] = schedules.of_project(store.database, store.actor, project.id)
    assert work.parameters == {"project_id": project.id, "schedule_id": entry.id}
    assert retrains(store)[0].key == work.key  # asked twice, it is the same run
    with working(store, project.id, "ingest", QUIET):
        assert retrains(store) == []
        assert run(store) == {"skipped": scheduling.WAITS}
    assert run(store) == {"done": True}
    assert retrains(store) == []
    assert run(store) == {"skipped": scheduling.ANSWERED}
    pass_by(store)
    assert retrains(store)[0].key != work.key


def test_what_a_person_asks_for_and_rounds_come_first(store: Store, project: Project) -> None:
    commands.post(store.database, store.actor, project.id, "retrain", {}, "now")
    [work] = due_work(store)
    assert "command_id" in work.parameters
    commands.finish(store.database, int(work.parameters["command_id"]))
    answer_all(store, store.actor, project)
    assert [item.flow for item in due_work(store)] == ["active_learning_round"]


@pytest.mark.parametrize(
    "error", [UsageError("labels of one class"), DataError("no image"), InvalidInput("NaN"), Conflict("taken")]
)
def test_bad_data_waits_for_the_next_time_or_a_person(store: Store, project: Project, error: Exception) -> None:
    with pytest.raises(type(error)):
        run(store, error)
    assert needs_a_person(latest(store, project))
    let_it_rest(store)
    assert retrains(store) == []
    pass_by(store)
    assert len(retrains(store)) == 1


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA")])
def test_what_nobody_knows_is_tried_again_with_growing_waits_and_given_up(
    store: Store, project: Project, error: Exception
) -> None:
    keys = set()
    for attempt in (1, 2, 3):
        keys.add(retrains(store)[0].key)
        with pytest.raises(type(error)):
            run(store, error)
        last = latest(store, project)
        assert last.attempt == attempt
        assert last.error.endswith(AGAIN) == (attempt < 3)
        assert wait_ms(last) == 30_000 * 4 ** (attempt - 1)
        assert retrains(store) == []
        rest_a_while(store)
    assert len(keys) == 3  # a run of its own each time
    assert retrains(store) == []
    pass_by(store)
    assert len(retrains(store)) == 1  # the next moment is tried all the same


@pytest.mark.parametrize("error", [OSError("disk full"), StoreBusy("busy"), NoSpace("full"), AlreadyRunning("folder")])
def test_what_ends_some_time_is_tried_until_it_has(store: Store, project: Project, error: Exception) -> None:
    for attempt in range(1, 8):
        assert len(retrains(store)) == 1, attempt
        if isinstance(error, AlreadyRunning):  # the flow says so and ends well
            assert run(store, error) == {"skipped": scheduling.WAITS}
        else:
            with pytest.raises(type(error)):
                run(store, error)
        assert not needs_a_person(latest(store, project))
        assert wait_ms(latest(store, project)) == min(900_000, 30_000 * 4 ** (attempt - 1))
        assert retrains(store) == []
        rest_a_while(store)
    assert run(store) == {"done": True}
    assert retrains(store) == []


def test_a_moment_that_a_full_disk_let_nobody_take_waits_like_any_other_failure(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every second would start a run that ends at once."""

    def full(*_: object) -> None:
        raise NoSpace("full")

    before = retrains(store)[0].key
    with monkeypatch.context() as patch:
        patch.setattr("flows.jobs.require_disk", full)
        with pytest.raises(NoSpace):
            run(store)
    assert retrains(store) == []
    rest_a_while(store)
    assert [work.key == before for work in retrains(store)] == [False]
    assert run(store) == {"done": True}
    assert retrains(store) == []


def test_a_retraining_whose_process_was_killed_is_taken_up_at_once(store: Store, project: Project) -> None:
    assert run(store, die=True) == {"died": True}
    started: list[DueWork] = []
    reconcile(store, lambda work: started.append(work) is None)
    assert [work.flow for work in started] == ["retrain"]
    assert latest(store, project).error == KILLED
    assert run(store) == {"done": True}
    assert retrains(store) == []


def test_one_of_a_silent_host_is_taken_up_when_its_lease_ran_out(store: Store, project: Project) -> None:
    assert run(store, die=True) == {"died": True}
    change = text("UPDATE jobs SET owner = 'far away:1:1.00' WHERE state = 'running'")
    store.database.write(lambda session: session.execute(change))
    assert reconcile(store, lambda _: True) == []  # it may live
    change = text("UPDATE jobs SET heartbeat_at = heartbeat_at - 61000 WHERE state = 'running'")
    store.database.write(lambda session: session.execute(change))
    assert [work.flow for work in reconcile(store, lambda _: True)] == ["retrain"]
    assert run(store) == {"done": True}


def test_what_was_stopped_in_the_middle_goes_on_and_what_was_canceled_does_not(store: Store, project: Project) -> None:
    with pytest.raises(SystemExit):
        run(store, SystemExit())
    assert len(retrains(store)) == 1
    with pytest.raises(Canceled):
        run(store, Canceled("by a person"))
    let_it_rest(store)
    assert retrains(store) == []


def test_a_retraining_by_hand_that_failed_is_no_business_of_the_schedule(store: Store, project: Project) -> None:
    assert run(store) == {"done": True}
    with pytest.raises(OSError, match="full"), working(store, project.id, "retrain", QUIET):
        raise OSError("full")
    let_it_rest(store)
    assert retrains(store) == []


def test_schedules_in_a_terminal(store: Store, run: Callable[..., Said]) -> None:
    project = make_project(store, "birds")
    assert "borderline schedule NAME" in run("schedule").out
    said = run("schedule", "birds", "--cron", "0 3 * * *", "--timezone", "Europe/Paris")
    assert "0 3 * * * (Europe/Paris)" in said.out
    assert run("schedule", "birds", "--every", "90m", "--after-labels", 200).code == 0
    assert run("schedule", "--backup", "--every", "24h").code == 0
    listed = run("schedule").out
    for words in ("birds: retrain", "every 90m", "200 labels to go", "backup of everything", "every 1d", "CE"):
        assert words in listed
    found = schedules.of_project(store.database, store.actor, project.id)
    assert [entry.seconds for entry in found] == [None, 5400, None]
    assert run("schedule", "birds", "--off").out.count("off") == 3
    assert '"is_on": true' in run("schedule", "birds", "--on", "--json").out
    assert run("schedule", "birds", "--remove").code == 0
    assert schedules.of_project(store.database, store.actor, project.id) == []
    for wrong, told in (
        (("birds", "--every", "6 parsecs"), "30m, 6h, 1d or 2w"),
        (("birds", "--every", "5s"), "at least 60 seconds"),
        (("birds", "--cron", "0 3"), "five fields"),
        (("birds", "--every", "6h", "--timezone", "Europe/Paris"), "beside --cron"),
        (("birds", "--every", "6h", "--off"), "one after the other"),
        (("birds", "--backup"), "leave one of them out"),
        (("--off",), "the name of a project"),
        (("wrens", "--every", "6h"), "wrens"),
    ):
        said = run("schedule", *wrong)
        assert (said.code, told in said.err) == (2, True), wrong


def test_a_paused_project_is_left_alone(store: Store, project: Project) -> None:
    projects.set_paused(store.database, store.actor, project.id, True)
    assert due_work(store) == []
    assert model_versions.list_versions(store.database, store.actor, project.id) == []
