"""Images for rare classes in the loop: when they are made, through the gate, into the next training, nowhere else."""

from __future__ import annotations

import json
import uuid

import numpy as np
import pytest

from db import model_versions, projects, samples, synthetic
from db import rounds as round_store
from db.records import GeneratorVersion, Project
from flows.augment import augment, augment_round
from flows.augment_plan import LEAST_MADE, LEAST_REAL, MOST_PER_REAL, plan_fillings
from flows.augment_work import Wish
from flows.errors import Canceled
from flows.jobs import working
from flows.report import SilentReporter
from flows.retrain import retrain_project
from flows.rounds import run_round
from flows.store import Store
from flows.training_data import read_training_data
from pipeline.augmentation.quality import GateBounds
from pipeline.errors import FileDamaged
from tests.flows.rare import CLASSES, RARE, make_tiny, rare_project, read

QUIET = SilentReporter()


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny(monkeypatch)


def versions(store: Store, project: Project) -> list[GeneratorVersion]:
    """Generator versions, newest first."""
    found = {group.version.id: group.version for group in synthetic.groups(store.database, store.actor, project.id)}
    return list(found.values())


def wish(key: str = "first", **changes: object) -> Wish:
    return Wish(**{"kind": "gan", "key": key, **changes})


def test_accepted_images_train_the_rounds_model_and_are_counted_apart(store: Store) -> None:
    project = rare_project(store)
    outcome = run_round(store, project.id, QUIET)
    (version,) = versions(store, project)
    assert (version.kind, version.round_number, version.pool_count) == ("gan", 1, 36)
    assert version.labels_used == 144
    model = model_versions.get(store.database, store.actor, project.id, outcome.model_version_id or 0)
    assert (model.labels_used, model.copies_used, model.synthetic_used) == (144, 0, 12)
    assert model.metrics["generators"] == [{"number": 1, "sha256": version.sha256, "images": 12}]
    assert "balance='auto'" in model.recipe
    data = read_training_data(store, project)
    assert data.synthetic is not None
    assert data.synthetic.targets.tolist() == [RARE] * 12
    assert int(data.synthetic.ids.max()) < 0
    assert data.synthetic.weights is not None
    assert set(data.synthetic.weights.tolist()) == {0.3}  # 24 real images: low weight
    told = round_store.history(store.database, store.actor, project.id)[0].diagnostics["synthetic"]
    assert "12 images accepted" in told[0]


def test_plans_are_those_that_the_gate_lets_in() -> None:
    bounds = GateBounds()
    assert (bounds.least_real, bounds.most_per_real, bounds.least_made) == (LEAST_REAL, MOST_PER_REAL, LEAST_MADE)
    (filling,) = plan_fillings({0: 30, 1: 99}, below=100, only=[0]).fillings
    assert (filling.target, filling.count) == (0, 60)


def test_nothing_is_made_where_it_is_off_or_no_class_is_rare(store: Store) -> None:
    project = rare_project(store, generate="none")
    assert augment_round(store, project, 1, 1, QUIET) == ()
    run_round(store, project.id, QUIET)
    assert versions(store, project) == []
    outcome = augment(
        store, projects.update_project(store.database, store.actor, project.id, generate_below=20), wish(), QUIET
    )
    assert outcome.sentences == ("No class has fewer than 20 labels, so nothing is made.",)


def test_a_class_with_too_few_labels_is_told_and_left_alone(store: Store) -> None:
    project = rare_project(store, validation=False)  # of 24 labels a quarter measures: 18 are left
    (sentence,) = augment(store, project, wish(), QUIET).sentences
    assert sentence.startswith("2: no images made. 18 labels can be learned from, 20 are needed")
    assert versions(store, project) == []


