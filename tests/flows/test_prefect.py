"""A real Prefect server and the real runner: the schedule fires, the doorbell starts rounds, SQL is the truth.

`pip check` and imports see neither of the two breaks of today's versions (fastapi above 0.150 keeps the server from
starting; with SQLAlchemy 2.1 schedules silently never run): only a server that is started shows them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from db import commands, samples
from db import rounds as round_store
from db.access import local_user
from flows.report import ArtifactReporter
from flows.settings import Settings
from flows.simulate import answer_all
from flows.store import Store, open_store
from labeler_ui.pages import images
from tests.flows.conftest import make_project, read_digits
from tests.flows.serving import ask, runs_of, serving, until


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with serving(tmp_path_factory.mktemp("prefect"), reconcile_seconds=20) as served:
        yield served.settings


@pytest.fixture
def store(services: Settings) -> Iterator[Store]:
    with open_store(services, system=True) as opened:
        yield opened


def completed_runs(settings: Settings, flow: str) -> list[dict[str, Any]]:
    return runs_of(settings, flow, "COMPLETED")


def test_a_scheduled_deployment_runs(services: Settings) -> None:
    def completed() -> list[dict[str, Any]]:
        return [run for run in completed_runs(services, "reconcile") if run["auto_scheduled"]]

    until(completed, "completed scheduled run of reconcile", services.log_folder / "runner.log")
    assert (services.run_folder / "runner_storage").is_dir()  # not in /tmp, where the first user of a machine owns it


def test_images_that_were_uploaded_on_the_page_are_read_and_answered(
    services: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BORDERLINE_HOME", str(services.home))
    project = make_project(store, "uploads", classes=("a", "b"))
    here = SimpleNamespace(database=store.database, actor=store.actor, project=project)
    buffer = io.BytesIO()
    Image.fromarray(np.arange(784, dtype=np.uint8).reshape(28, 28)).save(buffer, "PNG")
    files = [SimpleNamespace(name="../../one.png", size=buffer.getbuffer().nbytes, getvalue=buffer.getvalue)]
    files.append(SimpleNamespace(name="two.png", size=8, getvalue=lambda: b"no image"))
    command = images.take_in(here, files)
    log = services.log_folder / "runner.log"

    def answer() -> Any:
        (found,) = commands.recent(store.database, store.actor, project.id)
        return found if found.state != "pending" else None

    found = until(answer, "answer to the upload", log)
    assert found.id == command.id
    assert found.state == "done"
    assert "1 images added" in found.message
    assert "two.png" in found.message
    assert samples.counts(store.database, project.id).pool == 1
    assert not Path(command.payload["source"]).exists()


def test_rounds_run_by_themselves_one_after_the_other(services: Settings, store: Store) -> None:
    project = make_project(store, batch_size=5, reserve_size=5)
    read_digits(store, project, 150)
    log = services.log_folder / "runner.log"

    def open_round(number: int) -> bool:
        history = round_store.history(store.database, store.actor, project.id)
        return any(item.number == number and item.state == "open" for item in history)

    until(lambda: open_round(1), "first round", log)
    answer_all(store, local_user(store.database, "ana"), project)
    until(lambda: open_round(2), "second round after the answers", log)
    history = round_store.history(store.database, store.actor, project.id)
    assert history[1].model_version_id is not None

    def completed() -> bool:
        runs = completed_runs(services, "active_learning_round")
        return len([run for run in runs if run["parameters"]["project_id"] == project.id]) == 2

    until(completed, "two completed runs, no more", log)
    artifacts = ask(services, "/artifacts/filter", {"limit": 50})
    assert any(artifact["type"] == "progress" for artifact in artifacts)


def test_a_picture_is_an_image_artifact_and_links_to_nothing(services: Settings) -> None:
    @flow
    def shows() -> None:
        ArtifactReporter().picture("project-1-round-1-gan", b"\x89PNG", "birds: the generator after 500 steps")

    def kept() -> list[dict[str, Any]]:
        return [one for one in ask(services, "/artifacts/filter", {"limit": 200}) if one["type"] == "image"]

    until(lambda: ask(services, "/flows/filter", {}), "server", services.log_folder / "runner.log")
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{services.prefect_port}/api"}):
        shows()
    (artifact,) = kept()
    assert artifact["key"] == "project-1-round-1-gan"
    assert artifact["data"] == "data:image/png;base64,iVBORw=="
    assert artifact["description"] == "birds: the generator after 500 steps"
