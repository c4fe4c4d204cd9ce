"""Pseudo-labels from the round that made them to the training that uses them, on both engines (CEAL)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from db import claims, model_versions, projects, pseudo_labels, samples
from db.access import local_user
from db.records import Actor, Project
from flows.report import SilentReporter
from flows.rounds import Batch, run_round
from flows.settings import Settings
from flows.simulate import answer_all
from flows.store import Store, open_store
from flows.training_data import read_training_data
from pipeline.errors import FileDamaged
from pipeline.training.labeled import LabeledImages
from pipeline.training.supervised import train
from tests.database_fixtures import Place
from tests.flows.conftest import make_project, read_digits
from tests.flows.strategies import HERE
from tests.flows.test_rounds import skip_all

QUIET = SilentReporter()
SMALL = Batch(first=20, size=5, reserve=5)
SURE = f"{HERE}:Sure"


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    with open_store(Settings(home=place.home, database_url=place.url, device="cpu"), system=True) as opened:
        yield opened


def ana(store: Store) -> Actor:
    return local_user(store.database, "ana")


def project_with_pseudo_labels(store: Store, strategy: str = SURE, **settings: object) -> Project:
    """A project whose second round is open and made pseudo-labels."""
    project = make_project(store, strategy=strategy, **settings)
    read_digits(store, project, 150)
    run_round(store, project.id, QUIET, SMALL)
    answer_all(store, ana(store), project)
    assert run_round(store, project.id, QUIET, SMALL).number == 2
    return project


def pseudo_of(store: Store, project: Project) -> LabeledImages:
    found = read_training_data(store, project).pseudo
    assert found is not None
    return found


def unlabeled(store: Store, project: Project) -> list[int]:
    return samples.pool_index(store.database, project.id, labeled=False).ids.tolist()


def used(store: Store, project: Project) -> list[int]:
    """How many pseudo-labels each model version learned from, oldest first."""
    versions = model_versions.list_versions(store.database, store.actor, project.id)
    return [version.metrics["pseudo_used"] for version in reversed(versions)]


def test_they_train_the_next_model_and_no_other(store: Store) -> None:
    project = project_with_pseudo_labels(store)
    assert used(store, project) == [0]
    left = pseudo_of(store, project)
    assert left.ids.tolist() == unlabeled(store, project)
    assert left.targets.tolist() == [sample_id % 3 for sample_id in left.ids.tolist()]
    pool = samples.pool_index(store.database, project.id)
    assert left.images.shape == (len(left), 1, 28, 28)
    answer_all(store, ana(store), project)
    labeled, _ = samples.labeled(store.database, project.id)
    assert len(labeled) == 35  # of which ten had a pseudo-label
    wanted = len(pool.ids) - 35
    assert set(pseudo_of(store, project).ids.tolist()).isdisjoint(labeled.tolist())
    projects.update_project(store.database, store.actor, project.id, strategy="margin")
    assert run_round(store, project.id, QUIET, SMALL).number == 3
    assert used(store, project) == [0, wanted]
    assert read_training_data(store, project).pseudo is None  # the third round made none
    answer_all(store, ana(store), project)
    run_round(store, project.id, QUIET, SMALL)
    assert used(store, project) == [0, wanted, 0]


def test_what_left_the_pool_or_was_passed_by_people_is_dropped(store: Store) -> None:
    project = project_with_pseudo_labels(store)
    before = set(pseudo_of(store, project).ids.tolist())
    gone = max(before)
    samples.delete_sample(store.database, store.actor, project.id, gone)
    assert before - set(pseudo_of(store, project).ids.tolist()) == {gone}
    asked = {query.sample_id for query in claims.claim(store.database, ana(store), project.id, 20)}
    assert len(asked & before) == 10
    skip_all(store, project)  # nobody could tell: the model's certainty is worth less than that
    assert before - set(pseudo_of(store, project).ids.tolist()) == {gone, *asked}


def test_none_are_left_when_all_were_labeled(store: Store) -> None:
    project = make_project(store, strategy=SURE)
    read_digits(store, project, 40)
    for _ in range(2):
        run_round(store, project.id, QUIET, Batch(first=20, size=40, reserve=0))
        answer_all(store, ana(store), project)
    assert pseudo_labels.for_training(store.database, project.id) is not None
    assert read_training_data(store, project).pseudo is None


def test_a_damaged_file_is_never_trained_on(store: Store) -> None:
    project = project_with_pseudo_labels(store)
    file = pseudo_labels.for_training(store.database, project.id)
    assert file is not None
    path = store.path(file.path)
    pairs = np.load(path, allow_pickle=False)
    assert pairs.dtype == np.int64
    assert pairs.shape == (file.count, 2)
    np.save(path, pairs[:, ::-1], allow_pickle=False)
    with pytest.raises(FileDamaged, match="restore it from a backup"):
        read_training_data(store, project)


def test_a_round_killed_before_its_queries_are_out_keeps_those_of_the_last_attempt(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(store, strategy=SURE)
    read_digits(store, project, 100)
    run_round(store, project.id, QUIET, SMALL)
    answer_all(store, ana(store), project)
    with monkeypatch.context() as patch:
        patch.setattr("flows.rounds.round_store.enqueue", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_round(store, project.id, QUIET, SMALL)
    assert len(list(Path(store.settings.project_folder(project.id, "pseudo_labels")).iterdir())) == 1
    assert pseudo_labels.for_training(store.database, project.id) is None
    projects.update_project(store.database, store.actor, project.id, strategy="margin")
    run_round(store, project.id, QUIET, SMALL)
    assert pseudo_labels.for_training(store.database, project.id) is None


def test_images_that_would_fill_the_memory_are_left_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    project = project_with_pseudo_labels(store)
    everything = pseudo_of(store, project)
    monkeypatch.setattr("flows.training_data.PSEUDO_BYTES", 7 * 28 * 28 + 5)
    some = pseudo_of(store, project)
    assert len(some) == 7
    assert set(some.ids.tolist()) < set(everything.ids.tolist())
    assert some.targets.tolist() == [sample_id % 3 for sample_id in some.ids.tolist()]
    assert some.ids.tolist() == pseudo_of(store, project).ids.tolist()


def test_a_label_that_was_taken_back_while_they_are_read_counts_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_with_pseudo_labels(store)
    one = int(pseudo_of(store, project).ids[3])
    ids, targets = samples.labeled(store.database, project.id)
    before = np.append(ids, one), np.append(targets, 0)  # as the labels were a moment ago
    monkeypatch.setattr("flows.training_data.samples.labeled", lambda *_: before)
    data = read_training_data(store, project)
    assert one in data.labeled.ids.tolist()
    assert data.pseudo is not None
    assert one not in data.pseudo.ids.tolist()


def test_ceal_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[LabeledImages] = []

    def watched(*arguments: object, pseudo: LabeledImages, **more: object) -> object:
        given.append(pseudo)
        return train(*arguments, pseudo=pseudo, **more)

    project = project_with_pseudo_labels(store, "ceal(threshold=2.0)")
    file = pseudo_labels.for_training(store.database, project.id)
    assert file is not None
    answer_all(store, ana(store), project)
    monkeypatch.setattr("flows.learning.train", watched)
    run_round(store, project.id, QUIET, SMALL)
    assert used(store, project) == [0, file.count]  # it asks others than it is sure of
    assert [len(pseudo) for pseudo in given] == [file.count]
