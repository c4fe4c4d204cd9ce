"""Requests that are odd but legal, and settings that are not."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.data.pool import ImagePool
from pipeline.errors import PipelineError, StrategyError
from pipeline.models.base import Architecture, Classifier
from pipeline.strategies import probcover, ranking, typiclust
from pipeline.strategies.bald import mutual_information
from pipeline.strategies.base import QueryContext, Selection
from pipeline.strategies.batch_bald import pick_jointly
from pipeline.strategies.deduplicated import keep_different
from pipeline.strategies.mixed import Mixed
from pipeline.strategies.probcover import ProbCover, greedy_cover
from pipeline.strategies.ranking import Best, merge_selections
from pipeline.strategies.registry import get_strategy
from pipeline.strategies.shards import ShardsHere, select_in_shards
from pipeline.strategies.uncertainty import Margin
from tests.pipeline.strategies import slow
from tests.pipeline.toys import stripes, trained


def context_of(count: int = 60, name: str = "convnet") -> QueryContext:
    images, known = stripes(count, seed=2), stripes(8, seed=3)
    return QueryContext(
        pool=ImagePool.from_tensor(images.images, images.ids.numpy()), model=trained(name), classes=4, seed=0,
        labeled_ids=known.ids.numpy(), labeled_targets=known.targets.numpy(),
        labeled_images=ImagePool.from_tensor(known.images, known.ids.numpy()),
    )  # fmt: skip


def test_a_batch_of_hundreds_does_not_make_joint_chances_vanish() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(400, 4, 10, generator=generator, dtype=torch.float64) * 0.05
    draws = logits.softmax(dim=2)  # so alike that the batch never knows which network is right
    single = mutual_information(draws.log().transpose(0, 1))
    places, scores = pick_jointly(draws, single, 380, 200, seed=0)
    assert len(set(places)) == 380
    assert np.isfinite(scores).all()
    assert (scores <= math.log(4) + 0.05).all()


def test_sampled_information_is_near_the_counted() -> None:
    generator = torch.Generator().manual_seed(1)
    draws = (torch.randn(30, 20, 3, generator=generator, dtype=torch.float64) * 2).softmax(dim=2)
    single = mutual_information(draws.log().transpose(0, 1))
    counted = pick_jointly(draws, single, 6, 10_000, seed=0)
    sampled = pick_jointly(draws, single, 6, 700, seed=0)
    exact = [slow.joint_information([draws[p].tolist() for p in sampled[0][: n + 1]]) for n in range(6)]
    assert sampled[1] == pytest.approx(exact, abs=0.15)
    assert counted[1][-1] == pytest.approx(exact[-1], abs=0.3)


def test_the_best_of_many_blocks_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "_SPARE", 20)
    scores = np.random.default_rng(0).permutation(500).astype(float)
    for descending in (False, True):
        best = Best(7, descending=descending)
        for start in range(0, 500, 10):
            none = torch.zeros(10, dtype=torch.int64)
            best.add(np.arange(start, start + 10), torch.from_numpy(scores[start : start + 10]), none, none)
        expected = np.argsort(-scores if descending else scores)[:7]
        assert best.selection().ids.tolist() == expected.tolist()


def test_probcovers_radius_is_where_nineteen_in_twenty_balls_are_pure(monkeypatch: pytest.MonkeyPatch) -> None:
    context = context_of(200)
    monkeypatch.setattr(probcover, "cluster", lambda rows, count, seed: (np.arange(len(rows)) % 2, rows[:, 0]))
    radius = float(ProbCover().select(context, 1).diagnostics["radius"])
    points = slow.unit(slow.features(replace(context, model=trained("convnet").double()), context.pool))
    trained("convnet").float()
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    foreign = np.where((np.arange(200)[:, None] - np.arange(200)[None]) % 2 == 1, apart, np.inf).min(axis=1)
    assert (foreign > radius).mean() == pytest.approx(0.95, abs=0.02)


def test_a_thinned_pool_is_thinned_by_id() -> None:
    context = context_of(80)
    shuffled = replace(context, pool=context.pool.subset(np.random.default_rng(0).permutation(context.pool.ids)))
    strategy = ProbCover(most=30)
    first, second = strategy.select(context, 5), strategy.select(shuffled, 5)
    assert first.ids.tolist() == second.ids.tolist()
    assert first.diagnostics["compared"] == 30
    assert first.ids.tolist() != ProbCover(most=30).select(replace(context, seed=1), 5).ids.tolist()


def test_cover_ends_on_a_pool_of_a_few_kinds() -> None:
    kinds = torch.nn.functional.normalize(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    picks, gains = greedy_cover(kinds.repeat(50, 1), torch.empty(0, 4), 0.5, 10)
    assert len(set(picks.tolist())) == 10
    assert set(picks[:3].tolist()) == {0, 1, 2}
    assert gains[:3].tolist() == [50, 50, 50]


def test_typicality_of_a_large_cluster_is_told_from_some(monkeypatch: pytest.MonkeyPatch) -> None:
    context = context_of(90)
    whole = get_strategy("typiclust").select(context, 4)
    monkeypatch.setattr(typiclust, "_MOST", 10)
    found = get_strategy("typiclust").select(context, 4)
    assert (found.scores > 0).all()
    assert (found.scores <= whole.scores.max() * 2).all()
    assert len(set(found.ids.tolist())) == 4


def test_more_near_duplicates_than_neighbors_are_all_left_out() -> None:
    generator = np.random.default_rng(0)
    many = np.repeat(generator.normal(size=(1, 8)), 300, axis=0) + generator.normal(size=(300, 8)) * 1e-4
    others = generator.normal(size=(5, 8))
    vectors = np.concatenate([many, others])
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    kept, out = keep_different(vectors, 0.95, 6)
    assert kept.tolist() == [0, 300, 301, 302, 303, 304]
    assert out.tolist() == list(range(1, 300))


def test_deduplication_looks_no_further_than_told() -> None:
    context = context_of(60)
    same = ImagePool.from_tensor(context.pool.take(context.pool.ids[:1]).repeat(60, 1, 1, 1))
    found = get_strategy("margin+deduplicated(most=20)").select(replace(context, pool=same), 5)
    assert found.diagnostics["near_duplicates"] == 19
    assert found.diagnostics["near_duplicates_asked"] == 4


def test_model_features_of_any_width_can_be_compared() -> None:
    found = get_strategy("margin+deduplicated(features='model', similarity=0.9999)").select(
        context_of(name="lenet5"), 8
    )
    assert len(set(found.ids.tolist())) == 8


def test_a_mix_keeps_the_figures_of_its_parts() -> None:
    figures = get_strategy("mixed(dfal_0=0.5, random_sampling=0.5)").select(context_of(), 6).diagnostics
    assert figures["asked_dfal_0"] == 3
    assert figures["dfal_0: violations"] == 0
    assert "dfal_0: slack" in figures


@pytest.mark.parametrize("spec", ["core_set", "ceal", "batch_bald", "margin+deduplicated", "core_set+copies"])
def test_what_compares_images_is_not_merged_from_shards(spec: str) -> None:
    context = context_of()
    with pytest.raises(StrategyError, match="whose shards merge"):
        select_in_shards(get_strategy(spec), replace(context, runner=ShardsHere(4)), 4)


def test_selections_of_different_directions_do_not_merge() -> None:
    context = context_of()
    parts = [get_strategy(spec).select(context, 3) for spec in ("margin", "entropy")]
    for wrong in (parts, []):
        with pytest.raises(StrategyError, match="selections of one strategy"):
            merge_selections(wrong, 3)


@dataclass(frozen=True, kw_only=True)
class Blind:
    """Says nothing about classes."""

    name: ClassVar[str] = "blind"
    needs_model: ClassVar[bool] = False
    makes_copies: ClassVar[bool] = False

    def select(self, context: QueryContext, k: int) -> Selection:
        ids = np.sort(context.pool.ids)[:k]
        return Selection(ids=ids, scores=ids.astype(float), predicted=ids * 0 - 1, nearest=ids * 0 - 1)


def test_ones_own_strategy_in_wrappers_and_mixes() -> None:
    context = context_of()
    balanced = get_strategy("tests.pipeline.strategies.test_edges:Blind+class_balanced").select(context, 6)
    assert (balanced.predicted >= 0).all()
    mixed = Mixed(parts=((Blind(), 0.5), (Margin(), 0.5))).select(context, 6)
    assert mixed.diagnostics["asked_blind"] == 3


class Idle(Classifier):
    """Dropout in a part that the logits never pass."""

    def __init__(self) -> None:
        super().__init__(Architecture(name="idle", classes=4, channels=1, image_size=16))
        self.last, self.side = torch.nn.Linear(256, 4), torch.nn.Dropout(0.5)

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1)

    def head(self, features: Tensor) -> Tensor:
        return torch.as_tensor(self.last(features))


def test_dropout_that_is_never_used_is_no_column_of_zeros() -> None:
    with pytest.raises(PipelineError, match="never used"):
        get_strategy("bald").select(replace(context_of(), model=Idle()), 3)


def test_labels_without_images_are_told(tmp_path: object) -> None:
    context = context_of()
    assert context.labeled_images is not None
    with pytest.raises(StrategyError, match="expected the images of the 8 labels"):
        get_strategy("core_set").select(replace(context, labeled_images=context.labeled_images.subset([])), 3)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("dfal_one_step(norm='L2')", "norm 'l2' or 'linf'"),
        ("dfal_one_step(candidates=0)", "1 or more iterations and candidates"),
        ("dfal(norm='l1')", "norm 'l2' or 'linf'"),
        ("dfal_0(max_iterations=0)", "1 or more iterations"),
        ("dfal(overshoot=-1)", r"overshoot and minimum step in \[0, 1\]"),
        ("margin+copies(norm='l3')", "norm 'l2' or 'linf'"),
        ("bald(draws=2.5)", "a whole number for draws of bald, got 2.5"),
        ("batch_bald(outcomes=9.5)", "a whole number for outcomes"),
        ("typiclust(neighbors=1.5)", "a whole number for neighbors"),
        ("margin+deduplicated(shortlist=1.5)", "a whole number for shortlist"),
        ("dfal(max_iterations=2.5)", "a whole number for max_iterations"),
    ],
)
def test_settings_are_refused_when_a_strategy_is_made(spec: str, words: str) -> None:
    with pytest.raises(StrategyError, match=words):
        get_strategy(spec)


def test_a_colon_in_a_quoted_setting_is_no_import_path() -> None:
    made = get_strategy("core_set(features='pretrained', weights='/x/run:best/w.safetensors')")
    assert "run:best" in repr(made)
