"""Imports: everything is checked, all or nothing; what people decided is not overruled by accident."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db import exchange, imports, labels, samples
from db.engine import Database
from db.errors import InvalidInput
from db.imports import ImportRefused
from tests.db.exchange_scenes import by_hash, give, picture_scene, row_counts
from tests.db.scenes import Scene, make_scene, new_samples, new_shard, scalar, sha


def write(folder: Path, rows: list[dict[str, object]]) -> Path:
    path = folder / "labels.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def read(scene: Scene, path: Path, **more: object) -> Any:
    return exchange.import_file(scene.database, scene.ada, scene.id, path, **more)


def rows_of(number: int) -> dict[str, object]:
    return {"sha256": sha(f"zoo{number}"), "class": "cat"}


BAD: dict[str, tuple[Callable[[Scene], list[dict[str, object]]], str]] = {
    "unknown class": (lambda s: [{**rows_of(1), "class": "catt"}], "got 'catt'; did you mean 'cat'"),
    "unknown image": (lambda s: [{**rows_of(1), "sha256": "0" * 64}], "a sha256 that it does not have"),
    "foreign id": (lambda s: [{"sample_id": 10_000, "class": "cat"}], "an id of an image"),
    "foreign hash": (
        lambda s: [{"sample_id": s.pool()[0], "sha256": "0" * 64, "class": "cat"}],
        "a sha256 that it does not have",
    ),
    "unknown name": (lambda s: [{"name": "x.png", "class": "cat"}], "a name that it does not have"),
    "two classes": (lambda s: [rows_of(1), {**rows_of(1), "class": "dog"}], "one class an image"),
    "no class": (lambda s: [{**rows_of(1), "class": None}], "expected a class, got none"),
    "a number as class": (lambda s: [{**rows_of(1), "class": 3}], "expected text, got int"),
    "no image": (lambda s: [{"sha256": "", "name": "", "class": "cat"}], "got none"),
    "a hash that is none": (lambda s: [{**rows_of(1), "sha256": "xyz"}], "64 hexadecimal digits"),
    "a fraction as id": (lambda s: [{"sample_id": 1.5, "class": "cat"}], "whole number"),
    "a truth value as id": (lambda s: [{"sample_id": True, "class": "cat"}], "whole number"),
    "a large id": (lambda s: [{"sample_id": 2**63, "class": "cat"}], "whole number"),
    "an infinite id": (lambda s: [{"sample_id": 1e308, "class": "cat"}], "whole number"),
    "half a character": (lambda s: [{"name": "\ud800", "class": "cat"}], "readable text"),
    "a test image": (lambda s: [{"sha256": sha("test0"), "class": "cat"}], "classes are fixed"),
    "a validation image": (lambda s: [{"sha256": sha("valid0"), "class": "cat"}], "classes are fixed"),
    "a deleted image": (lambda s: [{"sha256": sha("zoo4"), "class": "cat"}], "was deleted"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_one_bad_row_and_nothing_is_imported(database: Database, tmp_path: Path, case: str) -> None:
    scene = make_scene(database, images=6)
    for split in ("test", "valid"):
        rows = new_samples(split, 1, split="validation" if split == "valid" else split, known="dog")
        samples.register_shard(database, scene.ada, scene.id, new_shard(split), rows)
    scene.ask(2)
    samples.delete_sample(database, scene.ada, scene.id, scene.pool()[4])
    make, reason = BAD[case]
    path = write(tmp_path, [rows_of(0), *make(scene), rows_of(3)])
    before = row_counts(database)
    with pytest.raises(ImportRefused, match=reason) as refused:
        read(scene, path)
    assert refused.value.total == 1
    assert "line" in refused.value.problems[0].places[0]
    assert row_counts(database) == before
    told = read(scene, path, dry_run=True)
    assert (told.imported, len(told.refused)) == (3 if case == "two classes" else 2, 1)
    assert row_counts(database) == before


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jsonl", b'{"class": "cat", "class": "dog", "sha256": "x"}', "each key once"),
        ("a.jsonl", b'{"class": "cat", "sample_id": NaN}', "finite"),
        ("a.jsonl", b'{"class": "cat", "sample_id": -Infinity}', "finite"),
        ("a.jsonl", b'{"class": "cat", "sample_id": 1e999}', "finite"),
        ("a.jsonl", b'{"class": "cat", "sample_id": ' + b"9" * 5000 + b"}", "20 digits"),
        ("a.jsonl", b'{"class": "caf\xe9", "sha256": "x"}', "UTF-8"),
        ("a.jsonl", b'{"class": "cat"}\n\xff\xfe{', "expected a column class and one of"),
        ("a.jsonl", b"[1]", "JSON object"),
        ("a.jsonl", b"{" * 5, "expected JSON"),
        ("a.json", b"[" * 100_000, "expected JSON|nested"),
        ("a.json", b'{"a": ' * 50_000, "expected JSON|nested"),
        ("a.json", b"7", "list of Label Studio tasks"),
        ("a.json", b'{"images": 1, "annotations": []}', "list of objects"),
        ("a.json", b'{"images": [{"id": 1}, {"id": 1}], "annotations": [], "categories": []}', "no two alike"),
        ("a.csv", "class,sha256\ncaf\u00e9,x".encode("latin-1"), "UTF-8"),
        ("a.csv", "class,sha256\ncat,x".encode("utf-16"), "UTF-8"),
        ("a.csv", b"class,sha256\ncat", "expected 2 cells, got 1"),
        ("a.csv", b'class,sha256\n"cat,x', "expected CSV"),
        ("a.csv", b"class,name\ncat," + b"x" * 200_000, "expected CSV"),
        ("a.csv", b"class,class\ncat,dog", "each column once"),
        ("a.csv", b"", "expected a column class"),
        ("a.parquet", b"PAR1 no PAR1", "Parquet"),
        ("a.xlsx", b"", "ends in"),
    ],
)
def test_files_that_are_not_what_they_should_be(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=reason):
        exchange.read_labels(path)
    with pytest.raises(InvalidInput, match="which is none"):
        exchange.read_labels(tmp_path / f"no-{name}", "csv")
    with pytest.raises(InvalidInput, match="expected a format"):
        exchange.read_labels(path, "xml")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate((256 << 20) + 1)
    with pytest.raises(InvalidInput, match="at most 256 MB"):
        exchange.read_labels(path)


def test_a_failure_halfway_leaves_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = make_scene(database, images=1200)
    scene.ask(1)
    before, calls = row_counts(database), []

    def breaks(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(imports, "withdraw_questions", breaks)
    chosen = dict.fromkeys(scene.pool(), "cat")
    with pytest.raises(OSError, match="No space"):
        give(scene, chosen)
    assert len(calls) == 2  # a thousand labels were written and are gone again
    assert row_counts(database) == before
    monkeypatch.undo()
    assert give(scene, chosen).imported == 1200


def test_many_problems_are_summarized(database: Database, tmp_path: Path) -> None:
    scene = make_scene(database, images=2)
    rows = [{"sha256": "0" * 64, "class": f"class {number}"} for number in range(3000)]
    with pytest.raises(ImportRefused) as refused:
        read(scene, write(tmp_path, rows))
    assert refused.value.total == 3000
    assert refused.value.problems[0].count == 3000
    assert len(str(refused.value)) < 5000
    rows = [{"sha256": sha("zoo0"), "class": f"class {number}"} for number in range(3000)]
    with pytest.raises(ImportRefused, match="more reasons") as refused:
        read(scene, write(tmp_path, rows))
    assert len(refused.value.problems) <= 1001


def test_a_bom_and_other_names_of_columns_are_fine(database: Database, tmp_path: Path) -> None:
    scene = make_scene(database, images=3)
    path = tmp_path / "a.csv"
    path.write_bytes("\ufefffilename,label\r\nzoo0.png, cat\r\n\r\nzoo1.png,dog\r\n".encode())
    assert read(scene, path).imported == 2
    assert read(scene, path).same == 2


def test_what_people_decided_is_replaced_only_on_purpose(database: Database, tmp_path: Path) -> None:
    scene = make_scene(database, images=6)
    scene.ask(2)
    mine, _ = scene.claim(scene.ada, 2)
    scene.submit(scene.ada, mine, "cat")
    other = next(item for item in scene.pool() if item != mine.sample_id)
    before = row_counts(database)
    chosen = {mine.sample_id: "dog", other: "owl"}
    with pytest.raises(ImportRefused, match="people did not decide otherwise"):
        give(scene, chosen)
    assert row_counts(database) == before
    report = give(scene, chosen, replace=True)
    assert (report.imported, report.replaced) == (1, 1)
    assert scene.labels() == labels.rebuild(database) == {mine.sample_id: scene.cls("dog"), other: scene.cls("owl")}
    assert scalar(database, "SELECT count(*) FROM annotation_events WHERE kind = 'review'") == 1
    assert scalar(database, "SELECT count(*) FROM labels WHERE origin = 'reviewer'") == 1
    assert give(scene, chosen, replace=True).same == 2
    with pytest.raises(ImportRefused, match="another imported label"):
        give(scene, {other: "cat"})
    assert give(scene, {other: "cat"}, replace=True).replaced == 1
    assert scene.labels() == labels.rebuild(database)
    assert scalar(database, "SELECT count(*) FROM annotation_events WHERE kind = 'review'") == 1


def test_open_questions_about_imported_images_are_withdrawn(database: Database) -> None:
    scene = make_scene(database, images=6)
    scene.ask(3)
    held = scene.claim(scene.ada)[0]
    give(scene, {held.sample_id: "owl"})
    assert scalar(database, "SELECT count(*) FROM queries WHERE state = 'withdrawn'") == 1
    assert held.sample_id not in [query.sample_id for query in scene.claim(scene.person("bob"), 5)]
    scene.submit(scene.ada, held, "cat")
    assert scene.labels() == labels.rebuild(database)


def test_images_are_found_as_asked(database: Database, tmp_path: Path) -> None:
    scene = make_scene(database, images=4)
    first, second, _, last = scene.pool()
    path = write(tmp_path, [{"sample_id": second, "sha256": sha("zoo0"), "name": "zoo3.png", "class": "cat"}])
    assert read(scene, path, match="name").imported == 1
    assert list(scene.labels()) == [last]
    with pytest.raises(ImportRefused, match="another sha256"):
        read(scene, path, match="id")
    assert read(scene, path, match="sha256").imported == 1
    assert first in scene.labels()
    with pytest.raises(InvalidInput, match="expected to match by"):
        read(scene, path, match="luck")
    twins = [*new_samples("a/twin", 1), *new_samples("b/twin", 1)]
    samples.register_shard(database, scene.ada, scene.id, new_shard("t"), [twins[0]], "use")
    samples.register_shard(database, scene.ada, scene.id, new_shard("u"), [twins[1]], "use")
    assert read(scene, write(tmp_path, [{"name": "b/twin0.png", "class": "owl"}])).imported == 1
    with pytest.raises(ImportRefused, match="several have"):
        read(scene, write(tmp_path, [{"name": "twin0.png", "class": "owl"}]))


TASK = {
    "id": 5, "project": 3, "inner_id": 1, "file_upload": "cfd61273-zoo1.png", "drafts": [], "meta": {},
    "data": {"image": "/data/upload/3/cfd61273-zoo1.png"},
    "predictions": [{"model_version": "m", "score": 0.9, "result": []}],
    "annotations": [
        {"id": 7, "completed_by": 1, "was_cancelled": False, "ground_truth": False, "lead_time": 13.014,
         "created_at": "2025-04-12T02:37:12.266779Z", "task": 5, "project": 3, "result_count": 1,
         "result": [{"value": {"choices": ["dog"]}, "id": "bgqqtjGWxO", "from_name": "animal", "to_name": "image",
                     "type": "choices", "origin": "manual"}]},
        {"id": 8, "completed_by": {"email": "b@example.org"}, "was_cancelled": True, "result": []},
    ],
}  # fmt: skip
MIN = {
    "image": "/data/local-files/?d=photos/zoo%202.png", "id": 6, "animal": "owl", "annotator": 1, "annotation_id": 9,
    "created_at": "2025-04-12T02:37:12.266779Z", "updated_at": "2025-04-12T02:37:12.266779Z", "lead_time": 2.5,
}  # fmt: skip


def test_label_studios_own_exports_are_read(database: Database, tmp_path: Path) -> None:
    scene = make_scene(database, images=3)
    odd = [*new_samples("zoo ", 3)][2]
    samples.register_shard(database, scene.ada, scene.id, new_shard("o"), [odd])
    full, small = tmp_path / "project-3.json", tmp_path / "min.json"
    full.write_text(json.dumps([TASK]), encoding="utf-8")
    small.write_text(json.dumps([MIN, {**MIN, "annotation_id": 10}, {**MIN, "animal": "cat"}]), encoding="utf-8")
    report = read(scene, full)
    assert (report.format, report.imported) == ("label-studio", 1)
    assert report.ignored == {"predictions": 1, "skipped annotations": 1}
    assert read(scene, small).imported == 1
    assert by_hash(scene) == {sha("zoo1"): "dog", odd.sha256: "owl"}


def test_annotations_of_a_task_vote(tmp_path: Path) -> None:
    def task(*chosen: tuple[str, bool]) -> dict[str, object]:
        told = [
            {"ground_truth": truth, "result": [{"type": "choices", "value": {"choices": [name]}}]}
            for name, truth in chosen
        ]
        return {"id": len(chosen), "data": {"image": "a.png"}, "annotations": told}

    path = tmp_path / "a.json"
    tasks = [task(("a", False), ("b", False), ("b", False)), task(("a", True), ("b", False)), task()]
    tie = {**task(("a", False), ("b", False)), "id": 9}
    path.write_text(json.dumps([*tasks, tie]), encoding="utf-8")
    found = exchange.read_labels(path)
    assert [label.class_name for label in found.labels] == ["b", "a"]
    assert [problem.places for problem in found.problems.listed()] == [("task 9",)]


def test_a_tree_of_folders_from_elsewhere(database: Database, tmp_path: Path) -> None:
    scene = picture_scene(database, tmp_path, "zoo")
    root = tmp_path / "tree"
    for number, place in enumerate(("train/cat/deep", "train/dog", "val/owl")):
        (root / place).mkdir(parents=True)
        (root / place / f"{number}.png").write_bytes(f"image {number}".encode())
    (root / "train/dog/Thumbs.db").write_bytes(b"")
    (root / ".hidden").mkdir()
    report = read(scene, root)
    assert (report.format, report.imported) == ("imagefolder", 3)
    assert sorted(by_hash(scene).values()) == ["cat", "dog", "owl"]
    (root / "train" / "fox").mkdir()
    (root / "train/fox/9.png").write_bytes(b"image 9")
    with pytest.raises(ImportRefused, match="'fox'"):
        read(scene, root)
    (root / "loose.png").write_bytes(b"x")
    with pytest.raises(InvalidInput, match="a folder for each class"):
        read(scene, root)
