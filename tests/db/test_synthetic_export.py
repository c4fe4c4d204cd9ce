"""Generated images are in an export only when asked for, and then every row says what it is."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from db import exchange, export
from db.engine import Database
from db.errors import InvalidInput
from tests.db.making import judged, made, new_candidates
from tests.db.scenes import Scene, make_scene, sha

MARKING = ("csv", "jsonl", "parquet", "huggingface")
HASHES = {sha(f"first png {row}") for row in range(4)}


@pytest.fixture
def scene(database: Database) -> Scene:
    """One labeled photo, four accepted images, four refused ones."""
    scene = make_scene(database)
    scene.ask(1)
    scene.submit(scene.ada, scene.claim(scene.ada)[0])
    judged(scene, made(scene))
    judged(scene, made(scene, "second", candidates=[new_candidates("second", position=1)]), "refused", position=1)
    (database.home / "first.pack").write_bytes(b"".join(f"made {row:05d}".encode() for row in range(4)))
    (database.home / "zoo.pack").write_bytes(b"photo".ljust(400))
    return scene


def write(scene: Scene, folder: Path, format: str, **more: Any) -> Path:
    out = folder / format
    exchange.export_file(scene.database, scene.ada, scene.id, format=format, out=out, **more)
    return out


def contents(out: Path) -> str:
    """All that an export wrote, names included."""
    if out.name == "parquet":
        return json.dumps(pq.read_table(out).to_pylist(), default=str)
    files = [path for path in out.rglob("*") if path.is_file()] if out.is_dir() else [out]
    return "\n".join(f"{path.relative_to(out.parent)} {path.read_text()}" for path in files)


@pytest.mark.parametrize("format", list(exchange.FORMATS))
def test_no_export_has_them_unasked(scene: Scene, tmp_path: Path, format: str) -> None:
    found = contents(write(scene, tmp_path, format))
    assert "zoo0.png" in found
    assert [word for word in ("synthetic", "made 0", "first.pack", *HASHES) if word in found] == []


@pytest.mark.parametrize("format", MARKING)
def test_asked_for_each_row_is_marked(scene: Scene, tmp_path: Path, format: str) -> None:
    out = write(scene, tmp_path, format, synthetic=True)
    if format == "csv":
        rows = list(csv.DictReader(out.open()))
    elif format == "parquet":
        rows = pq.read_table(out).to_pylist()
    else:
        files = [out] if out.is_file() else sorted(out.rglob("metadata.jsonl"))
        rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    marks = {str(row["sha256"]): (str(row["synthetic"]).lower(), str(row["generator_version"] or "")) for row in rows}
    assert marks == {sha("zoo0"): ("false", ""), **dict.fromkeys(HASHES, ("true", "1"))}
    of_made = [row for row in rows if row["sha256"] in HASHES]
    assert {row["split"] for row in of_made} == {row["origin"] for row in of_made} == {"synthetic"}
    assert all(int(row["sample_id"]) < 0 for row in of_made)
    if format == "huggingface":
        images = sorted((out / "data" / "synthetic").glob("*.png"))
        assert [path.read_bytes() for path in images] != []
        assert {path.read_bytes() for path in images} == {f"made {row:05d}".encode() for row in range(4)}


def test_streams_are_the_same(scene: Scene, tmp_path: Path) -> None:
    for format in ("csv", "jsonl"):
        parts = exchange.stream(scene.database, scene.ada, scene.id, format=format, synthetic=True)
        assert b"".join(parts) == write(scene, tmp_path, format, synthetic=True).read_bytes()


@pytest.mark.parametrize(
    ("what", "format"), [("labels", name) for name in exchange.FORMATS if name not in MARKING] + [("votes", "csv")]
)
def test_what_cannot_mark_them_refuses(scene: Scene, tmp_path: Path, what: Any, format: str) -> None:
    with pytest.raises(InvalidInput, match="would pass for photos"):
        write(scene, tmp_path, format, what=what, synthetic=True)
    assert list(tmp_path.glob(format)) == []


def test_an_export_read_back_labels_no_generated_image(scene: Scene, tmp_path: Path) -> None:
    out = write(scene, tmp_path, "csv", synthetic=True)
    report = exchange.import_file(scene.database, scene.ada, scene.id, out, "csv", dry_run=True)
    assert (report.imported, report.same) == (0, 1)
    assert sum(problem.count for problem in report.refused) == 4
    assert sum(1 for _ in export.labels(scene.database, scene.ada, scene.id)) == 1
