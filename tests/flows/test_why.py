"""Why this image, from the flow that computes it to what the store tells: real digits, a real model, decoded PNGs."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from db import claims, samples, why
from db.records import Project
from db.tables import AdversarialCopyRow, FileRow, QueryRow
from flows.rounds import run_round
from flows.store import Store
from flows.training_data import images_of
from pipeline.files import sha256_file
from tests.flows.conftest import make_project, read_digits
from tests.flows.test_rounds import QUIET, SMALL, person, ranked_round


def queries_of(store: Store, round_id: int) -> list[QueryRow]:
    statement = select(QueryRow).where(QueryRow.round_id == round_id).order_by(QueryRow.rank)
    return store.database.read(lambda session: list(session.scalars(statement)))


def file_of(store: Store, file_id: int) -> FileRow:
    return store.database.read(lambda session: session.get_one(FileRow, file_id))


def float_copies(store: Store, round_id: int) -> dict[int, tuple[np.ndarray, float]]:
    """The float32 copies themselves, with the lengths of their pushes, by sample id."""
    statement = (
        select(AdversarialCopyRow, FileRow.path)
        .join(FileRow, FileRow.id == AdversarialCopyRow.file_id)
        .where(AdversarialCopyRow.round_id == round_id)
    )
    rows = store.database.read(lambda session: session.execute(statement).tuples().all())
    return {row.sample_id: (np.load(store.path(path), allow_pickle=False)[row.row], row.distance) for row, path in rows}


def picture(store: Store, query: QueryRow, name: str) -> np.ndarray:
    pictures = query.details["pictures"]
    offset, length = pictures[name]
    data = store.path(file_of(store, pictures["file"]).path).read_bytes()[offset : offset + length]
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG"
    return np.asarray(image).astype(float)  # (S, S)


def test_every_query_with_a_copy_shows_it_and_what_it_adds(store: Store) -> None:
    project = make_project(store, strategy="dfal")
    read_digits(store, project)
    round_id = ranked_round(store, project)
    queries, copies = queries_of(store, round_id), float_copies(store, round_id)
    assert {query.sample_id for query in queries} == set(copies)  # the reserve too
    originals = images_of(store, project, np.array([query.sample_id for query in queries]), ("pool",))
    for query, original in zip(queries, originals.numpy()[:, 0] / np.float32(255), strict=True):
        copy, distance = copies[query.sample_id]
        amplified = query.details["pictures"]["amplified"]
        assert np.array_equal(picture(store, query, "copy"), np.round(copy[0].astype(float).clip(0, 1) * 255))
        seen = (picture(store, query, "difference") - 128) / 255 / amplified
        assert np.abs(seen - (copy[0].astype(float) - original)).max() <= 0.501 / 255 / amplified
        assert query.details["distance"] == distance == pytest.approx(np.linalg.norm(copy[0] - original), rel=1e-3)


def test_pictures_are_one_registered_file_that_is_what_its_row_says(store: Store) -> None:
    project = make_project(store, strategy="dfal")
    read_digits(store, project)
    queries = queries_of(store, ranked_round(store, project))
    [file_id] = {query.details["pictures"]["file"] for query in queries}
    row = file_of(store, file_id)
    path = store.path(row.path)
    assert (row.kind, row.size, row.sha256) == ("display", path.stat().st_size, sha256_file(path))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]  # no temporary file is left


def test_the_store_tells_the_annotator_all_of_it(store: Store) -> None:
    project = make_project(store, strategy="dfal")
    read_digits(store, project)
    round_id = ranked_round(store, project)
    ana = person(store)
    held = claims.claim(store.database, ana, project.id, 5)
    found = [why.why(store.database, ana, project.id, query.query_id) for query in held]
    assert [item.place for item in found] == [1, 2, 3, 4, 5]
    assert {item.pool for item in found} == {_pool(store, project)}
    assert {item.strategy for item in found} == {"dfal"}
    assert all(item.predicted and item.nearest and item.predicted != item.nearest for item in found)
    assert all(item.score == item.distance or item.score == pytest.approx(item.distance, rel=1e-3) for item in found)
    assert all(len(item.neighbors) == 5 for item in found)
    names = set(project.class_names)
    assert all(neighbor.class_name in names for item in found for neighbor in item.neighbors)
    places = [why.picture_of(store.database, ana, project.id, query.query_id, "copy") for query in held]
    assert [item.copy for item in found] == places
    assert len({place.etag for place in places}) == 5
    assert all(query.round_id == round_id for query in queries_of(store, round_id))


def _pool(store: Store, project: Project) -> int:
    return len(samples.pool_index(store.database, project.id, labeled=False).ids)


def test_a_strategy_without_copies_tells_the_rest(store: Store) -> None:
    project = make_project(store, strategy="margin")
    read_digits(store, project)
    queries = queries_of(store, ranked_round(store, project))
    assert not (store.settings.home / "projects" / str(project.id) / "pictures").exists()
    for place, query in enumerate(queries, start=1):
        assert "pictures" not in query.details
        assert query.details["place"] == place
        assert (query.details["strategy"], query.details["descending"]) == ("margin", False)
        assert (query.details["pool"], query.details["cold_start"]) == (_pool(store, project), False)


def test_a_cold_start_says_so(store: Store) -> None:
    project = make_project(store, strategy="dfal")
    read_digits(store, project, 100)
    outcome = run_round(store, project.id, QUIET, SMALL)
    assert outcome.round_id is not None
    queries = queries_of(store, outcome.round_id)
    assert all(query.details["cold_start"] and "pictures" not in query.details for query in queries)
    assert {query.details["strategy"] for query in queries} == {"random_sampling"}


def test_a_subsample_is_what_was_ranked(store: Store) -> None:
    project = make_project(store, strategy="entropy+subsampled(size=60)")
    read_digits(store, project)
    queries = queries_of(store, ranked_round(store, project))
    assert {(query.details["pool"], query.details["descending"]) for query in queries} == {(60, True)}


def test_nobody_looks_at_a_simulation(store: Store) -> None:
    project = make_project(store, strategy="dfal", kind="simulation", reserve_size=0)
    read_digits(store, project)
    queries = queries_of(store, ranked_round(store, project))
    assert all(query.copy_row is not None and "pictures" not in query.details for query in queries)
