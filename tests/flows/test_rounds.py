"""A round as the flows run it: random first, then ranked; killed anywhere and run again it ends the same."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path

import numpy as np
import pytest

from db import annotations as answers
from db import claims, copies, jobs, model_versions, projects, samples
from db import rounds as round_store
from db.access import local_user, simulated_user
from db.records import Answer, Project
from flows import rounds
from flows.errors import AlreadyRunning, Canceled
from flows.jobs import working
from flows.reconcile import DueWork, reconcile
from flows.report import SilentReporter
from flows.retrain import retrain_project
from flows.rounds import Batch, run_round
from flows.settings import Settings
from flows.simulate import answer_all
from flows.store import Store, open_store
from pipeline.files import sha256_file
from tests.flows.conftest import let_it_rest, make_project, read_digits

QUIET = SilentReporter()
SMALL = Batch(first=20, size=5, reserve=5)


def person(store: Store):
    return local_user(store.database, "ana")


def open_queries(store: Store, project: Project) -> list:
    return claims.claim(store.database, person(store), project.id, 100)


def skip_all(store: Store, project: Project) -> None:
    """Pass every open query."""
    ana = person(store)
    while queue := claims.claim(store.database, ana, project.id, 20):
        for query in queue:
            answer = Answer(answer_id=str(uuid.uuid4()), query_id=query.query_id, token=query.token, outcome="skip")
            answers.submit(store.database, ana, project.id, answer)


def ranked_round(store: Store, project: Project) -> int:
    """Answer a first random round and open the second; returns its id."""
    run_round(store, project.id, QUIET, SMALL)
    answer_all(store, person(store), project)
    outcome = run_round(store, project.id, QUIET, SMALL)
    assert outcome.number == 2
    assert outcome.round_id is not None
    return outcome.round_id


def test_without_labels_the_first_round_is_random_and_says_so(store: Store) -> None:
    project = make_project(store, holdout_size=0)
    read_digits(store, project, 200, test=False, labels="ignore")
    outcome = run_round(store, project.id, QUIET)
    history = round_store.history(store.database, store.actor, project.id)
    assert outcome.model_version_id is None
    assert outcome.queries == 20  # two a class
    assert "RandomSampling" in history[0].strategy
    assert "no model yet" in history[0].diagnostics["reason"]


def test_a_holdout_is_drawn_once_asked_in_shares_and_never_trained_on(store: Store) -> None:
    project = make_project(store, holdout_size=30, holdout_share=0.25)
    read_digits(store, project, 200, test=False, labels="hide")
    run_round(store, project.id, QUIET, SMALL)
    asked = open_queries(store, project)
    assert sum(query.kind == "holdout" for query in asked) == 5
    assert samples.counts(store.database, project.id).holdout == 30
    answer_all(store, person(store), project)
    run_round(store, project.id, QUIET, SMALL)
    holdout = set(samples.pool_index(store.database, project.id, splits=("holdout",)).ids.tolist())
    trained_on = set(samples.labeled(store.database, project.id)[0].tolist())
    assert len(holdout) == 30
    assert not holdout & trained_on
    summary = round_store.history(store.database, store.actor, project.id)[1]
    assert summary.holdout is not None
    assert summary.holdout.total == 5


def test_with_a_test_split_there_is_no_holdout(store: Store) -> None:
    project = make_project(store, holdout_size=30)
    read_digits(store, project, 200, test=True)
    run_round(store, project.id, QUIET, SMALL)
    assert samples.counts(store.database, project.id).holdout == 0


def test_the_ranked_round_asks_by_the_model_and_keeps_a_reserve(store: Store) -> None:
    project = make_project(store)
    read_digits(store, project)
    round_id = ranked_round(store, project)
    summary = round_store.history(store.database, store.actor, project.id)[1]
    assert summary.k == 5
    assert summary.metrics["test"]["total"] == samples.counts(store.database, project.id).test
    assert model_versions.for_round(store.database, round_id) is not None
    queue = open_queries(store, project)
    assert [query.rank for query in queue] == sorted(query.rank for query in queue)
    assert len(queue) == 10


def test_running_an_open_round_again_changes_nothing(store: Store) -> None:
    project = make_project(store)
    read_digits(store, project)
    round_id = ranked_round(store, project)
    before = [query.sample_id for query in open_queries(store, project)]
    again = run_round(store, project.id, QUIET, SMALL)
    assert again.round_id == round_id
    assert [query.sample_id for query in open_queries(store, project)] == before
    assert len(model_versions.list_versions(store.database, store.actor, project.id)) == 1


@pytest.mark.parametrize("step", ["train", "select", "copies", "enqueue"])
def test_a_round_killed_at_any_step_ends_as_an_unkilled_one(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The same project in two homes, killed once in one of them: same queries and scores, one model, no doubles."""
    queues = []
    for name in ("whole", "killed"):
        with open_store(settings.model_copy(update={"home": tmp_path / name}), system=True) as store:
            project = make_project(store, strategy="dfal")
            read_digits(store, project, 150)
            run_round(store, project.id, QUIET, SMALL)
            answer_all(store, person(store), project)
            if name == "killed":
                with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # noqa: PT012
                    _break(patch, step)
                    run_round(store, project.id, QUIET, SMALL)
            run_round(store, project.id, QUIET, SMALL)
            queues.append([(query.sample_id, query.rank) for query in open_queries(store, project)])
            assert len(model_versions.list_versions(store.database, store.actor, project.id)) == 1
    assert len(queues[0]) == 10
    assert queues[0] == queues[1]


