"""Exports as folders: the right bytes under safe names, nothing outside, and nothing half done."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import exchange
from db.engine import Database
from db.errors import InvalidInput
from db.exchange import folders
from db.exchange.safe_names import contained, folder_names, image_name, safe_name
from db.records import ExportReport
from tests.db.exchange_scenes import NASTY, by_hash, give, picture_scene
from tests.db.scenes import Scene

NAMES = st.one_of(st.text(max_size=300), st.text(st.sampled_from("./\\:\0 ~CON"), max_size=12))


def save(scene: Scene, out: Path, **more: object) -> ExportReport:
    return exchange.export_file(
        scene.database,
        scene.ada,
        scene.id,
        "labels",
        "imagefolder",
        out=out,
        **more,
    )


def labeled(database: Database, folder: Path) -> Scene:
    scene = picture_scene(database, folder, "zoo")
    give(scene, dict.fromkeys(scene.pool(), "cat"))
    return scene


def everything(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if not path.is_dir()}


@given(NAMES)
def test_no_name_leads_out_of_a_folder(name: str) -> None:
    root = Path("/srv/export")
    for part in (safe_name(name, "x"), image_name(1, name), image_name(1, name, ".png")):
        path = contained(root, "pool", part)
        assert path.parent == root / "pool"
        assert len(part.encode()) < 120
        assert part == part.strip()
        assert not set(part) & set('/\\:*?"<>|\0\n\r\t')


@given(st.lists(NAMES, unique=True, max_size=20))
def test_folders_of_classes_differ_even_where_case_does_not_count(names: list[str]) -> None:
    found = folder_names(names)
    assert list(found) == names
    assert len({folder.casefold() for folder in found.values()}) == len(names)


@pytest.mark.parametrize("parts", [("..", "x"), ("/etc/passwd",), ("a/../../x",), (".",), ()])
def test_places_outside_are_refused(tmp_path: Path, parts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput, match="below"):
        contained(tmp_path / "out", *parts)
    (tmp_path / "link").symlink_to("/")
    with pytest.raises(InvalidInput, match="below"):
        contained(tmp_path, "link", "x")


def test_copies_links_and_manifests(database: Database, tmp_path: Path) -> None:
    scene = labeled(database, tmp_path)
    before = everything(tmp_path)
    copied = save(scene, tmp_path / "copied")
    assert copied.images == {"original": len(NASTY)}
    files = sorted((tmp_path / "copied/pool/cat").iterdir())
    assert [path.read_bytes() for path in files] == [f"image {number}".encode() for number in range(len(NASTY))]
    assert not any(path.is_symlink() for path in files)
    linked = save(scene, tmp_path / "linked", images="link")
    assert linked.images == {"linked": len(NASTY)}
    assert all(path.is_symlink() and path.is_file() for path in (tmp_path / "linked/pool/cat").iterdir())
    listed = save(scene, tmp_path / "listed", images="manifest")
    assert listed.images == {"listed": len(NASTY)}
    assert {path.name for path in everything(tmp_path / "listed")} == {"manifest.csv", "classes.csv"}
    with (tmp_path / "listed/manifest.csv").open(encoding="utf-8", newline="") as file:
        assert all(Path(row["path"]).is_file() for row in csv.DictReader(file))
    with (tmp_path / "copied/manifest.csv").open(encoding="utf-8", newline="") as file:
        assert {row["path"] for row in csv.DictReader(file)} == {""}  # what is given away tells nothing of this machine
    new = {path.relative_to(tmp_path).parts[0] for path in everything(tmp_path) - before}
    assert new == {"copied", "linked", "listed"}
    for format, images in (("listed", "manifest"), ("linked", "link")):
        other = picture_scene(database, tmp_path, f"from {images}")
        exchange.import_file(database, other.ada, other.id, tmp_path / format)
        assert by_hash(other) == by_hash(scene)


def test_what_is_gone_or_changed_is_taken_from_the_display_images(database: Database, tmp_path: Path) -> None:
    scene = labeled(database, tmp_path)
    (tmp_path / "images/0.png").unlink()
    (tmp_path / "images/1.png").write_bytes(b"another picture")
    out = tmp_path / "out"
    report = save(scene, out)
    assert report.images == {"original": len(NASTY) - 2, "display": 2}
    shown = sorted((out / "pool/cat").iterdir())[:2]
    assert [path.read_bytes() for path in shown] == [b"shown 0000", b"shown 0001"]
    assert exchange.import_file(database, scene.ada, scene.id, out).same == len(NASTY)  # the manifest knows them
    for pack in database.home.glob("*.pack"):
        pack.write_bytes(b"")
    report = save(scene, tmp_path / "again")
    assert report.images == {"original": len(NASTY) - 2, "missing": 2}
    assert report.missing == NASTY[:2]


def test_where_a_person_puts_an_image_counts(database: Database, tmp_path: Path) -> None:
    scene = labeled(database, tmp_path)
    out = tmp_path / "out"
    save(scene, out)
    moved = sorted((out / "pool/cat").iterdir())[0]
    (out / "pool/owl").mkdir()
    moved.rename(out / "pool/owl" / moved.name)
    other = picture_scene(database, tmp_path, "copy")
    exchange.import_file(database, other.ada, other.id, out)
    assert sorted(by_hash(other).values()) == ["cat"] * (len(NASTY) - 1) + ["owl"]


def test_a_place_in_use_is_refused(database: Database, tmp_path: Path) -> None:
    scene = labeled(database, tmp_path)
    full, file, link = tmp_path / "full", tmp_path / "file", tmp_path / "link"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    file.write_text("mine")
    link.symlink_to(full)
    for out in (full, file, link, tmp_path / "no" / "out"):
        with pytest.raises(InvalidInput, match="expected"):
            save(scene, out)
    assert (full / "mine.txt").read_text() == file.read_text() == "mine"
    (tmp_path / "empty").mkdir()
    assert save(scene, tmp_path / "empty").rows == len(NASTY)
    with pytest.raises(InvalidInput, match="images to be"):
        save(scene, tmp_path / "new", images="move")


def test_nothing_is_left_of_an_export_that_fails(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = labeled(database, tmp_path)
    before = everything(tmp_path)

    def full(*_: object) -> Iterator[None]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folders.pictures, "copy_file", full)
    with pytest.raises(OSError, match="No space"):
        save(scene, tmp_path / "out")
    assert everything(tmp_path) == before
    assert not (tmp_path / "out").exists()
