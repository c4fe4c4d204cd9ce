"""The operator's numbers: each is what SQL says, by its Prometheus name, and a store that is away is a number, too."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from db import deliveries, jobs, metrics, model_choices, model_versions, projects, webhooks
from db.engine import Database
from db.figures import figures
from db.records import NewModelVersion
from tests.database_fixtures import Place
from tests.db.scenes import Scene, make_scene, written_file

MODEL = {"architecture": "a", "recipe": "r", "strategy": "s", "seed": 0, "labels_used": 3}


def run(database: Database, statement: str) -> None:
    database.write(lambda session: session.execute(text(statement)))


def numbers(database: Database) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels; Prometheus' own parser checks the format."""
    families = text_string_to_metric_families(metrics.text(lambda: database))
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in families
        for sample in family.samples
    }


def busy(database: Database) -> Scene:
    """Two of five questions answered, two held, a model, a job, messages."""
    scene = make_scene(database, batch_size=5)
    webhooks.add(database, scene.ada, scene.id, "https://example.org/hook", webhooks.TOPICS)
    scene.ask(5)
    for query in scene.claim(scene.ada, 2):
        scene.submit(scene.ada, query)
    scene.claim(scene.person("bob"), 2)
    new = NewModelVersion(file=written_file(database.home, "m"), metrics={"validation_accuracy": 0.75}, **MODEL)
    made = model_versions.record(database, scene.ada, scene.id, new)
    model_choices.promote(database, scene.system, scene.id, made.id, "the first", instead_of=None)
    return scene


def test_each_number_is_what_the_store_says(database: Database) -> None:
    scene = busy(database)
    other = make_scene(database, name="other", images=0)
    for name, state in (("compare-17", "done"), ("compare-18", "failed"), ("round", None)):
        job = jobs.begin(database, scene.system, scene.id, name, "host:1:1.0")
        assert job is not None
        if state:
            jobs.finish(database, job, state)
    deliveries.spread(database)
    run(database, "UPDATE webhook_deliveries SET state = 'failed' WHERE id = 1")
    run(database, "UPDATE jobs SET heartbeat_at = heartbeat_at - 90000 WHERE state = 'running'")
    run(database, "UPDATE rounds SET begun_at = opened_at - 4000")
    message = "INSERT INTO outbox (topic, payload, created_at) SELECT 'x', '{}', max(created_at) - 60000 FROM outbox"
    run(database, message)
    found, mine, theirs = numbers(database), str(scene.id), str(other.id)
    assert found["borderline_database_up",] == 1
    assert found["borderline_labels", mine] == len(scene.labels()) == 2
    assert found["borderline_open_queries", mine] == 3
    assert found["borderline_live_claims", mine] == 2
    assert found["borderline_rounds_total", mine] == 1
    assert found["borderline_round_preparation_seconds", mine] == 4
    assert found["borderline_model_validation_accuracy_ratio", mine] == 0.75
    assert found["borderline_model_created_timestamp_seconds", mine] > 1.7e9
    assert found["borderline_jobs", "compare", "failed"] == found["borderline_jobs", "compare", "done"] == 1
    assert 90 <= found["borderline_job_heartbeat_age_seconds", "round", mine] < 300
    assert 60 <= found["borderline_outbox_oldest_unsent_age_seconds",] < 300
    assert found["borderline_webhook_deliveries", "failed"] == 1
    assert found["borderline_home_free_bytes",] > 0
    assert found["borderline_labels", theirs] == found["borderline_rounds_total", theirs] == 0
    assert ("borderline_model_validation_accuracy_ratio", theirs) not in found


def test_the_last_backup_is_the_newest_that_succeeded(database: Database) -> None:
    scene = make_scene(database, images=0)
    name = ("borderline_last_backup_timestamp_seconds",)
    for state, ended in (("failed", None), ("done", 1000.0), ("failed", 1000.0), ("done", 2000.0)):
        job = jobs.begin(database, scene.system, None, "backup", "host:1:1.0")
        assert job is not None
        jobs.finish(database, job, state)
        run(database, f"UPDATE jobs SET ended_at = {round((ended or 1.0) * 1000)} WHERE id = {job.id}")
        assert numbers(database).get(name) == ended


def test_a_claim_that_is_over_and_a_project_that_is_gone_are_not_counted(database: Database) -> None:
    scene = busy(database)
    make_scene(database, name="trial", images=0, kind="simulation")
    scene.age_claims()
    (project,) = figures(database).projects
    assert project.live_claims == 0
    projects.delete_project(database, scene.ada, scene.id)
    assert figures(database).projects == ()


def test_there_are_as_many_series_as_projects_and_no_names(database: Database) -> None:
    busy(database)
    before = {key[0] for key in numbers(database)}
    for number in range(3):
        make_scene(database, name=f"secret customer {number}", images=0)
    assert {key[0] for key in numbers(database)} == before
    assert "customer" not in metrics.text(lambda: database)


def test_a_store_that_is_away_is_a_number_and_not_a_wait(tmp_path: Place) -> None:
    from db.connections import normalize_url

    away = Database(normalize_url("postgresql://ada@127.0.0.1:1/zoo", tmp_path), tmp_path)
    assert metrics.text(lambda: away).splitlines()[-1] == "borderline_database_up 0.0"


@pytest.mark.parametrize("name", ["borderline_labels", "borderline_rounds_total"])
def test_each_number_says_what_it_is(database: Database, name: str) -> None:
    written = metrics.text(lambda: database)
    assert f"# HELP {name} " in written
    assert f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}" in written
