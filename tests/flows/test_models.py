"""What the user came for: predictions for any images, and a model that others can load."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx.reference
import pyarrow.parquet
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from db import model_versions, samples
from db.access import local_user
from flows.learning import load_version
from flows.predict import CsvWriter
from flows.report import SilentReporter
from flows.rounds import Batch, run_round
from flows.settings import Settings
from flows.simulate import answer_all
from flows.store import Store, open_store
from flows.training_data import images_of
from tests.flows.conftest import Said, make_project, read_digits

Run = Callable[..., Said]


@pytest.fixture(scope="module")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one project 'digits' whose model was trained once, for all tests of this file."""
    home = tmp_path_factory.mktemp("trained")
    with open_store(Settings(home=home, device="cpu"), system=True) as store:
        project = make_project(store)
        read_digits(store, project, 300)
        run_round(store, project.id, SilentReporter(), Batch(first=60, size=5, reserve=0))
        answer_all(store, local_user(store.database, "ana"), project)
        run_round(store, project.id, SilentReporter(), Batch(first=60, size=5, reserve=0))
    return home


@pytest.fixture
def trained(trained_home: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("BORDERLINE_HOME", str(trained_home))
    with open_store(Settings(), system=True) as store:
        yield store


def pictures(store: Store, folder: Path, count: int) -> tuple[Path, torch.Tensor]:
    """Write some test digits as PNG files and return them as the model sees them."""
    folder.mkdir()
    ids = samples.pool_index(store.database, 1, splits=("test",)).ids[:count]
    images = images_of(store, projects_first(store), ids, ("test",))
    for place, image in enumerate(images):
        Image.fromarray(image[0].numpy()).save(folder / f"{place:03}.png")
    return folder, images


def projects_first(store: Store):
    from db import projects

    return projects.get_project(store.database, store.actor, "digits")


def logits_of(store: Store, images: torch.Tensor) -> torch.Tensor:
    version = model_versions.current(store.database, 1)
    assert version is not None
    model = load_version(store, version).eval()
    with torch.inference_mode():
        return model(images.float() / 255)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_predict_gives_each_image_its_class_and_probabilities(
    run: Run, trained: Store, tmp_path: Path, suffix: str
) -> None:
    folder, images = pictures(trained, tmp_path / "new", 12)
    (folder / "broken.png").write_text("no image")
    out = tmp_path / f"p{suffix}"
    said = run("predict", "digits", folder, "--out", out)
    assert said.code == 0, said.err
    assert "broken.png" in said.err
    if suffix == ".csv":
        with out.open(newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        rows = pyarrow.parquet.read_table(out).to_pylist()
    assert [row["name"] for row in rows] == [f"{place:03}.png" for place in range(12)]
    expected = torch.softmax(logits_of(trained, images).double(), dim=1).numpy()
    found = np.array([[float(row[f"p_{digit}"]) for digit in range(10)] for row in rows])
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert [row["class"] for row in rows] == [str(place) for place in expected.argmax(axis=1)]


def test_predict_to_the_terminal_is_csv(run: Run, trained: Store, tmp_path: Path) -> None:
    folder, _ = pictures(trained, tmp_path / "new", 3)
    lines = run("predict", "digits", folder).out.strip().splitlines()
    assert lines[0].startswith("name,class,probability,p_0")
    assert len(lines) == 4


def test_an_unwritable_output_is_refused_before_any_work(run: Run, trained: Store, tmp_path: Path) -> None:
    folder, _ = pictures(trained, tmp_path / "new", 1)
    assert run("predict", "digits", folder, "--out", tmp_path / "p.xlsx").code == 2
    assert run("predict", "digits", folder, "--out", tmp_path / "no" / "p.csv").code == 2


def test_predictions_of_odd_names_cannot_act_as_formulas() -> None:
    file = io.StringIO()
    CsvWriter(file, ("=cmd", "b")).write(["@x.png"], np.array([[0.75, 0.25]], np.float32))
    assert file.getvalue().splitlines()[1] == "'@x.png,'=cmd,0.750000,0.750000,0.250000"


def test_exported_models_answer_as_the_original(run: Run, trained: Store, tmp_path: Path) -> None:
    _, images = pictures(trained, tmp_path / "new", 5)
    said = run("export-model", "digits", "--out", tmp_path / "model", "--json")
    assert said.code == 0, said.err
    names = {Path(file).name for file in json.loads(said.out)}
    assert names == {"README.md", "classes.json", "model.safetensors", "model.pt2", "model.onnx"}
    expected = logits_of(trained, images)
    pixels = images.float() / 255
    exported = torch.export.load(tmp_path / "model" / "model.pt2").module()
    torch.testing.assert_close(exported(pixels), expected, atol=1e-5, rtol=1e-4)
    session = onnx.reference.ReferenceEvaluator(str(tmp_path / "model" / "model.onnx"))
    (found,) = session.run(None, {"images": pixels.numpy()})
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4, rtol=1e-3)
    assert load_file(tmp_path / "model" / "model.safetensors")
    card = (tmp_path / "model" / "README.md").read_text()
    assert "test:" in card
    assert "lenet5" in card


def test_damaged_weights_are_refused(run: Run, trained: Store, tmp_path: Path) -> None:
    version = model_versions.current(trained.database, 1)
    assert version is not None
    path = trained.path(version.path)
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        said = run("export-model", "digits", "--out", tmp_path / "model")
        assert said.code == 2
        assert version.path.rsplit("/", 1)[1] in said.err
    finally:
        path.write_bytes(whole)
