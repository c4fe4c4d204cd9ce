"""Which model is in use after training: the project's rule, a really worse model, the way back, and the budget."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from db import annotations as answers
from db import claims, model_choices, model_versions, projects, samples
from db import rounds as round_store
from db.records import Answer, ModelVersion, NewFile, NewModelVersion, Project
from flows.ingest import IngestOptions, ingest_source
from flows.learning import device_of, load_version
from flows.predict import current_model
from flows.promotion import decide, settle
from flows.report import SilentReporter
from flows.retrain import retrain_project
from flows.rounds import Batch, run_round
from flows.simulate import answer_all
from flows.store import Store
from flows.successive import agreement_with_last, stop_set
from pipeline.data.sources import open_source
from pipeline.errors import FileDamaged
from tests.flows.conftest import Said, Some, make_project, read_digits
from tests.flows.test_rounds import person

QUIET = SilentReporter()
BIG = Batch(first=60, size=80, reserve=0)


def answer_wrongly(store: Store, project: Project) -> None:
    """Call every image of the round the next digit, but those of the holdout: nobody learns from these."""
    ana = person(store)
    while queue := claims.claim(store.database, ana, project.id, 20):
        truth = samples.known_classes(store.database, project.id, [query.sample_id for query in queue])
        for query in queue:
            wrong = project.classes[(truth[query.sample_id] + 1) % 10].id
            answer = Answer(
                answer_id=str(uuid.uuid4()), query_id=query.query_id, token=query.token, outcome="class", class_id=wrong
            )
            answers.submit(store.database, ana, project.id, answer)


def good_and_bad(
    store: Store, *, validation: int = 60, **changes: object
) -> tuple[Project, ModelVersion, ModelVersion]:
    """Return a project with a model of true labels and a newer one that learned mostly wrong ones."""
    project = make_project(store, **changes)
    read_digits(store, project, 260, test=False)
    if validation:
        others = Some(open_source("digits"), lambda place, _: 260 <= place < 260 + validation)
        ingest_source(store, project.id, others, IngestOptions(split="validation"), QUIET)
    run_round(store, project.id, QUIET, BIG)
    answer_all(store, person(store), project)
    run_round(store, project.id, QUIET, BIG)
    answer_wrongly(store, project)
    run_round(store, project.id, QUIET, BIG)
    bad, good = model_versions.list_versions(store.database, store.actor, project.id)
    return project, good, bad


def numbers(store: Store, project: Project) -> list[int]:
    """Numbers of the versions that were chosen, oldest first."""
    chosen = model_choices.choices(store.database, store.actor, project.id)
    return [choice.number for choice in reversed(chosen)]


def test_a_worse_model_ranks_its_round_and_is_not_used(store: Store, run: Callable[..., Said]) -> None:
    project, good, bad = good_and_bad(store, holdout_size=0)
    assert bad.metrics["validation"]["accuracy"] < good.metrics["validation"]["accuracy"] - 0.1
    last = round_store.history(store.database, store.actor, project.id)[-1]
    assert last.model_version_id == bad.id  # the round ranks with what it trained
    assert current_model(store, project).id == good.id
    assert numbers(store, project) == [1]

    check_every_rule(store, project, good, bad)
    check_the_way_back(store, project, good, bad, run)
    check_the_next_training(store, project)


def check_every_rule(store: Store, project: Project, good: ModelVersion, bad: ModelVersion) -> None:
    for promote, by, margin, forward, back in (
        ("not_worse", "accuracy", 0.0, False, True),
        ("not_worse", "balanced_accuracy", 0.0, False, True),
        ("not_worse", "accuracy", 1.0, True, True),
        ("better", "accuracy", 0.0, False, True),
        ("better", "accuracy", 1.0, False, False),
        ("always", "accuracy", 0.0, True, True),
        ("never", "accuracy", 0.0, False, False),
    ):
        ruled = replace(project, promote=promote, promote_by=by, promote_margin=margin)
        assert decide(store, ruled, bad, good, QUIET).promoted is forward, (promote, by, margin)
        assert decide(store, ruled, good, bad, QUIET).promoted is back, (promote, by, margin)
        same = decide(store, ruled, replace(good, number=9), good, QUIET)
        assert same.promoted is (promote in ("not_worse", "always")), (promote, by, margin)
    told = decide(store, replace(project, promote_by="balanced_accuracy"), bad, good, QUIET).sentence
    assert "version 2 is worse: balanced accuracy" in told
    assert "on 60 validation images" in told


def check_the_way_back(
    store: Store, project: Project, good: ModelVersion, bad: ModelVersion, run: Callable[..., Said]
) -> None:
    """Nothing is new, so the rule alone decides; what a person left is not taken up again by itself."""
    outcome = retrain_project(store, project.id, QUIET)
    assert (outcome.promoted, outcome.model_version_id) == (False, bad.id)
    projects.update_project(store.database, store.actor, project.id, promote="always")
    assert retrain_project(store, project.id, QUIET).promoted
    assert numbers(store, project) == [1, 2]
    said = run("models", project.name, "--use", "1", "--reason", "two learned nonsense")
    assert (said.code, said.err) == (0, "")
    assert "Version 1 of digits is in use." in said.out
    assert not retrain_project(store, project.id, QUIET).promoted
    assert current_model(store, project).id == good.id
    listed = run("models", project.name).out
    assert "chosen by hand: two learned nonsense" in " ".join(listed.split())
    store.path(bad.path).write_bytes(b"nonsense")
    refused = run("models", project.name, "--use", "2")
    assert refused.code != 0
    assert "restore it from a backup" in refused.err
    assert "expected a version of 'digits' (1, 2), got 7" in run("models", project.name, "--use", "7").err
    assert current_model(store, project).id == good.id
    assert "borderline models NAME" in run("models", "--use", "1").err


def check_the_next_training(store: Store, project: Project) -> None:
    """It is compared with the version that was returned to, and goes on without the damaged file of the last."""
    projects.update_project(store.database, store.actor, project.id, promote="better")
    answer_wrongly(store, project)
    third = retrain_project(store, project.id, QUIET)
    newest = model_versions.list_versions(store.database, store.actor, project.id)[0]
    assert (newest.number, newest.metrics["agreement"], third.promoted) == (3, None, False)
    assert "Model version 1 stays in use: version 3 is not better: accuracy" in third.sentence


def test_without_validation_images_labeled_holdout_images_tell(store: Store) -> None:
    project, good, bad = good_and_bad(store, validation=0, holdout_size=40, holdout_share=0.7)
    counts = samples.counts(store.database, project.id)
    assert counts.labeled_holdout >= 30
    assert current_model(store, project).id == good.id
    told = decide(store, project, bad, good, QUIET)
    assert not told.promoted
    assert f"on {counts.labeled_holdout} holdout images" in told.sentence
    by_class = decide(store, replace(project, promote_by="balanced_accuracy"), good, bad, QUIET)
    assert by_class.promoted
    assert "balanced accuracy" in by_class.sentence
    again = NewModelVersion(
        file=NewFile(path=good.path, sha256=good.sha256, size=good.size), architecture=good.architecture,
        recipe=good.recipe, strategy=good.strategy, seed=1, labels_used=good.labels_used,
    )  # fmt: skip
    newest = model_versions.record(store.database, store.actor, project.id, again)
    model_choices.choose(store.database, store.actor, project.id, newest.id)
    late = settle(store, replace(project, promote="always"), bad, QUIET)  # a killed round that is taken up again
    assert (late.promoted, current_model(store, project).number) == (False, 3)


def test_with_too_little_to_compare_on_the_newer_model_is_taken(store: Store) -> None:
    project, _, bad = good_and_bad(store, validation=0, holdout_size=20, holdout_share=0.3)
    assert current_model(store, project).id == bad.id
    reason = model_choices.choices(store.database, store.actor, project.id)[0].reason
    assert "too few labeled holdout images" in reason
    assert "trained on" in reason


def test_a_damaged_model_is_the_same_error_as_any_damaged_file(store: Store) -> None:
    project = make_project(store)
    lost = NewModelVersion(
        file=NewFile(path=f"projects/{project.id}/models/lost.safetensors", sha256="0" * 64, size=1),
        architecture="lenet5", recipe="quick", strategy="margin", seed=1, labels_used=1,
    )  # fmt: skip
    version = model_versions.record(store.database, store.actor, project.id, lost)
    with pytest.raises(FileDamaged, match=r"lost\.safetensors.*restore it from a backup"):
        settle(store, project, version, QUIET)


def test_successive_models_are_compared_on_unlabeled_images(store: Store) -> None:
    project, good, bad = good_and_bad(store, holdout_size=0)
    assert good.metrics["agreement"] is None
    found = bad.metrics["agreement"]
    unlabeled = samples.pool_index(store.database, project.id, labeled=False, set_aside=True).ids
    assert (found["with"], found["images"]) == (1, len(unlabeled))
    assert found["kappa"] < found["same"] < 1
    itself = agreement_with_last(store, project, load_version(store, bad).eval(), device_of(store))
    assert itself is not None
    assert (itself["with"], itself["kappa"], itself["same"]) == (2, 1.0, 1.0)
    few = stop_set(unlabeled, project.seed, 20)
    assert len(few) == 20
    assert np.array_equal(few, stop_set(unlabeled[::-1], project.seed, 20))  # by id, in any order
    left = np.setdiff1d(unlabeled, few[:5])
    assert set(few[5:]) <= set(stop_set(left, project.seed, 20))  # the others stay when some get a label


def test_the_budget_is_kept_and_said_and_raising_it_goes_on(store: Store, run: Callable[..., Said]) -> None:
    assert run("project", "create", "few", "--classes", "0,1,2", "--label-budget", "0").code == 0
    assert projects.get_project(store.database, store.actor, "few").label_budget is None
    project = make_project(store, batch_size=10, reserve_size=30, holdout_size=0, label_budget=26)
    read_digits(store, project, 120)
    run_round(store, project.id, QUIET)
    assert answer_all(store, person(store), project) == 26  # 20 of the round and 6 of its reserve
    assert round_store.due(store.database) == []
    outcome = run_round(store, project.id, QUIET)
    assert outcome.finished
    assert "The budget of 26 labels is used" in outcome.sentence
    said = run("status", project.name).out
    assert "The budget of 26 labels is used: no further round begins." in said
    assert "26 of 26 labels are used." in " ".join(said.split())
    assert run("project", "edit", project.name, "--label-budget", "30", "--promote", "better").code == 0
    assert [due.reason for due in round_store.due(store.database)] == ["complete"]
    run_round(store, project.id, QUIET)
    assert answer_all(store, person(store), project) == 4
    assert run("project", "edit", project.name, "--label-budget", "0").code == 0
    assert [due.reason for due in round_store.due(store.database)] == ["complete"]


@pytest.mark.parametrize("option", ["--promote=sometimes", "--promote-margin=2", "--label-budget=-1"])
def test_rules_that_cannot_be_are_refused(store: Store, run: Callable[..., Said], option: str) -> None:
    make_project(store)
    assert run("project", "edit", "digits", option).code != 0