def _break(patch: pytest.MonkeyPatch, step: str) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    target = {
        "train": "flows.learning.model_versions.record",
        "select": "flows.ranking.load_version",
        "copies": "flows.ranking.copy_store.record_copies",
        "enqueue": "flows.rounds.round_store.enqueue",
    }[step]
    patch.setattr(target, die)


def test_copies_take_the_label_of_their_original_and_train_the_next_model(store: Store) -> None:
    project = make_project(store, strategy="dfal")
    read_digits(store, project)
    ranked_round(store, project)
    assert copies.copies_for_training(store.database, project.id) == []  # nobody answered yet
    answer_all(store, person(store), project)
    rows = copies.copies_for_training(store.database, project.id)
    truth = samples.known_classes(store.database, project.id, np.array([row.sample_id for row in rows]))
    assert len(rows) >= 5
    assert all(truth[row.sample_id] == row.position for row in rows)
    assert sha256_file(store.path(rows[0].path)) == rows[0].sha256
    outcome = run_round(store, project.id, QUIET, SMALL)
    assert outcome.model_version_id is not None
    version = model_versions.get(store.database, store.actor, project.id, outcome.model_version_id)
    assert version.copies_used == len(rows)
    assert version.labels_used == samples.counts(store.database, project.id).labels  # copies are counted apart


def test_one_live_process_a_project(store: Store) -> None:
    project = make_project(store)
    read_digits(store, project, 100)
    with working(store, project.id, "round", QUIET), pytest.raises(AlreadyRunning):
        run_round(store, project.id, QUIET, SMALL)
    run_round(store, project.id, QUIET, SMALL)


def test_the_job_of_a_killed_process_is_taken_over_at_once(store: Store) -> None:
    project = make_project(store)
    read_digits(store, project, 100)
    dead = f"{socket.gethostname()}:999999:1.00"
    assert jobs.begin(store.database, store.actor, project.id, "round", dead) is not None
    assert run_round(store, project.id, QUIET, SMALL).queries == 20


def test_a_canceled_job_stops_and_says_so(store: Store) -> None:
    project = make_project(store)
    with pytest.raises(Canceled), working(store, project.id, "round", QUIET) as job:  # noqa: PT012
        jobs.request_cancel(store.database, store.actor, job.job.id)
        job.progress(0, 0, "a message that is new, so that the heartbeat is written now")
    latest = jobs.latest(store.database, project.id, "round")
    assert latest is not None
    assert latest.state == "canceled"


def test_reconcile_starts_what_is_due_and_only_that(store: Store) -> None:
    project = make_project(store)
    read_digits(store, project, 100)
    started: list[DueWork] = []

    def start(work: DueWork) -> bool:
        started.append(work)
        return True

    reconcile(store, start)
    assert [(work.flow, work.project_id) for work in started] == [("active_learning_round", project.id)]
    with working(store, project.id, "round", QUIET):
        assert reconcile(store, start) == []
    run_round(store, project.id, QUIET, SMALL)
    assert reconcile(store, start) == []  # waits for answers
    answer_all(store, person(store), project)
    assert [work.key for work in reconcile(store, start)] != [started[0].key]
    projects.set_paused(store.database, store.actor, project.id, True)
    assert reconcile(store, start) == []


