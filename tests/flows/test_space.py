"""A disk that is nearly full, or a quota, stops work before anything is half written; labels still save."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from db import annotations, claims, jobs, space
from db.errors import InvalidInput, NoSpace
from db.files import used
from db.records import Answer
from flows.backup import back_up
from flows.export_model import export_model
from flows.ingest import IngestOptions, ingest_source
from flows.jobs import working
from flows.report import SilentReporter
from flows.rounds import run_round
from flows.settings import Settings
from flows.store import Store, open_store
from tests.flows.conftest import Said, make_project, read_digits, some_digits
from tests.flows.keeping import files_below

QUIET = SilentReporter()
FULL = 10**18  # nothing has so much room


def with_limits(store: Store, **limits: int) -> Store:
    return Store(store.settings.model_copy(update=limits), store.database, store.actor)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("12", 12),
        ("1 kB", 1000),
        ("1KiB", 1024),
        ("1.5GB", 1_500_000_000),
        ("2 GiB", 2 * 2**30),
        ("3t", 3 * 10**12),
    ],
)
def test_bytes_are_read_as_people_write_them(text: str, value: int) -> None:
    assert space.parse_bytes(text) == value


@pytest.mark.parametrize("text", ["", "much", "-1", "1 XB", "1e9", "10 %"])
def test_other_texts_are_refused_by_the_settings(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput):
        space.parse_bytes(text)
    monkeypatch.setenv("BORDERLINE_FREE_SPACE_FLOOR", text)
    with pytest.raises(ValueError, match="free_space_floor"):
        Settings()


def test_a_full_disk_stops_work_and_not_answers(store: Store, tmp_path: Path) -> None:
    project = make_project(store, holdout_size=0)
    read_digits(store, project, 60, test=False, labels="use")
    read_digits(store, project, 120, test=False, labels="hide")
    run_round(store, project.id, QUIET)
    full = with_limits(store, free_space_floor=FULL)
    before = files_below(store.settings.home / "projects")
    for work in (
        lambda: run_round(full, project.id, QUIET),
        lambda: back_up(full, tmp_path / "backups", QUIET),
        lambda: export_model(full, project.name, tmp_path / "model"),
    ):
        with pytest.raises(NoSpace, match=r"got .* free; free some space"):
            work()
    assert files_below(store.settings.home / "projects") == before
    assert not (tmp_path / "model").exists()
    last = jobs.latest(store.database, project.id, "round")
    assert last is not None
    assert (last.state, "stay free on the disk" in last.error) == ("failed", True)
    answer_one(store, project.id, project.classes[0].id)


def answer_one(store: Store, project_id: int, class_id: int) -> None:
    [query] = claims.claim(store.database, store.actor, project_id, 1)
    answer = Answer(
        answer_id="00000000-0000-0000-0000-000000000001",
        query_id=query.query_id,
        token=query.token,
        outcome="class",
        class_id=class_id,
    )
    assert annotations.submit(store.database, store.actor, project_id, answer).status == "saved"


def test_a_disk_that_fills_up_stops_work_at_its_next_step(store: Store) -> None:
    project = make_project(store)
    with working(store, project.id, "round", QUIET) as job:
        job.progress(0, 2, "training")
        store.settings.free_space_floor = FULL
        with pytest.raises(NoSpace):
            job.progress(1, 2, "training")


def test_a_quota_lets_no_shard_in_by_halves_and_the_same_command_goes_on(store: Store) -> None:
    project = make_project(store, holdout_size=0)
    read_digits(store, project, 50, test=False)
    before = store.database.read(lambda session: used(session, project.id))
    small = with_limits(store, project_quota=before + 10)
    with pytest.raises(NoSpace, match="BORDERLINE_PROJECT_QUOTA"):
        ingest_source(small, project.id, some_digits(90, test=False), IngestOptions(labels="hide"), QUIET)
    there = {path for path in files_below(store.settings.home) if "/shards/" in path}
    named = store.database.read(lambda session: used(session, project.id))
    assert (len(there), named) == (2, before)  # the shard that was too much is gone again
    with pytest.raises(NoSpace), working(with_limits(store, project_quota=before), project.id, "round", QUIET):
        pass
    report = ingest_source(store, project.id, some_digits(90, test=False), IngestOptions(labels="hide"), QUIET)
    assert (report.already, report.added) == (50, 40)


def test_commands_say_what_to_do(run: Callable[..., Said], settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run("project", "create", "digits", "--classes", "0,1,2,3,4,5,6,7,8,9")
    monkeypatch.setenv("BORDERLINE_FREE_SPACE_FLOOR", "900 TB")
    said = run("ingest", "digits", "digits")
    assert (said.code, "to stay free" in said.err, "Traceback" in said.err) == (2, True, False)
    assert run("export", "digits", "--out", settings.home / "labels.csv").code == 2
    monkeypatch.setenv("BORDERLINE_FREE_SPACE_FLOOR", "some")
    assert "BORDERLINE_FREE_SPACE_FLOOR" in run("project", "list").err


def test_the_usual_floor_is_small_on_a_small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=10 * 10**9, free=150 * 10**6))
    assert space.floor_of(tmp_path, None) == 200 * 10**6
    with pytest.raises(NoSpace):
        space.require_disk(tmp_path / "not" / "there", None)
    space.require_disk(tmp_path, 100 * 10**6, 40 * 10**6)


def test_the_commands_go_round(run: Callable[..., Said], settings: Settings, tmp_path: Path) -> None:
    """Backup, verify, restore, collect, as a person types them."""
    run("project", "create", "digits", "--classes", "0,1,2,3,4,5,6,7,8,9")
    run("ingest", "digits", "digits")
    there, new = tmp_path / "backups", tmp_path / "new"
    assert "2 files" in run("backup", "--to", there).out
    assert "0 of them were new" in run("backup", "--to", there, "--keep", "1").out
    assert "is in order" in run("backup", "--verify", there).out
    said = run("restore", there, "--into", new)
    assert (said.code, f"BORDERLINE_HOME={new} borderline up" in said.out) == (0, True)
    assert run("restore", there, "--into", new).code == 2
    assert "0 files" in run("collect", "--delete").out
    with open_store(Settings(home=new)) as restored:
        assert restored.database.read(lambda session: used(session, 1)) > 0
    file = next((there / "files").rglob("*/*"))
    file.write_bytes(b"x")
    assert run("backup", "--verify", there).code == 1
