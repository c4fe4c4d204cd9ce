"""T16: texts that would be SQL are texts in every field that people fill; a filter is one of a few words."""

from __future__ import annotations

import dataclasses
import uuid

import pytest

from db import classes, exchange, export, imports, review, samples
from db.engine import Database
from db.errors import InvalidInput
from db.records import GivenLabels
from db.sql import among
from db.tables import SampleRow
from tests.db.scenes import make_scene, new_samples, new_shard, scalar

HOSTILE = [
    "'; DROP TABLE labels; --",
    'x" OR "1"="1',
    "%(project)s :project ? $1 {0}",
    "__class__.__mro__ project__owner__password",
    "\\'; DELETE FROM labels WHERE ''='",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_texts_are_stored_and_found_as_they_are(database: Database, hostile: str) -> None:
    scene = make_scene(database, 0, name=hostile, guidelines=hostile)
    renamed = classes.rename(database, scene.ada, scene.id, scene.cls("cat"), hostile)
    found = [dataclasses.replace(entry, name=hostile) for entry in new_samples("a", 3)]
    samples.register_shard(database, scene.ada, scene.id, new_shard("a"), found, "use")
    eve = scene.person(hostile)
    scene.ask(2)
    one, two = scene.claim(eve, 2)
    scene.submit(eve, one, "cat")
    scene.submit(eve, two, "flag", note=hostile)
    review.decide(database, scene.ada, scene.id, str(uuid.uuid4()), two.sample_id, scene.cls("dog"), hostile)
    assert {row.name for row in export.labels(database, scene.ada, scene.id)} == {hostile}
    assert {(vote.annotator, vote.note) for vote in export.votes(database, scene.ada, scene.id)} >= {(hostile, hostile)}
    assert hostile in str(renamed) or hostile in export.class_names(database, scene.ada, scene.id)
    asked = among_names(database, hostile)
    assert (len(asked), scalar(database, "SELECT count(*) FROM labels")) == (3, 2)


def among_names(database: Database, name: str) -> list[int]:
    from sqlalchemy import select

    return database.read(
        lambda session: list(session.scalars(select(SampleRow.id).where(among(session, SampleRow.name, [name, "x"]))))
    )


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_filter_is_one_of_a_few_words(database: Database, hostile: str) -> None:
    scene = make_scene(database, 1)
    with pytest.raises(InvalidInput):
        review.waiting(database, scene.ada, scene.id, hostile)
    with pytest.raises(InvalidInput):
        review.next_items(database, scene.ada, scene.id, only=hostile)
    with pytest.raises(InvalidInput):
        samples.pool_index(database, scene.id, splits=[hostile])
    with pytest.raises(InvalidInput):
        imports.import_labels(database, scene.ada, scene.id, GivenLabels(format="csv"), match=hostile)
    with pytest.raises(InvalidInput):
        list(exchange.stream(database, scene.ada, scene.id, hostile, "csv"))
