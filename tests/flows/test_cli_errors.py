"""Wrong input at each command: one clear sentence on standard error and exit code 2, and nothing written."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flows.cli import main
from flows.settings import Settings
from tests.flows.conftest import Said

Run = Callable[..., Said]


def refuse(said: Said, *words: str) -> None:
    """Check that a command was refused in one sentence that holds these words."""
    assert said.code == 2, said
    lines = said.err.strip().splitlines()
    assert len(lines) == 1, said.err
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err, (word, said.err)


@pytest.fixture
def birds(run: Run) -> None:
    assert run("project", "create", "birds", "--classes", "robin,wren").code == 0


def photo(path: Path, shade: int = 7) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 20, 3), shade, np.uint8)).save(path)


@pytest.mark.parametrize(
    "command",
    [
        ("ingest", "brids", "."),
        ("round", "brids"),
        ("retrain", "brids"),
        ("status", "brids"),
        ("predict", "brids", "."),
        ("export-model", "brids"),
        ("export", "brids"),
        ("import-labels", "brids", "labels.csv"),
        ("project", "pause", "brids"),
        ("project", "delete", "brids", "--yes"),
        ("project", "delete-sample", "brids", "1"),
    ],
    ids=lambda command: "-".join(command[:2]),
)
def test_an_unknown_project_is_named_with_the_close_one(run: Run, birds: None, command: tuple[str, ...]) -> None:
    refuse(run(*command), "brids", "birds")


def test_an_empty_folder(run: Run, birds: None, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refuse(run("ingest", "birds", tmp_path / "empty"), "empty")


@pytest.mark.parametrize("command", ["ingest", "predict"])
def test_a_missing_file(run: Run, birds: None, tmp_path: Path, command: str) -> None:
    refuse(run(command, "birds", tmp_path / "nowhere.npy"), "nowhere.npy")


def test_a_class_that_the_project_has_not(run: Run, birds: None, tmp_path: Path) -> None:
    photo(tmp_path / "photos" / "robin" / "a.png")
    photo(tmp_path / "photos" / "owl" / "b.png", 9)
    refuse(run("ingest", "birds", tmp_path / "photos"), "'owl'", "robin")
    assert json.loads(run("status", "birds", "--json").out)["counts"]["pool"] == 0


def test_more_labels_than_the_pool_has(run: Run) -> None:
    refuse(run("simulate", "--dataset", "digits", "--labels", "100000"), "100,000", "--labels")
    assert run("project", "list", "--json").out.strip() == "[]"


def test_seed_labels_above_labels(run: Run) -> None:
    refuse(run("simulate", "--labels", "10", "--seed-labels", "20"), "--seed-labels")


def test_a_database_from_a_newer_schema(run: Run, birds: None, settings: Settings) -> None:
    with sqlite3.connect(settings.home / "borderline.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999_from_the_future'")
    database.close()
    refuse(run("status", "birds"), "newer")


def test_a_port_in_use(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refuse(run("up", "--port", port), str(port), "--port")
        refuse(run("demo", "--port", port), str(port), "--port")
        refuse(run("up", "--prefect-port", port), str(port), "--prefect-port")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--model", "lenet6"), "lenet5"),
        (("--strategy", "dflal"), "dfal"),
        (("--strategy", "no.such:Thing"), "no.such"),
        (("--guidelines", "no-such-file.md"), "no-such-file.md"),
        (("--channels", "2"), "channels"),
    ],
)
def test_a_project_that_cannot_be(run: Run, options: tuple[str, ...], word: str) -> None:
    refuse(run("project", "create", "x", "--classes", "a,b", *options), word)


@pytest.mark.parametrize("classes", ["a", "a,,b", "a,b,a", ""])
def test_classes_that_cannot_be(run: Run, classes: str) -> None:
    refuse(run("project", "create", "x", "--classes", classes), "class")


def test_a_name_that_is_taken(run: Run, birds: None) -> None:
    refuse(run("project", "create", "birds", "--classes", "a,b"), "birds")


def test_a_model_before_anything_is_trained(run: Run, birds: None, tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    refuse(run("predict", "birds", tmp_path / "a.png"), "trained model")
    refuse(run("export-model", "birds", "--out", tmp_path / "out"), "trained model")
    refuse(run("retrain", "birds"), "at least two classes")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BORDERLINE_PORT", "no"),
        ("BORDERLINE_LOG_FORMAT", "xml"),
        ("BORDERLINE_DATABASE_URL", "postgresq1://host/labels"),
        ("BORDERLINE_DATABASE_URL", "no address"),
    ],
)
def test_a_setting_that_cannot_be(run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    refuse(run("project", "list"), name)


def test_a_bug_of_ours_is_not_dressed_up_as_a_mistake_of_theirs(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("flows.store.local_user", lambda *_: 1 / 0)
    monkeypatch.setattr("sys.argv", ["borderline", "project", "list"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capfd.readouterr().err
    assert "Traceback" in said
    assert "ZeroDivisionError: division by zero" in said
    assert not said.splitlines()[-1].startswith("expected")
