"""Copies as a check, from the round that picks them to what annotators get to see; and copies made anew."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from db import claims, copies, copy_answers, rounds, samples
from db.records import NewQuery, Project
from db.tables import AdversarialCopyRow, QueryRow, RoundRow
from flows.copy_checks import how_many_checks, pick_checks, with_checks
from flows.rounds import run_round
from flows.simulate import answer_all
from flows.store import Store
from flows.training_data import read_training_data, read_unlabeled
from pipeline.strategies.base import Selection
from tests.flows.conftest import make_project, read_digits
from tests.flows.test_rounds import QUIET, SMALL, person, ranked_round
from tests.flows.test_why import float_copies


def spec(**more: object) -> Project:
    found = Project.__new__(Project)
    for name, value in {"copy_check_share": 0.02, "seed": 7, **more}.items():
        object.__setattr__(found, name, value)
    return found


def queries_of(store: Store, round_id: int) -> list[QueryRow]:
    statement = select(QueryRow).where(QueryRow.round_id == round_id).order_by(QueryRow.reserve, QueryRow.rank)
    return store.database.read(lambda session: list(session.scalars(statement)))


def _all_queries(store: Store) -> list[QueryRow]:
    return store.database.read(lambda session: list(session.scalars(select(QueryRow))))


def test_the_share_holds_on_average_and_many_copies_have_one_check_at_least() -> None:
    project = spec()
    assert sum(how_many_checks(project, number, 20) for number in range(1, 1001)) == pytest.approx(400, abs=60)
    assert {how_many_checks(project, number, 50) for number in range(1, 200)} <= {1, 2}
    assert {how_many_checks(project, number, 49) for number in range(1, 200)} == {0, 1}
    assert how_many_checks(spec(copy_check_share=0.0), 1, 5000) == 0
    assert how_many_checks(project, 1, 0) == 0
    assert how_many_checks(spec(copy_check_share=1.0), 1, 3) == 3


def test_only_images_with_a_copy_that_are_asked_are_checked() -> None:
    distances = np.array([np.inf, 0.5, np.inf, 0.25, 0.5, 0.125])
    nothing = np.zeros(6)
    chosen = Selection(
        ids=np.arange(6) + 40, scores=nothing, predicted=np.zeros(6, int), nearest=np.zeros(6, int),
        copy_distances=distances,
    )  # fmt: skip
    assert pick_checks(spec(copy_check_share=1.0), 1, chosen, 4) == [1, 3]
    assert pick_checks(spec(copy_check_share=1.0), 1, None, 4) == []
    assert pick_checks(spec(copy_check_share=0.5), 3, chosen, 6) == pick_checks(
        spec(copy_check_share=0.5), 3, chosen, 6
    )


def test_a_check_comes_half_a_round_after_its_image_and_ranks_have_no_gaps() -> None:
    asked = [NewQuery(sample_id=item, rank=item, reserve=item >= 6, details={"place": 1}) for item in range(8)]
    mixed = with_checks(asked, {1: {"file": 3}, 5: {"file": 3}, 7: {"file": 3}})
    told = [(query.sample_id, query.kind, query.reserve) for query in mixed]
    assert told == [
        (0, "learn", False), (1, "learn", False), (2, "learn", False), (5, "copy_check", False), (3, "learn", False),
        (4, "learn", False), (1, "copy_check", False), (5, "learn", False), (6, "learn", True), (7, "learn", True),
    ]  # fmt: skip
    assert [query.rank for query in mixed] == list(range(10))
    assert mixed[3].details == {"shown": {"file": 3}}
    assert with_checks(asked, {}) == asked


def test_a_round_shows_copies_among_the_images(store: Store) -> None:
    project = make_project(store, strategy="dfal", copy_check_share=0.2)
    read_digits(store, project)
    round_id = ranked_round(store, project)
    found = queries_of(store, round_id)
    checks = [query for query in found if query.kind == "copy_check"]
    assert 1 <= len(checks) <= 2
    assert [query.rank for query in found] == list(range(len(found)))
    turn = store.database.read(lambda session: session.get_one(RoundRow, round_id))
    assert turn.k == 5
    assert turn.diagnostics["copy_checks"] == len(checks)
    copies_of, ana = float_copies(store, round_id), person(store)
    held = {query.query_id: query for query in claims.claim(store.database, ana, project.id, 30)}
    for query in checks:
        place = copy_answers.picture_to_label(store.database, ana, project.id, query.id)
        plain = samples.display_of(store.database, ana, project.id, query.sample_id)
        assert place.media_type == plain.media_type
        shown = store.path(place.path).read_bytes()[place.offset : place.offset + place.length]
        original = store.path(plain.path).read_bytes()[plain.offset : plain.offset + plain.length]
        image = Image.open(io.BytesIO(shown))
        assert (image.size, image.mode) == (
            Image.open(io.BytesIO(original)).size,
            Image.open(io.BytesIO(original)).mode,
        )
        copy = copies_of[query.sample_id][0][0]
        if image.size == copy.shape[::-1]:
            assert np.abs(np.asarray(image).astype(float) - (copy * 255).clip(0, 255)).max() <= 1
        assert query.id in held
    answer_all(store, ana, project)
    result = copy_answers.results(store.database, store.actor, project.id)
    assert (result.checked, result.agreed) == (len(checks), len(checks))
    answered = [query for query in _all_queries(store) if query.state == "closed" and query.kind != "copy_check"]
    assert samples.counts(store.database, project.id).labels == len(answered)
    rounds.begin_round(store.database, store.actor, project.id)
    kept = store.database.read(lambda session: session.get_one(RoundRow, round_id).diagnostics)
    assert kept["copies_checked"] == len(checks)


@pytest.mark.parametrize(("strategy", "share"), [("dfal", 0.0), ("dfal_0", 0.2)])
def test_no_checks_where_nobody_wants_any_or_there_are_no_copies(store: Store, strategy: str, share: float) -> None:
    project = make_project(store, strategy=strategy, copy_check_share=share)
    read_digits(store, project, 150)
    assert {query.kind for query in queries_of(store, ranked_round(store, project))} == {"learn"}


def test_a_rejected_copy_is_not_kept_nor_trained_nor_shown(store: Store) -> None:
    project = make_project(store, strategy="margin+copies(kind='fgsm', epsilon=0.9)", copy_check_share=0.2)
    read_digits(store, project, 150)
    round_id = ranked_round(store, project)
    turn = store.database.read(lambda session: session.get_one(RoundRow, round_id))
    assert turn.diagnostics["copies_rejected"] == 10
    assert turn.diagnostics["copies"] == 0
    assert turn.diagnostics["copies_limit"] > 0
    kept = store.database.read(lambda session: session.scalars(select(AdversarialCopyRow)).all())
    assert kept == []
    assert {query.kind for query in queries_of(store, round_id)} == {"learn"}
    answer_all(store, person(store), project)
    assert copies.copies_for_training(store.database, project.id) == []
    assert read_training_data(store, project).copies is None


def test_copies_made_anew_are_of_the_newest_model_and_one_for_each_image(store: Store) -> None:
    project = make_project(store, strategy="dfal(made='anew', rounds=2, reject_above=None)", copy_check_share=0.0)
    read_digits(store, project)
    second = ranked_round(store, project)
    answer_all(store, person(store), project)
    old = float_copies(store, second)
    asked = [query.sample_id for query in queries_of(store, second) if (query.kind, query.state) == ("learn", "closed")]
    third = run_round(store, project.id, QUIET, SMALL).round_id
    assert third is not None
    turn = store.database.read(lambda session: session.get_one(RoundRow, third))
    again = float_copies(store, third)
    assert set(asked) <= set(again)
    assert turn.diagnostics["copies_anew"] == len(asked)
    assert all(not np.array_equal(again[item][0], old[item][0]) for item in asked)
    answer_all(store, person(store), project)
    rows = copies.copies_for_training(store.database, project.id, last_rounds=1)
    data = read_training_data(store, project)
    assert data.copies is not None
    assert sorted(data.copies.ids.tolist()) == sorted(row.sample_id for row in rows)
    now = dict(zip(data.copies.ids.tolist(), data.copies.images.numpy(), strict=True))
    assert all(np.array_equal(now[item], again[item][0]) for item in asked)
    fourth = run_round(store, project.id, QUIET, SMALL).round_id
    assert fourth is not None
    assert not set(asked) & set(float_copies(store, fourth))  # two rounds are over


def test_a_project_learns_from_its_pool_by_trades(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import learning
    from pipeline.augmentation.adversarial_training import Trades
    from pipeline.training.recipes import RECIPES

    monkeypatch.setitem(RECIPES, "quick", replace(RECIPES["quick"], least_steps=4, adversarial=Trades(steps=1)))
    seen: list[int] = []
    read = learning.read_unlabeled
    monkeypatch.setattr(
        learning,
        "read_unlabeled",
        lambda *given: [seen.append(len(found)) for found in [read(*given)]] and read(*given),
    )
    project = make_project(store)
    read_digits(store, project, 100)
    ranked_round(store, project)
    labeled = samples.counts(store.database, project.id)
    assert seen == [labeled.pool - labeled.labeled_pool]
    found = read_unlabeled(store, project)
    assert found is not None
    assert not set(found.ids.tolist()) & set(samples.labeled(store.database, project.id)[0].tolist())
