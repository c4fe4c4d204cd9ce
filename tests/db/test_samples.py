"""Images in and out: idempotent by content, known classes used or hidden, a million rows as arrays."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from db import labels, projects, samples
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound
from db.records import NewFile, Registered
from tests.db.scenes import Scene, make_scene, new_file, new_samples, new_shard, scalar, sha


def register(scene: Scene, name: str, rows: list, labels: str = "use") -> Registered:
    return samples.register_shard(scene.database, scene.ada, scene.id, new_shard(name), rows, labels)


def test_registering_twice_adds_nothing(database: Database) -> None:
    scene = make_scene(database, images=0)
    rows = new_samples("a", 2500, known="cat")
    assert register(scene, "a", rows) == Registered(added=2500, labeled=2500, already=0)
    assert register(scene, "a", rows) == Registered(added=0, labeled=0, already=2500)
    moved = [replace(row, row=number) for number, row in enumerate([*rows[:3], *new_samples("b", 2)])]
    assert register(scene, "b", moved) == Registered(added=2, labeled=0, already=3)
    assert scalar(database, "SELECT count(*) FROM samples") == 2502
    assert labels.rebuild(database) == scene.labels()
    found = samples.known_hashes(database, scene.ada, scene.id, [rows[0].sha256, sha("x")])
    assert found == {rows[0].sha256}


def test_equal_images_in_one_shard_are_kept_once(database: Database) -> None:
    scene = make_scene(database, images=0)
    one, two = new_samples("a", 2)
    assert register(scene, "a", [one, replace(two, sha256=one.sha256)]) == Registered(added=1, labeled=0, already=1)
    assert scalar(database, "SELECT shard_row FROM samples") == 0


def test_known_classes_are_used_hidden_or_ignored(database: Database) -> None:
    for way, labeled, known in (("use", 2, 2), ("hide", 0, 2), ("ignore", 0, 0)):
        scene = make_scene(database, images=0, name=way)
        register(scene, way, new_samples("p", 2, known="dog"), way)
        register(scene, f"{way}-t", new_samples("t", 1, split="test", known="owl"), way)
        assert samples.counts(database, scene.id).labels == labeled
        pool = samples.pool_index(database, scene.id).ids
        assert list(samples.known_classes(database, scene.id, pool).values()) == [1] * known
        assert samples.split_truth(database, scene.id, "test")[1].tolist() == [2]


def test_hidden_classes_can_be_used_later_but_never_over_people(database: Database) -> None:
    scene = make_scene(database, images=0)
    rows = new_samples("p", 3, known="dog")
    register(scene, "a", rows, "hide")
    scene.ask(2)
    answered = scene.claim(scene.ada)[0]
    scene.submit(scene.ada, answered, "cat")
    pairs = [(row.sha256, "owl") for row in rows]
    assert samples.label_known(database, scene.ada, scene.id, pairs) == 2
    assert samples.label_known(database, scene.ada, scene.id, pairs) == 0
    assert scene.labels()[answered.sample_id] == scene.cls("cat")
    assert sorted(scene.labels().values()).count(scene.cls("owl")) == 2
    assert labels.rebuild(database) == scene.labels()
    assert scalar(database, "SELECT count(*) FROM queries WHERE state = 'open'") == 0


def test_an_unknown_class_registers_nothing(database: Database) -> None:
    scene = make_scene(database, images=0)
    with pytest.raises(InvalidInput, match=r"'cat', 'dog', 'owl'.*'fox'"):
        register(scene, "a", [*new_samples("a", 2), *new_samples("b", 1, known="fox")])
    assert scalar(database, "SELECT count(*) FROM samples") == 0
    rows = [replace(row, row=row.row) for row in new_samples("b", 1, known="fox")]
    assert register(scene, "a", rows, "ignore").added == 1


@pytest.mark.parametrize(
    "change", [{"split": "train"}, {"sha256": "abc"}, {"copied": NewFile(path="../x", sha256="0" * 64, size=1)}]
)
def test_odd_samples_are_refused(database: Database, change: dict[str, object]) -> None:
    scene = make_scene(database, images=0)
    with pytest.raises(InvalidInput, match="expected"):
        register(scene, "a", [replace(new_samples("a", 1)[0], **change)])


def test_files_do_not_change_under_their_name(database: Database) -> None:
    scene = make_scene(database)
    shard = replace(new_shard("zoo"), pixels=replace(new_file("zoo.npy"), sha256=sha("other")))
    with pytest.raises(Conflict, match="unchanged"):
        samples.register_shard(database, scene.ada, scene.id, shard, new_samples("n", 1), "use")


def test_names_from_disks_are_never_refused(database: Database) -> None:
    scene = make_scene(database, images=0)
    names = [
        "=cmd|'/c calc'!A1",
        "<img src=x onerror=alert(1)>.png",
        "caf\udce9.png",
        "nul\x00.png",
        "ü" * 5000,
        "'; DROP TABLE samples; --",
    ]
    rows = [
        replace(row, name=name, notes=("a", name[:3])) for row, name in zip(new_samples("a", 6), names, strict=True)
    ]
    assert register(scene, "a", rows).added == 6
    stored = database.read(lambda session: list(session.scalars(text("SELECT name FROM samples ORDER BY id"))))
    assert stored[:2] == names[:2]
    assert stored[2:4] == ["caf\\udce9.png", "nul\\0.png"]
    assert len(stored[4]) == 4096


def test_the_pool_index_says_where_pixels_are(database: Database) -> None:
    scene = make_scene(database, images=3)
    register(scene, "b", new_samples("b", 2))
    register(scene, "k", new_samples("k", 1, known="cat"))
    index = samples.pool_index(database, scene.id)
    assert index.paths == ["zoo.npy", "b.npy", "k.npy"]
    assert index.shas == [sha(path) for path in index.paths]
    assert list(index.shard) == [0, 0, 0, 1, 1, 2]
    assert list(index.row) == [0, 1, 2, 0, 1, 0]
    assert (index.ids.dtype, index.shard.dtype, index.row.dtype) == ("int64", "int32", "int32")
    unlabeled = samples.pool_index(database, scene.id, labeled=False)
    assert (len(unlabeled.ids), unlabeled.paths) == (5, ["zoo.npy", "b.npy"])
    assert samples.pool_index(database, scene.id, labeled=True).paths == ["k.npy"]
    assert len(samples.pool_index(database, scene.id, splits=["test"]).ids) == 0
    with pytest.raises(NotFound):
        samples.pool_index(database, 999)
    with pytest.raises(InvalidInput):
        samples.pool_index(database, scene.id, splits=["train"])


def test_what_people_passed_on_is_set_aside(database: Database) -> None:
    scene = make_scene(database, images=5)
    scene.ask(2)
    for query, choice in zip(scene.claim(scene.ada, 2), ("skip", "cat"), strict=True):
        scene.submit(scene.ada, query, choice)
    assert len(scene.pool()) == 3
    assert len(samples.pool_index(database, scene.id, labeled=False, set_aside=True).ids) == 4


def test_display_and_delete(database: Database) -> None:
    scene = make_scene(database, images=4)
    scene.ask(2)
    held, other = scene.claim(scene.ada, 2)
    shown = samples.display_of(database, scene.ada, scene.id, held.sample_id)
    assert (shown.path, shown.length, shown.media_type) == ("zoo.pack", 10, "image/png")
    scene.submit(scene.ada, other, "owl")
    for query in (held, other):
        samples.delete_sample(database, scene.ada, scene.id, query.sample_id)
        for again in (samples.delete_sample, samples.display_of):
            with pytest.raises(NotFound):
                again(database, scene.ada, scene.id, query.sample_id)
    assert scene.claim(scene.ada, 5) == []
    assert "deleted" in scene.submit(scene.ada, held).message
    assert [len(part) for part in samples.labeled(database, scene.id)] == [0, 0]
    assert samples.counts(database, scene.id).pool == 2
    assert scene.labels() == labels.rebuild(database) == {other.sample_id: scene.cls("owl")}
    hashes = [row.sha256 for row in new_samples("zoo", 4)]
    assert len(samples.known_hashes(database, scene.ada, scene.id, hashes)) == 4


def test_deleting_a_project_keeps_its_history_and_frees_its_name(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(2)
    one, two = scene.claim(scene.ada, 2)
    scene.submit(scene.ada, one)
    projects.delete_project(database, scene.ada, scene.id)
    assert len(scene.labels()) == 1
    assert scene.events() == 1
    with pytest.raises(NotFound):
        scene.submit(scene.ada, two)
    assert make_scene(database, images=0).id != scene.id
