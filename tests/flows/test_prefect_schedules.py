"""Schedules with a real Prefect server and runner: one run a moment, whatever rings and whatever dies."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import text

from db import annotations, claims, jobs, model_versions, samples, schedules
from db.access import local_user
from db.records import Answer, ModelVersion, Project
from flows.prefect_events import LABELS_DUE
from flows.prefect_runs import CRASHED_RULE, cancel_late
from flows.store import Store, open_store
from tests.flows.conftest import make_project, read_digits
from tests.flows.serving import WAIT_SECONDS, Served, runs_of, serving

SCHEDULER_SECONDS = 5  # how often Prefect turns schedules into runs; its own 60 would pass over a moment that is near
SOON_SECONDS = max(20, round(WAIT_SECONDS / 8))  # time for Prefect to hear of a moment that is still to come


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS", str(SCHEDULER_SECONDS))
        with serving(tmp_path_factory.mktemp("schedules"), reconcile_seconds=3600) as running:
            yield running


@pytest.fixture(scope="module")
def store(served: Served) -> Iterator[Store]:
    with open_store(served.settings, system=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def project(served: Served, store: Store) -> Project:
    """A project whose first round is out and is not done: nothing but a schedule trains."""
    made = make_project(store, batch_size=60, reserve_size=0, recipe="supervised")
    read_digits(store, made, 150)
    served.until(lambda: samples.counts(store.database, made.id).open, "first round")
    served.until(lambda: not jobs.running(store.database, made.id), "end of the first round")
    return made


def label(store: Store, project: Project, count: int) -> None:
    ana = local_user(store.database, "ana")
    classes = {entry.position: entry.id for entry in project.classes}
    for query in claims.claim(store.database, ana, project.id, count):
        [truth] = samples.known_classes(store.database, project.id, np.array([query.sample_id])).values()
        answer = Answer(
            answer_id=str(uuid.uuid4()), query_id=query.query_id, token=query.token, outcome="class",
            class_id=classes[truth],
        )  # fmt: skip
        annotations.submit(store.database, ana, project.id, answer)


def labels(store: Store, project: Project) -> int:
    return samples.counts(store.database, project.id).labeled_pool


def versions(store: Store, project: Project) -> list[ModelVersion]:
    return model_versions.list_versions(store.database, store.actor, project.id)


def trainings(store: Store, project: Project) -> list[str]:
    """How each retraining ended, from the first on."""
    statement = text("SELECT state FROM jobs WHERE project_id = :id AND kind = 'retrain' ORDER BY id")
    return store.database.read(lambda session: list(session.scalars(statement, {"id": project.id})))


def quiet(store: Store, project: Project) -> bool:
    return not jobs.running(store.database, project.id)


def events_of_labels(served: Served) -> list[dict[str, Any]]:
    found: Any = served.ask("/events/filter", {"filter": {"event": {"name": [LABELS_DUE]}}})
    return found["events"]


def of_project(runs: list[dict[str, Any]], project: Project) -> list[dict[str, Any]]:
    return [run for run in runs if run["parameters"].get("project_id") == project.id]


def test_prefects_own_schedule_and_the_doorbell_start_one_run(served: Served, store: Store, project: Project) -> None:
    label(store, project, 12)
    entry = schedules.put(store.database, store.actor, project.id, seconds=3600)
    change = text("UPDATE schedules SET changed_at = changed_at - :ms")
    ms = (3600 - SOON_SECONDS) * 1000
    store.database.write(lambda session: session.execute(change, {"ms": ms}))
    schedules.put(store.database, store.actor, project.id, cron="0 3 1 1 *", timezone="Europe/Paris")

    def shown() -> set[str]:
        deployments = served.ask("/deployments/filter", {"deployments": {"name": {"any_": ["borderline"]}}})
        [found] = [one["schedules"] for one in deployments if one["entrypoint"].endswith("retrain")]
        assert all(one["parameters"]["project_id"] == project.id for one in found)
        return {one["slug"] for one in found}

    both = {f"project-{project.id}-interval", f"project-{project.id}-cron"}
    served.until(lambda: shown() == both, "schedules in Prefect")

    def ran() -> Any:
        runs = of_project(runs_of(served.settings, "retrain", "COMPLETED"), project)
        return len({run["auto_scheduled"] for run in runs}) == 2 and quiet(store, project)

    served.until(ran, "run by Prefect's schedule and run by the doorbell")
    assert trainings(store, project) == ["done"]
    [version] = versions(store, project)
    assert version.labels_used == 12
    assert version.current
    [found] = [one for one in schedules.of_project(store.database, store.actor, project.id) if one.id == entry.id]
    assert found.last_slot == found.changed_at + 3_600_000
    schedules.remove(store.database, store.actor, entry.id)
    served.until(lambda: shown() == {f"project-{project.id}-cron"}, "removal in Prefect")
    kinds = {(one["type"], one["key"]) for one in served.ask("/artifacts/filter", {"limit": 100})}
    assert {("table", f"project-{project.id}-figures"), ("markdown", f"project-{project.id}-in-words")} <= kinds


def test_enough_new_labels_start_a_retraining(served: Served, store: Store, project: Project) -> None:
    before, ended = len(versions(store, project)), len(trainings(store, project))
    schedules.put(store.database, store.actor, project.id, labels=5)
    label(store, project, 6)
    served.until(lambda: len(versions(store, project)) == before + 1 and quiet(store, project), "retraining")
    assert versions(store, project)[0].labels_used == labels(store, project)

    def rung() -> list[dict[str, Any]]:
        runs = runs_of(served.settings, "reconcile", "COMPLETED")
        return [run for run in runs if (run["created_by"] or {}).get("type") == "AUTOMATION"]

    served.until(rung, "run of reconcile that the event started")
    assert trainings(store, project)[ended:] == ["done"]


def test_nothing_is_lost_when_server_runner_and_run_die(served: Served, store: Store, project: Project) -> None:
    schedules.put(store.database, store.actor, project.id, labels=5)
    before, told = len(versions(store, project)), len(events_of_labels(served))
    served.server.kill()
    label(store, project, 7)  # the event of these labels has nobody to go to
    served.server.start()

    def under_way() -> bool:
        found = jobs.latest(store.database, project.id, "retrain")
        slots = {one.last_slot for one in schedules.of_project(store.database, store.actor, project.id)}
        return found is not None and found.state == "running" and labels(store, project) in slots

    served.until(under_way, "retraining after the server came back")
    served.kill_runner()
    assert len(versions(store, project)) == before
    served.runner.start()
    served.until(lambda: len(versions(store, project)) == before + 1 and quiet(store, project), "second attempt")
    assert versions(store, project)[0].labels_used == labels(store, project)
    assert trainings(store, project)[-2:] == ["failed", "done"]
    assert runs_of(served.settings, "retrain", "CRASHED")  # Prefect hears of the one that died, too
    served.until(lambda: len(events_of_labels(served)) > told, "event of the labels")
    [rule] = [one for one in served.ask("/automations/filter", {}) if one["name"] == CRASHED_RULE]
    assert rule["enabled"]


def test_runs_that_a_schedule_made_and_nobody_ran_are_canceled(served: Served) -> None:
    there = f"http://127.0.0.1:{served.settings.prefect_port}/api"
    served.until(lambda: runs_of(served.settings, "reconcile", "SCHEDULED"), "scheduled runs of reconcile")
    with temporary_settings({PREFECT_API_URL: there}), get_client(sync_client=True) as client:
        assert cancel_late(client) == []  # they are still to come
        canceled = cancel_late(client, by=-timedelta(hours=3))  # as if it were three hours later
    assert canceled
    assert all(run.auto_scheduled for run in canceled)
    assert {str(run.id) for run in canceled} <= {
        run["id"] for run in runs_of(served.settings, "reconcile", "CANCELLED")
    }
