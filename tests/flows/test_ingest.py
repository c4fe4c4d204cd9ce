"""From files to SQL: every image is counted once, in the right split, with its label used or hidden as asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from db import samples, synthetic
from db.records import NewCandidate, NewCandidates, NewFile, NewGeneratorVersion
from flows.errors import Canceled, UsageError
from flows.ingest import MADE, IngestOptions, IngestReport, ingest_source
from flows.report import SilentReporter
from flows.store import Store
from pipeline.files import sha256_file
from tests.flows.conftest import make_project, read_digits, some_digits
from tests.support import test_data


def ingest(store: Store, project_id: int, source: object, **options: object) -> IngestReport:
    return ingest_source(store, project_id, source, IngestOptions(**options), SilentReporter())


def photos(folder: Path, names: dict[str, int]) -> Path:
    for name, shade in names.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(shade).integers(0, 255, (40, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return folder


@pytest.fixture
def birds(store: Store) -> int:
    return make_project(store, "birds", classes=("robin", "wren"), channels=3, image_size=32).id


def test_a_second_run_adds_nothing(store: Store) -> None:
    project = make_project(store)
    first = ingest(store, project.id, some_digits(200, test=True), labels="hide")
    again = ingest(store, project.id, some_digits(200, test=True), labels="hide")
    assert (first.added, again.added, again.already) == (200, 0, 200)
    assert sum(first.by_split.values()) == 200
    assert samples.counts(store.database, project.id).test == first.by_split["test"] > 0


def test_more_of_the_same_source_adds_only_what_is_new(store: Store) -> None:
    project = make_project(store)
    ingest(store, project.id, some_digits(100, test=False), labels="hide")
    more = ingest(store, project.id, some_digits(150, test=False), labels="hide")
    assert (more.added, more.already) == (50, 100)


@pytest.mark.parametrize(("policy", "labels", "known"), [("use", 4, 4), ("hide", 0, 4), ("ignore", 0, 0)])
def test_classes_of_pool_images_are_used_hidden_or_ignored(
    store: Store, birds: int, tmp_path: Path, policy: str, labels: int, known: int
) -> None:
    folder = photos(tmp_path / "p", {"robin/1.png": 1, "robin/2.png": 2, "wren/3.png": 3, "wren/4.jpg": 4})
    report = ingest(store, birds, folder, labels=policy)
    assert report.added == 4
    assert samples.counts(store.database, birds).labels == labels == report.labeled
    ids = samples.pool_index(store.database, birds, splits=("pool",)).ids
    assert len(samples.known_classes(store.database, birds, ids)) == known


def test_labels_can_be_used_later(store: Store, birds: int, tmp_path: Path) -> None:
    folder = photos(tmp_path / "p", {"robin/1.png": 1, "wren/3.png": 3})
    ingest(store, birds, folder, labels="ignore")
    assert ingest(store, birds, folder, labels="use").labeled == 2
    assert samples.counts(store.database, birds).labels == 2


def test_split_folders_keep_their_split_and_test_classes_are_never_labels(
    store: Store, birds: int, tmp_path: Path
) -> None:
    names = {"train/robin/1.png": 1, "validation/robin/2.png": 2, "test/wren/3.png": 3, "test/robin/4.png": 4}
    report = ingest(store, birds, photos(tmp_path / "p", names), labels="ignore")
    assert report.by_split == {"pool": 1, "validation": 1, "test": 2}
    assert len(samples.split_truth(store.database, birds, "test")[0]) == 2
    assert samples.counts(store.database, birds).labels == 0


def test_ignored_labels_do_not_hide_that_a_test_split_has_other_classes(
    store: Store, birds: int, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "p", {"train/crow/1.png": 1, "test/crow/2.png": 2})
    with pytest.raises(UsageError, match="got 'crow'; do: ingest the training images alone"):
        ingest(store, birds, folder, labels="ignore")
    assert ingest(store, birds, folder / "train", labels="ignore").added == 1


def test_a_bad_file_is_named_with_its_reason_and_stops_nothing(store: Store, birds: int, tmp_path: Path) -> None:
    folder = photos(tmp_path / "p", {"a.png": 1, "b.png": 2})
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("not an image")
    (folder / "cut.png").write_bytes((folder / "a.png").read_bytes()[:900])
    report = ingest(store, birds, folder)
    assert report.added == 2
    assert sorted(name for name, _ in report.rejected) == ["cut.png", "empty.png", "text.png"]
    assert all(reason for _, reason in report.rejected)


def test_the_same_content_twice_is_kept_once(store: Store, birds: int, tmp_path: Path) -> None:
    folder = photos(tmp_path / "p", {"a.png": 1, "b.png": 1, "c.png": 2})
    report = ingest(store, birds, folder)
    assert (report.added, report.duplicates) == (2, 1)


@pytest.mark.parametrize("copy", [True, False])
def test_files_are_taken_in_or_registered_where_they_lie(store: Store, birds: int, tmp_path: Path, copy: bool) -> None:
    folder = photos(tmp_path / "p", {"a.png": 1})
    ingest(store, birds, folder, copy=copy)
    kept = [path for path in store.settings.project_folder(birds, "originals").rglob("*") if path.is_file()]
    assert [sha256_file(path) for path in kept] == ([sha256_file(folder / "a.png")] if copy else [])


def record_made(store: Store, project_id: int, sha256: str) -> None:
    """Record a generator that made one image, whose display image has this hash."""
    files = [NewFile(path=f"made.{number}", sha256=f"{number:064x}", size=1) for number in range(3)]
    row = NewCandidate(row=0, position=0, sha256=sha256, pixels_sha256="0" * 64, display_offset=0, display_length=1)
    new = NewGeneratorVersion(
        key="one", kind="gan", file=files[0], recipe="r", seed=0, labels_used=1,
        candidates=[NewCandidates(file=files[1], display=files[2], rows=[row])],
    )  # fmt: skip
    synthetic.record(store.database, store.actor, project_id, new)


def test_a_generated_image_is_named_and_left_out(store: Store, birds: int, tmp_path: Path) -> None:
    folder = photos(tmp_path / "p", {"robin/1.png": 1, "robin/2.png": 2})
    record_made(store, birds, sha256_file(folder / "robin" / "2.png"))
    for split in ("pool", "test"):
        report = ingest(store, birds, folder, split=split)
        assert report.rejected == [("robin/2.png", MADE)]
    counts = samples.counts(store.database, birds)
    assert (counts.pool, counts.test) == (1, 0)


def test_an_unknown_class_is_refused_before_anything_is_written(store: Store, birds: int, tmp_path: Path) -> None:
    folder = photos(tmp_path / "p", {"robin/1.png": 1, "owl/2.png": 2})
    with pytest.raises(UsageError, match="'owl'"):
        ingest(store, birds, folder)
    assert samples.counts(store.database, birds).pool == 0


def test_an_ingest_that_was_stopped_is_taken_up_again(store: Store) -> None:
    class StopAt(SilentReporter):
        def progress(self, done: int, total: int, message: str) -> None:
            if done > 100:
                raise Canceled("stopped")

    project = make_project(store)
    with pytest.raises(Canceled):
        ingest_source(store, project.id, some_digits(600, test=False), IngestOptions(labels="hide"), StopAt())
    ingest(store, project.id, some_digits(600, test=False), labels="hide")
    assert samples.counts(store.database, project.id).pool == 600


def test_every_file_row_has_the_hash_of_its_file(store: Store) -> None:
    project = make_project(store)
    read_digits(store, project, 120)
    index = samples.pool_index(store.database, project.id, splits=("pool", "test"))
    assert index.paths
    for path, sha256 in zip(index.paths, index.shas, strict=True):
        assert sha256_file(store.path(path)) == sha256


def test_photos_of_clothing(store: Store) -> None:
    source = test_data("clothing-small", "validation")
    classes = tuple(sorted(path.name for path in source.iterdir()))
    project = make_project(store, "clothing", classes=classes, channels=3, image_size=48)
    report = ingest(store, project.id, source, split="pool", labels="use")
    assert report.added + report.duplicates == report.seen == 341
    assert report.labeled == report.added
