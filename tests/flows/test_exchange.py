"""`borderline export` and `import-labels`, with real photos: out of one project, into another, the same labels."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from tests.flows.conftest import Said

Run = Callable[..., Said]
FORMATS = {
    "csv": "labels.csv",
    "jsonl": "labels.jsonl",
    "parquet": "labels.parquet",
    "label-studio": "tasks.json",
    "coco": "coco.json",
    "imagefolder": "by-class",
    "huggingface": "dataset",
}


def photos(folder: Path) -> Path:
    for number in range(6):
        path = folder / ("robin", "=wren")[number % 2] / f"=photo {number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (12, 10, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return folder


@pytest.fixture
def birds(run: Run, tmp_path: Path) -> Path:
    """A project 'birds' with six labels, and an empty project 'copy' with the same photos."""
    folder = photos(tmp_path / "photos")
    for name, labels in (("birds", "use"), ("copy", "ignore")):
        assert run("project", "create", name, "--classes", "robin,=wren", "--channels", "3").code == 0
        assert run("ingest", name, folder, "--labels", labels).code == 0
    return tmp_path


def labels_of(run: Run, name: str) -> dict[str, str]:
    said = run("export", name, "--format", "jsonl")
    assert said.code == 0, said
    rows = [json.loads(line) for line in said.out.splitlines()]
    return {row["name"]: row["class"] for row in rows}


@pytest.mark.parametrize("format", list(FORMATS))
def test_labels_go_out_and_come_back(run: Run, birds: Path, format: str) -> None:
    out = birds / FORMATS[format]
    said = run("export", "birds", "--format", format, "--out", out)
    assert (said.code, said.out.splitlines()[0]) == (0, f"6 labels written to {out}.")
    tried = run("import-labels", "copy", out, "--dry-run", "--json")
    assert json.loads(tried.out)["imported"] == 6
    assert labels_of(run, "copy") == {}
    said = run("import-labels", "copy", out)
    assert (said.code, said.out) == (0, f"6 labels imported from {format}.\n"), said
    assert labels_of(run, "copy") == labels_of(run, "birds") != {}
    said = run("import-labels", "copy", out)
    assert said.out.splitlines() == [f"0 labels imported from {format}.", "6 were there already, the same."]


def test_images_go_out_as_they_came_in(run: Run, birds: Path) -> None:
    for images, words in (("copy", "copied as"), ("link", "linked to"), ("manifest", "listed")):
        said = run("export", "birds", "--format", "imagefolder", "--images", images, "--out", birds / images)
        assert f"6 images {words}" in said.out, said
    copied = sorted((birds / "copy/pool").rglob("*.png"))
    assert [path.parent.name for path in copied] == ["_wren"] * 3 + ["robin"] * 3
    assert ImageFolder(str(birds / "copy/pool")).classes == ["_wren", "robin"]
    originals = {path.read_bytes() for path in (birds / "photos").rglob("*.png")}
    assert {path.read_bytes() for path in copied} == originals
    assert {path.read_bytes() for path in (birds / "link/pool").rglob("*.png")} == originals
    assert not list((birds / "manifest").rglob("*.png"))
    again = run("export", "birds", "--format", "imagefolder", "--out", birds / "copy")
    assert again.code == 2
    assert "empty or a new folder" in again.err


def test_a_table_goes_to_the_terminal(run: Run, birds: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("export", "birds").out)))
    assert [row["class"] for row in rows].count("'=wren") == 3
    assert rows[0]["origin"] == "imported"
    votes = run("export", "birds", "--what", "votes").out
    assert votes.startswith("sample_id,name,sha256,annotator,outcome")
    assert "streamed" in run("export", "birds", "--format", "parquet").err
    assert "votes" in run("export", "birds", "--what", "votes", "--format", "coco").err


def test_what_does_not_fit_is_listed_and_nothing_is_imported(run: Run, birds: Path) -> None:
    path = birds / "labels.csv"
    names = [f"{folder}/=photo {number}.png" for number, folder in enumerate(("robin", "=wren"))]
    path.write_text(f"name,class\n{names[0]},robin\n{names[0]},robim\n'{names[1]},robin\n", encoding="utf-8")
    said = run("import-labels", "copy", path)
    assert said.code == 2
    assert "got 1 that do not, so nothing was imported" in said.err
    assert "did you mean 'robin'? or add it (line 3)" in said.err
    assert "Traceback" not in said.err
    tried = run("import-labels", "copy", path, "--dry-run")
    assert "1 would be refused" in tried.out
    assert labels_of(run, "copy") == {}
    path.write_text(f"name,class\n'{names[1]},robin\n", encoding="utf-8")
    assert "replace lets the file win" in run("import-labels", "birds", path).err
    assert "1 replaced" in run("import-labels", "birds", path, "--replace").out
    assert labels_of(run, "birds")[names[1]] == "robin"