def test_the_gate_refuses_and_the_model_learns_from_real_images_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    make_tiny(monkeypatch, accept=False)  # the real bounds: six steps give no digits
    monkeypatch.setattr("flows.store.Settings", lambda: store.settings)
    project = rare_project(store, validation=False, generate_below=40)
    read(store, project, 40, {"2": 12}, labels="use")
    outcome = run_round(store, project.id, QUIET)
    (group,) = synthetic.groups(store.database, store.actor, project.id)
    assert group.decision is not None
    assert (group.decision.verdict, group.decision.weight) == ("refused", 0)
    assert "set aside to measure" in group.decision.reason
    model = model_versions.get(store.database, store.actor, project.id, outcome.model_version_id or 0)
    assert model.synthetic_used == 0
    assert read_training_data(store, project).synthetic is None


def test_makers_never_see_what_measures(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import flows.augment_makers as makers

    given = []

    def watched(*arguments: object, **more: object) -> object:
        given.append((arguments[1], more))
        return train_gan(*arguments, **more)

    train_gan = makers.train_gan
    monkeypatch.setattr(makers, "train_gan", watched)
    project = rare_project(store, validation=False, generate_below=40, holdout_size=6)
    read(store, project, 40, {"2": 12}, labels="use")
    read(store, project, 90, dict.fromkeys(CLASSES, 5), split="test")
    samples.draw_holdout(store.database, store.actor, project.id)
    augment(store, project, wish(), QUIET)
    (version,) = versions(store, project)
    (labeled, more) = given[0]
    aside = version.metrics["held_out"]
    labels = samples.labeled(store.database, project.id)[0]
    assert len(aside) == 39  # a quarter of each class
    assert set(labeled.ids.tolist()) == set(labels.tolist()) - set(aside)
    pool = samples.pool_index(store.database, project.id, splits=("pool",), labeled=False).ids
    assert len(more["pool"]) == len(pool) == version.pool_count


def test_a_version_serves_until_labels_grew(store: Store) -> None:
    project = rare_project(store, generate_below=50)
    augment(store, project, wish("first"), QUIET)
    augment(store, project, wish("second"), QUIET)
    assert [version.number for version in versions(store, project)] == [1]
    read(store, project, 40, {"2": 3}, labels="use")  # an eighth more of the class: judged anew, not trained anew
    augment(store, project, wish("third"), QUIET)
    second, first = versions(store, project)
    assert (second.sha256, second.metrics["weights_of"]) == (first.sha256, 1)
    assert synthetic.groups(store.database, store.actor, project.id)[0].decision is not None
    read(store, project, 43, {"2": 4}, labels="use")
    augment(store, project, wish("fourth"), QUIET)
    third = versions(store, project)[0]
    assert (third.number, third.metrics["weights_of"]) == (3, None)
    assert third.sha256 != first.sha256
    data = read_training_data(store, project)
    assert {maker["number"] for maker in data.generators} == {3}


def test_enough_labels_end_it(store: Store) -> None:
    project = rare_project(store)
    augment(store, project, wish(), QUIET)
    assert read_training_data(store, project).synthetic is not None
    read(store, project, 40, {"2": 12}, labels="use")
    assert read_training_data(store, project).synthetic is None


def test_a_damaged_array_is_never_trained_on(store: Store) -> None:
    project = rare_project(store)
    augment(store, project, wish(), QUIET)
    path = store.path(versions(store, project)[0].metrics["arrays"]["2"][0])
    np.save(path, np.load(path, allow_pickle=False)[::-1], allow_pickle=False)
    with pytest.raises(FileDamaged, match="restore it from a backup"):
        read_training_data(store, project)


def test_a_translation_from_a_common_class(store: Store) -> None:
    project = rare_project(store, generate="translation")
    run_round(store, project.id, QUIET)
    (version,) = versions(store, project)
    assert (version.kind, version.key, version.metrics["targets"]) == ("translation", "round 1 translation 2", [2])
    assert version.metrics["training"]["source"] in (0, 1)
    assert version.labels_used == 84
    again = augment(store, project, wish("next", kind="translation"), QUIET)
    assert [judged.version for judged in again.judged] == [1]


def test_a_collapsed_generator_is_kept_refused_and_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.augmentation.gan.run.why_collapsed", lambda *_, **__: "all samples were alike")
    project = rare_project(store)
    run_round(store, project.id, QUIET)
    (group,) = synthetic.groups(store.database, store.actor, project.id)
    assert group.decision is not None
    assert group.decision.verdict == "refused"
    assert "all samples were alike" in group.decision.reason
    assert group.version.made == {}


def test_images_that_cannot_be_made_never_stop_the_labeling(store: Store) -> None:
    project = rare_project(store, generate="translation", image_size=12, model="convnet")  # too small for its networks
    outcome = run_round(store, project.id, QUIET)
    assert outcome.queries == 4
    told = round_store.history(store.database, store.actor, project.id)[0].diagnostics["synthetic"]
    assert told[0].startswith("No images were made: expected")


def test_it_can_be_canceled_and_goes_on(store: Store) -> None:
    class Impatient(SilentReporter):
        def progress(self, done: int, total: int, message: str) -> None:
            if message == "training the generator":
                raise Canceled("enough")

    project = rare_project(store)
    with pytest.raises(Canceled):
        augment(store, project, wish(), Impatient())
    assert versions(store, project) == []
    assert augment(store, project, wish(), QUIET).judged[0].version == 1


def test_pictures_are_kept_and_shown(store: Store) -> None:
    shown: dict[str, tuple[bytes, str]] = {}

    class Gallery(SilentReporter):
        def picture(self, name: str, png: bytes, caption: str) -> None:
            shown[name] = (png, caption)

    project = rare_project(store)
    with working(store, project.id, "augment", Gallery()) as job:
        augment(store, project, wish("round 7"), job)
    sheets = store.settings.project_folder(project.id, "synthetic") / "sheets"
    assert set(shown) == {f"project-{project.id}-round-7-gan", f"project-{project.id}-round-7-gan-class-2"}
    for name, (png, caption) in shown.items():
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        assert (sheets / f"{name.removeprefix(f'project-{project.id}-')}.png").read_bytes() == png
        assert caption.startswith("digits: ")


def test_the_nearest_real_image_is_a_sample_of_the_project(store: Store) -> None:
    project = rare_project(store)
    augment(store, project, wish(), QUIET)
    (group,) = synthetic.groups(store.database, store.actor, project.id)
    made = synthetic.images(store.database, store.actor, project.id, group.version.id, group.class_id)
    known = set(samples.pool_index(store.database, project.id, splits=("pool",), labeled=None).ids.tolist())
    assert {image.nearest_sample_id for image in made} <= known
    assert all(image.nearest_distance is not None and 0 < image.nearest_distance < 1 for image in made)


def test_a_retraining_notices_images_that_were_accepted_since(store: Store) -> None:
    project = rare_project(store)
    run_round(store, project.id, QUIET)
    with working(store, project.id, "retrain", QUIET) as job:
        assert not retrain_project(store, project.id, job).promoted
        (group,) = synthetic.groups(store.database, store.actor, project.id)
        synthetic.judge_class(
            store.database,
            store.actor,
            project.id,
            group.version.id,
            group.class_id,
            "rejected",
            request_id=str(uuid.uuid4()),
        )
        outcome = retrain_project(store, project.id, job)
    model = model_versions.get(store.database, store.actor, project.id, outcome.model_version_id)
    assert (model.number, model.synthetic_used) == (2, 0)


def test_by_hand_the_table_and_the_reason_are_told(store: Store, run: object) -> None:
    project = rare_project(store, generate="none")
    said = run("augment", project.name, "--classes", "2", "--steps", 3)
    assert said.code == 0, said.err
    assert "what the gate measured" in said.out
    assert "label agreement" in said.out
    assert "2: 12 images accepted" in said.out
    again = run("augment", project.name, "--classes", "2", "--steps", 3, "--json")
    assert json.loads(again.out)["judged"][0]["version"] == 1
    wrong = run("augment", project.name, "--classes", "9")
    assert wrong.code == 2
    assert "expected classes out of 0, 1, 2" in wrong.err
