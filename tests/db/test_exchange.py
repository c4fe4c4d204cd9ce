"""Export and import: the same labels come back in every format, and no name can do anything in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pyarrow.parquet
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from db import exchange, export, labels, samples
from db.engine import Database
from db.errors import InvalidInput
from db.exchange.cells import FORMULA_STARTS, formula_safe, plain_text
from db.exchange.read_tables import read_csv
from db.exchange.tables import LABEL_COLUMNS, csv_parts
from db.records import GivenLabels, LabelEntry
from tests.db.exchange_scenes import NASTY, by_hash, give, label_all_ways, picture_scene
from tests.db.scenes import Scene, scalar

SUFFIX = {name: entry.suffix for name, entry in exchange.FORMATS.items()}
NASTY_CLASSES = ("=SUM(A1)", "<b>&\"'", "[x](javascript:1)", "a: b # c", "\U0001f600\u2028x", "1", "..", "A", "a")
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
RISKY = st.text(st.sampled_from("=+-@\t\r\n;,'\"a\uff1d "), max_size=12)


def save(scene: Scene, folder: Path, format: str, what: str = "labels", **more: object) -> Path:
    out = folder / f"out-{what}{SUFFIX[format]}"
    exchange.export_file(scene.database, scene.ada, scene.id, what, format, out=out, **more)
    return out


def choices(out: Path) -> list[str | None]:
    """The classes in the labeling configuration beside an export, by a real parser."""
    config = ElementTree.parse(exchange.config_path(out))  # noqa: S314 - we wrote it ourselves
    return [entry.get("value") for entry in config.iter("Choice")]


@pytest.mark.parametrize("format", list(exchange.FORMATS))
def test_export_then_import_gives_the_same_labels(database: Database, tmp_path: Path, format: str) -> None:
    scene = picture_scene(database, tmp_path, "zoo")
    label_all_ways(scene)
    before = by_hash(scene)
    assert len(before) == len(NASTY) - 2  # one was skipped, one never asked
    out = save(scene, tmp_path, format)
    other = picture_scene(database, tmp_path, "copy")
    report = exchange.import_file(database, other.ada, other.id, out)
    assert (report.format, report.imported, report.same) == (format, len(before), 0)
    assert by_hash(other) == before
    again = exchange.import_file(database, other.ada, other.id, out, format)
    assert (again.imported, again.same, again.replaced) == (0, len(before), 0)
    assert labels.rebuild(database) == {**scene.labels()}
    home = exchange.import_file(database, scene.ada, scene.id, out)
    assert (home.imported, home.same) == (0, len(before))


@pytest.mark.parametrize("format", list(exchange.FORMATS))
def test_classes_of_any_name_come_back(database: Database, tmp_path: Path, format: str) -> None:
    scene = picture_scene(database, tmp_path, "odd", classes=NASTY_CLASSES)
    give(scene, dict(zip(scene.pool(), NASTY_CLASSES, strict=False)))
    other = picture_scene(database, tmp_path, "copy", classes=NASTY_CLASSES)
    exchange.import_file(database, other.ada, other.id, save(scene, tmp_path, format))
    assert by_hash(other) == by_hash(scene)
    assert sorted(by_hash(other).values()) == sorted(NASTY_CLASSES)


def test_labels_say_where_they_come_from(database: Database, tmp_path: Path) -> None:
    scene = picture_scene(database, tmp_path, "zoo")
    label_all_ways(scene)
    rows = [json.loads(line) for line in save(scene, tmp_path, "jsonl").read_text("utf-8").splitlines()]
    first, second, third = rows[:3]
    assert (first["class"], first["origin"], first["votes"], first["agreement"]) == ("dog", "consensus", 1, 1.0)
    assert (second["class"], second["origin"], second["agreement"], second["round"]) == ("cat", "reviewer", 0.0, 1)
    assert (third["origin"], third["votes"], third["agreement"], third["round"]) == ("imported", 0, None, None)
    assert (first["width"], first["height"], first["split"], first["name"]) == (8, 6, "pool", NASTY[0])
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["updated_at"])
    samples.delete_sample(database, scene.ada, scene.id, first["sample_id"])
    assert len(list(export.labels(database, scene.ada, scene.id))) == len(rows) - 1


def test_votes_are_exported_with_the_withdrawn_ones(database: Database, tmp_path: Path) -> None:
    scene = picture_scene(database, tmp_path, "zoo")
    label_all_ways(scene)
    rows = list(csv.DictReader(io.StringIO(save(scene, tmp_path, "csv", "votes").read_text("utf-8"), newline="")))
    assert [(row["outcome"], row["class"], bool(row["withdrawn_at"])) for row in rows] == [
        ("class", "cat", True),
        ("class", "dog", False),
        ("class", "owl", False),
        ("skip", "", False),
    ]
    assert (rows[0]["note"], rows[1]["note"]) == ("'=HYPERLINK(1)", "<b>no</b>")
    assert (rows[0]["annotator"], rows[0]["kind"], rows[0]["mode"], rows[0]["latency_ms"], rows[0]["round"]) == (
        *("ada", "learn", "single", "1500", "1"),
    )
    table = pyarrow.parquet.read_table(save(scene, tmp_path, "parquet", "votes"))
    assert table.column("note").to_pylist()[0] == "=HYPERLINK(1)"
    assert str(table.schema.field("created_at").type) == "timestamp[ms, tz=UTC]"
    assert table.column("withdrawn_at").null_count == 3
    with pytest.raises(InvalidInput, match="votes"):
        exchange.import_file(database, scene.ada, scene.id, tmp_path / "out-votes.csv")


def test_streams_are_the_files(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = picture_scene(database, tmp_path, "zoo")
    label_all_ways(scene)
    whole = list(export.labels(database, scene.ada, scene.id)), list(export.votes(database, scene.ada, scene.id))
    monkeypatch.setattr(export, "_SAMPLES_AT_ONCE", 3)
    assert list(export.labels(database, scene.ada, scene.id)) == whole[0]
    assert list(export.votes(database, scene.ada, scene.id)) == whole[1]
    for what in ("labels", "votes"):
        for format in ("csv", "jsonl", "label-studio"):
            parts = exchange.stream(database, scene.ada, scene.id, what, format)
            assert b"".join(parts) == save(scene, tmp_path, format, what).read_bytes()
    with pytest.raises(InvalidInput, match="streamed"):
        exchange.stream(database, scene.ada, scene.id, "labels", "parquet")
    for wrong in (("labels", "xls"), ("votes", "coco"), ("rounds", "csv")):
        with pytest.raises(InvalidInput, match="expected"):
            exchange.stream(database, scene.ada, scene.id, *wrong)


def test_an_empty_project_exports_empty_files(database: Database, tmp_path: Path) -> None:
    scene = picture_scene(database, tmp_path, "empty")
    for format in exchange.FORMATS:
        out = save(scene, tmp_path, format)
        assert out.exists()
        if SUFFIX[format]:
            assert exchange.read_labels(out).labels == []
        else:
            out.rename(tmp_path / format)


@given(st.one_of(TEXTS, RISKY))
def test_a_cell_made_safe_comes_back_exactly(text: str) -> None:
    assert plain_text(formula_safe(text)) == text


@given(st.lists(st.one_of(TEXTS, RISKY), min_size=1, max_size=4))
def test_no_cell_begins_as_a_formula_whatever_separates_lists(texts: list[str]) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow([formula_safe(text) for text in texts])
    parsed = next(csv.reader(io.StringIO(buffer.getvalue(), newline=""), strict=True), [])
    for cell in parsed:
        for piece in re.split(r"[;\t\r\n]", cell):
            assert not piece.startswith(tuple(FORMULA_STARTS)), cell


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(st.one_of(TEXTS, RISKY), st.one_of(TEXTS, RISKY).filter(bool)), max_size=6))
def test_a_table_of_any_names_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    entries = [
        LabelEntry(
            **dict.fromkeys(("sample_id", "votes", "updated_at", "width", "height"), 1),
            **{"agreement": 0.5, "round_number": None, "split": "pool", "origin": "imported", "sha256": "0" * 64},
            **{"name": name, "class_name": class_name},
        )
        for name, class_name in rows
    ]
    path = tmp_path_factory.mktemp("table") / "t.csv"
    path.write_bytes(b"".join(csv_parts(LABEL_COLUMNS, entries)))
    found = GivenLabels(format="csv")
    read_csv(path, found)
    assert [(label.name or "", label.class_name) for label in found.labels] == rows


def test_label_studio_gets_tasks_and_a_configuration(database: Database, tmp_path: Path) -> None:
    scene = picture_scene(database, tmp_path, "zoo")
    label_all_ways(scene)
    tasks = json.loads(save(scene, tmp_path, "label-studio").read_text("utf-8"))
    assert len(tasks) == len(NASTY) - 2
    assert set(tasks[0]["data"]) == {"image", "sample_id", "sha256"}
    assert tasks[0]["annotations"][0]["result"] == [
        {"type": "choices", "from_name": "choice", "to_name": "image", "value": {"choices": ["dog"]}}
    ]
    assert [task["annotations"][0]["ground_truth"] for task in tasks[:3]] == [False, True, False]
    assert choices(tmp_path / "out-labels.json") == ["cat", "dog", "owl"]
    out = save(scene, tmp_path, "label-studio", "votes", image_prefix="/data/local-files/?d=photos/")
    votes = json.loads(out.read_text("utf-8"))
    assert votes[0]["data"]["image"] == "/data/local-files/?d=photos/%3D1%2B1.png"
    told = [[(one["was_cancelled"], one["ground_truth"]) for one in task["annotations"]] for task in votes[:3]]
    assert told == [[(False, False)], [(False, False), (False, True)], [(True, False)]]
    other = picture_scene(database, tmp_path, "copy")
    report = exchange.import_file(database, other.ada, other.id, out)
    assert report.ignored == {"skipped annotations": 1, "tasks without an answer": 1}
    assert by_hash(other) == by_hash(scene)


def test_predictions_go_along_with_tasks(database: Database, tmp_path: Path) -> None:
    scene = picture_scene(database, tmp_path, "zoo")
    scene.ask(1)
    database.write(lambda session: session.connection().exec_driver_sql("UPDATE queries SET predicted = 2"))
    scene.submit(scene.ada, scene.claim(scene.ada)[0], "cat")
    out = save(scene, tmp_path, "label-studio")
    (task,) = json.loads(out.read_text("utf-8"))
    assert task["predictions"][0]["model_version"] == "round 1"
    assert task["predictions"][0]["result"][0]["value"] == {"choices": ["owl"]}
    assert exchange.import_file(database, scene.ada, scene.id, out).ignored == {"predictions": 1}


def test_configuration_escapes_class_names(database: Database, tmp_path: Path) -> None:
    scene = picture_scene(database, tmp_path, "odd", classes=NASTY_CLASSES)
    assert choices(save(scene, tmp_path, "label-studio")) == list(NASTY_CLASSES)


def test_coco_has_categories_of_whole_images(database: Database, tmp_path: Path) -> None:
    scene = picture_scene(database, tmp_path, "zoo")
    label_all_ways(scene)
    coco = json.loads(save(scene, tmp_path, "coco").read_text("utf-8"))
    assert [entry["name"] for entry in coco["categories"]] == ["cat", "dog", "owl"]
    assert len(coco["images"]) == len(coco["annotations"]) == len(NASTY) - 2
    assert coco["images"][0]["file_name"] == NASTY[0]
    assert "bbox" not in coco["annotations"][0]
    assert coco["annotations"][0]["category_id"] == 2


def test_dataset_card_holds_names_as_text(database: Database, tmp_path: Path) -> None:
    name = 'x": y <script> [a](javascript:1)'
    scene = picture_scene(database, tmp_path, name, classes=NASTY_CLASSES)
    give(scene, dict(zip(scene.pool(), NASTY_CLASSES, strict=False)))
    root = save(scene, tmp_path, "huggingface")
    _, front, body = (root / "README.md").read_text("utf-8").split("---\n", 2)
    card = yaml.safe_load(front)
    assert card["pretty_name"] == name
    assert card["class_names"] == list(NASTY_CLASSES)
    assert card["configs"][0]["data_files"] == [{"split": "train", "path": "data/train/**"}]
    assert "<script>" not in body
    assert "](javascript" not in body
    lines = [json.loads(line) for line in (root / "data/train/metadata.jsonl").read_text("utf-8").split("\n")[:-1]]
    assert [line["label"] for line in lines] == list(NASTY_CLASSES)
    assert all((root / "data/train" / line["file_name"]).is_file() for line in lines)
    assert scalar(database, "SELECT count(*) FROM labels") == len(NASTY_CLASSES)
