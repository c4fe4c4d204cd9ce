"""What keeps generated images apart: roles, a history that only grows, no way into samples, counts of their own."""

from __future__ import annotations

import itertools
import uuid

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from db import model_versions, samples, synthetic
from db.engine import Database
from db.errors import InvalidInput, PermissionDenied
from db.records import NewModelVersion, NewSample, Role, SyntheticCounts
from tests.db.making import judged, made, new_candidates, new_version
from tests.db.scenes import make_scene, new_file, new_shard, scalar, sha
from tests.db.synthetic_scenes import member, shown


def test_roles_are_checked(database: Database) -> None:
    scene = make_scene(database)
    version = made(scene)
    image = shown(scene, version.id)[0].id
    annotator, reviewer = member(scene, "ann", Role.annotator), member(scene, "rex", Role.reviewer)
    request, owl = str(uuid.uuid4()), scene.cls("owl")
    for low, calls in {
        annotator: [
            lambda: synthetic.groups(database, annotator, scene.id),
            lambda: synthetic.images(database, annotator, scene.id, version.id, owl),
            lambda: synthetic.events(database, annotator, scene.id),
            lambda: synthetic.display_of(database, annotator, scene.id, image),
            lambda: synthetic.judge_images(database, annotator, scene.id, [image], "accepted", request_id=request),
            lambda: synthetic.judge_class(
                database, annotator, scene.id, version.id, owl, "accepted", request_id=request
            ),
        ],
        reviewer: [
            lambda: synthetic.record(database, reviewer, scene.id, new_version("x")),
            lambda: synthetic.for_training(database, reviewer, scene.id),
        ],
    }.items():
        for call in calls:
            with pytest.raises(PermissionDenied, match=low.name):
                call()
    assert synthetic.judge_images(database, reviewer, scene.id, [image], "accepted", request_id=request).user == "rex"
    assert synthetic.display_of(database, reviewer, scene.id, image).path == "first.pack"


def test_history_is_append_only(database: Database) -> None:
    scene = make_scene(database)
    judged(scene, made(scene))
    for change in ("UPDATE synthetic_events SET note = ''", "DELETE FROM synthetic_events"):
        with pytest.raises(DBAPIError, match="append-only"):
            database.write(lambda session, change=change: session.execute(text(change)))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE synthetic_samples SET weight = 0",  # accepted ones count
        "UPDATE synthetic_samples SET state = 'candidate'",  # nobody decided on a candidate
        "UPDATE synthetic_samples SET decided_by = 'nobody'",
        "UPDATE gate_decisions SET verdict = 'refused'",  # with a weight
        "INSERT INTO gate_decisions SELECT 9, project_id, generator_version_id, class_id, verdict, weight, reason, "
        "real_count, made_count, checks, test, created_at FROM gate_decisions",
        "DELETE FROM generator_versions",
        "DELETE FROM samples",
    ],
)
def test_the_database_itself_refuses(database: Database, change: str) -> None:
    scene = make_scene(database)
    judged(scene, made(scene, candidates=[new_candidates("first", nearest=scene.pool()[0])]))
    with pytest.raises(IntegrityError), database.engine.begin() as connection:
        connection.execute(text(change))


def test_a_generated_image_is_never_taken_in_as_a_sample(database: Database) -> None:
    scene = make_scene(database, images=3)
    made(scene)
    other = make_scene(database, images=0, name="other")  # nor in another project
    for place, what, split in itertools.product((scene, other), ("png", "pixels"), ("pool", "validation", "test")):
        planted = NewSample(
            sha256=sha(f"first {what} 2"), name="owl.png", row=0, width=8, height=8, display_offset=0,
            display_length=10, media_type="image/png", split=split, known_class="owl",
        )  # fmt: skip
        with pytest.raises(InvalidInput, match=r"generator made \(owl.png\)"):
            samples.register_shard(database, place.ada, place.id, new_shard(f"more{place.id}"), [planted], "use")
        found = synthetic.known_synthetic(database, scene.ada, scene.id, [planted.sha256, sha("zoo0")])
        assert found == {planted.sha256}
    assert scalar(database, "SELECT count(*) FROM samples") == 3


@pytest.mark.parametrize("split", ["pool", "test"])
def test_nor_can_one_be_planted_in_a_split_past_the_store(database: Database, split: str) -> None:
    """With a trigger of the database: an UPDATE or INSERT of somebody who does not ask the store is refused, too."""
    scene = make_scene(database, images=3)
    made(scene)
    planted = f"UPDATE samples SET sha256 = '{sha('first png 0')}', split = '{split}' WHERE id = {scene.pool()[0]}"
    columns = "project_id, sha256, name, split, known_hidden, shard_id, shard_row, display_offset, display_length, "
    columns += "media_type, width, height, notes, created_at"
    copied = columns.replace("sha256", f"'{sha('first pixels 0')}'").replace("split", f"'{split}'", 1)
    copied = copied.replace("shard_row", "99")
    inserted = f"INSERT INTO samples ({columns}) SELECT {copied} FROM samples LIMIT 1"
    for statement in (planted, inserted):
        with pytest.raises(IntegrityError, match="made by a generator"), database.engine.begin() as connection:
            connection.execute(text(statement))


def test_synthetic_samples_are_counted_apart_from_labels(database: Database) -> None:
    scene = make_scene(database)
    before = samples.counts(database, scene.id)
    judged(scene, made(scene))
    assert samples.counts(database, scene.id) == before
    assert synthetic.counts(database, scene.ada, scene.id) == SyntheticCounts(accepted=4)
    new = NewModelVersion(
        file=new_file("m"), architecture="a", recipe="r", strategy="s", seed=1, labels_used=3, synthetic_used=4
    )
    stored = model_versions.record(database, scene.system, scene.id, new)
    assert (stored.labels_used, stored.synthetic_used) == (3, 4)
