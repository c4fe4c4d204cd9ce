"""Ranking on Ray chooses what one process chooses, whoever does the shards, and a killed actor changes nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flows.errors import FlowError
from flows.shards.ray_shards import RayShards
from pipeline.errors import FileDamaged
from pipeline.strategies.base import QueryContext, Selection
from pipeline.strategies.registry import get_strategy
from pipeline.strategies.shards import select
from pipeline.strategies.uncertainty import Margin
from tests.flows.shards.conftest import Bench
from tests.flows.shards.working import AllOf, Answers, Killed, Notes
from tests.pipeline.strategies.test_all import TABLE

pytestmark = [pytest.mark.usefixtures("ray_here"), pytest.mark.alone, pytest.mark.timeout(900)]

SPECS = [row.spec for row in TABLE]
BLIND = ["typiclust", "random_sampling", "core_set(features='contrastive')"]  # before there is a model
K = 20


def same(first: Selection, second: Selection) -> bool:
    return (
        np.array_equal(first.ids, second.ids)
        and np.allclose(first.scores, second.scores, rtol=1e-4, atol=1e-6)
        and np.array_equal(first.predicted, second.predicted)
    )


def rehearse(specs: Iterable[str], context: QueryContext) -> Notes:
    """Note what the strategies ask a runner for."""
    notes = Notes()
    for spec in specs:
        select(get_strategy(spec), replace(context, runner=notes), K)
    return notes


def answered(notes: Notes, runner: RayShards) -> list[Answers]:
    """Let Ray do all that was asked, in one pass a pool."""
    pools = {tuple(of.pool.ids.tolist()): of for _, of in notes.asked}
    found = []
    for ids, context in pools.items():
        asked = [(task, of) for task, of in notes.asked if tuple(of.pool.ids.tolist()) == ids]
        different = list({repr(task): (task, of) for task, of in asked}.values())
        parts = list(runner.run(AllOf(tuple(task for task, _ in different)), context))
        found.append(Answers(parts, different))
    return found


class Pools:
    """Answers of several pools: each strategy asks for its own."""

    def __init__(self, answers: list[Answers]) -> None:
        self.answers = {tuple(one.asked[0][1].pool.ids.tolist()): one for one in answers}
        self.left: dict[str, str] = {}

    def run(self, task, context):
        yield from self.answers[tuple(context.pool.ids.tolist())].run(task, context)

    def leave(self, name: str, why: str) -> None:
        self.left[name] = why


@pytest.fixture(scope="module")
def by_three_shards(bench: Bench) -> Pools:
    """What two actors answer about three shards, for every strategy."""
    with bench.on_ray(actors=2, size=40) as runner:
        found = answered(rehearse(SPECS, bench.context), runner)
        assert {(one.actors, one.shards) for one in runner.passes} == {(2, 3), (1, 1)}  # subsampled: one shard of 40
        assert not list(runner.folder.glob("shards-*"))  # what actors wrote is gone
    return Pools(found)


@pytest.mark.parametrize("spec", SPECS)
def test_ray_chooses_what_one_process_chooses(spec: str, bench: Bench, by_three_shards: Pools) -> None:
    whole = get_strategy(spec).select(bench.context, K)
    shared = select(get_strategy(spec), replace(bench.context, runner=by_three_shards), K)
    assert same(whole, shared)
    assert not by_three_shards.left
    if whole.copies is not None and shared.copies is not None:
        assert np.allclose(whole.copies.numpy(), shared.copies.numpy(), atol=1e-4)
    if whole.pseudo_ids is not None and shared.pseudo_ids is not None:
        assert np.array_equal(whole.pseudo_ids, shared.pseudo_ids)


def test_neither_shards_nor_actors_change_the_choice(bench: Bench) -> None:
    specs = ["dfal", "bald", "ceal", "core_set", "mixed(dfal_0=0.5, entropy=0.5)"]
    with bench.on_ray(actors=1, size=17) as runner:
        answers = Pools(answered(rehearse(specs, bench.context), runner))
        assert [(one.actors, one.shards) for one in runner.passes] == [(1, 8)]
    for spec in specs:
        whole = get_strategy(spec).select(bench.context, K)
        assert same(whole, select(get_strategy(spec), replace(bench.context, runner=answers), K))


def test_before_there_is_a_model(bench: Bench) -> None:
    blind = replace(bench.context, model=None)
    wholes = [get_strategy(spec).select(blind, K) for spec in BLIND]
    with RayShards(None, bench.folder / "scratch", device="cpu", actors=2, size=40) as runner:
        answers = Pools(answered(rehearse(BLIND, blind), runner))
        assert len(runner.passes) == 1
    for spec, whole in zip(BLIND, wholes, strict=True):
        assert same(whole, select(get_strategy(spec), replace(blind, runner=answers), K))


def test_a_killed_actor_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    killed = Killed(flag=str(tmp_path / "killed"), parent=os.getpid())
    with bench.on_ray() as runner:
        found = select(killed, replace(bench.context, runner=runner), K)
    assert Path(killed.flag).exists()
    assert same(found, Margin().select(bench.context, K))


def test_a_shard_that_kills_each_actor_is_a_clear_error(bench: Bench, tmp_path: Path) -> None:
    killed = Killed(flag=str(tmp_path / "killed"), parent=os.getpid(), again=True)
    with bench.on_ray(actors=1, size=120, attempts=1) as runner, pytest.raises(FlowError, match="1 that were killed"):
        select(killed, replace(bench.context, runner=runner), K)


def test_what_an_actor_finds_damaged_is_said_here(bench: Bench) -> None:
    other = replace(bench.weights, sha256="0" * 64)
    with RayShards(other, bench.folder / "scratch", device="cpu", actors=1) as runner, pytest.raises(FileDamaged):
        select(Margin(), replace(bench.context, runner=runner), K)


def test_a_ranking_can_be_stopped_before_the_actors_are_there(bench: Bench) -> None:
    class Stop(Exception):
        pass

    told: list[int] = []

    def stop(done: int, total: int, message: str) -> None:
        told.append(done)
        raise Stop

    with bench.on_ray() as runner, pytest.raises(Stop):
        select(Margin(), replace(bench.context, runner=runner, on_progress=stop), K)
    assert told == [0]
    assert not list(runner.folder.glob("shards-*"))
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("StreamingExecutor")]
    assert left == []  # one that misses Ray's server ends this process after a minute