def test_a_round_that_keeps_failing_waits_for_a_person(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(store)
    read_digits(store, project, 100)
    with monkeypatch.context() as patch:
        patch.setattr("flows.rounds.samples.draw_holdout", lambda *_: 1 / 0)
        for _ in range(3):
            assert len(reconcile(store, lambda _: True)) == 1
            with pytest.raises(ZeroDivisionError):
                run_round(store, project.id, QUIET, SMALL)
            assert reconcile(store, lambda _: True) == []  # it rests before the next attempt
            let_it_rest(store)
    assert reconcile(store, lambda _: True) == []
    assert run_round(store, project.id, QUIET, SMALL).queries == 20


def test_retrain_promotes_unless_worse_on_validation(store: Store) -> None:
    project = make_project(store)
    read_digits(store, project)
    ranked_round(store, project)
    with working(store, project.id, "retrain", QUIET) as job:
        assert not retrain_project(store, project.id, job).promoted  # nothing new
        answer_all(store, person(store), project)
        outcome = retrain_project(store, project.id, job)
    assert outcome.promoted
    current = model_versions.current(store.database, project.id)
    assert current is not None
    assert current.id == outcome.model_version_id


def test_a_skipping_annotator_never_blocks_the_round(store: Store) -> None:
    project = make_project(store)
    read_digits(store, project, 100)
    run_round(store, project.id, QUIET, SMALL)
    skip_all(store, project)
    assert [due.reason for due in round_store.due(store.database)] == ["complete"]
    assert rounds.begin(store, project.id) is not None


@pytest.mark.parametrize("wanted", [1, 3, 10])
def test_a_share_of_the_queries_is_of_the_holdout_whatever_the_batch(store: Store, wanted: int) -> None:
    project = make_project(store, holdout_size=30, holdout_share=0.2)
    read_digits(store, project, 150, test=False)
    samples.draw_holdout(store.database, store.actor, project.id)
    asked = [len(rounds.pick_holdout(store, project, number, wanted, pool_left=True)) for number in range(1, 11)]
    assert sum(asked) == 2 * wanted


def test_a_project_is_finished_only_when_its_holdout_is_labeled_too(store: Store) -> None:
    project = make_project(store, holdout_size=6, holdout_share=0.0, strategy="random_sampling")
    read_digits(store, project, 40, test=False)
    big = Batch(first=40, size=40, reserve=0)
    for _ in range(4):
        if run_round(store, project.id, QUIET, big).finished:
            break
        answer_all(store, person(store), project)
    counts = samples.counts(store.database, project.id)
    assert projects.get_project(store.database, store.actor, project.id).state == "finished"
    assert counts.labeled_holdout == counts.holdout == 6
    assert counts.labeled_pool == counts.pool == 34


def test_corrected_labels_are_something_new_to_learn_from(store: Store) -> None:
    project = make_project(store)
    read_digits(store, project)
    ranked_round(store, project)
    ana = person(store)
    first = answers.recent(store.database, ana, project.id, 1)[0]
    other = next(item.id for item in project.classes if item.id != first.class_id)
    back = answers.undo(store.database, ana, project.id, str(uuid.uuid4()), first.answer_id).claimed
    assert back is not None
    fixed = Answer(
        answer_id=str(uuid.uuid4()), query_id=back.query_id, token=back.token, outcome="class", class_id=other
    )
    answers.submit(store.database, ana, project.id, fixed)
    with working(store, project.id, "retrain", QUIET) as job:
        assert retrain_project(store, project.id, job).promoted
        assert not retrain_project(store, project.id, job).promoted  # nothing new any more
    for version in model_versions.list_versions(store.database, store.actor, project.id):
        assert sha256_file(store.path(version.path)) == version.sha256


def test_one_projects_broken_work_keeps_no_other_from_starting(store: Store) -> None:
    broken, fine = make_project(store, "broken"), make_project(store, "fine")
    for project in (broken, fine):
        read_digits(store, project, 60)

    def start(work: DueWork) -> bool:
        if work.project_id == broken.id:
            raise ConnectionError("no such deployment")
        return True

    assert [work.project_id for work in reconcile(store, start)] == [fine.id]


def test_nobody_waits_for_a_simulated_annotator(store: Store) -> None:
    simulated_user(store.database, "robot")
    project = make_project(store, overlap=2, holdout_size=0)
    read_digits(store, project, 60)
    run_round(store, project.id, QUIET, Batch(first=3, size=3, reserve=0))
    answer_all(store, person(store), project)
    assert [due.reason for due in round_store.due(store.database)] == ["complete"]
