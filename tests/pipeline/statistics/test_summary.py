from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from pipeline.errors import DataError
from pipeline.statistics import Curve, learning_curve_area, summarize
from tests.pipeline.statistics.made import LABELS, run, runs

SEEDS = range(8)
THREE = [*runs("dfal", 0.06, SEEDS), *runs("random_sampling", 0.0, SEEDS), *runs("margin", 0.059, SEEDS)]


def test_areas_and_pairs_are_those_of_scipy_and_statsmodels() -> None:
    summary = summarize(THREE)
    areas = {
        arm: np.array([learning_curve_area(c.labels, c.accuracy) for c in THREE if c.arm == arm])
        for arm in ("dfal", "random_sampling", "margin")
    }
    for arm in summary.arms:
        assert arm.area.mean == pytest.approx(areas[arm.name].mean())
        expected = stats.ttest_1samp(areas[arm.name], 0).confidence_interval(0.95)
        assert (arm.area.low, arm.area.high) == pytest.approx(tuple(expected))
    raw = [stats.ttest_rel(areas[pair.a], areas[pair.b]).pvalue for pair in summary.pairs]
    assert [pair.area.p for pair in summary.pairs] == pytest.approx(multipletests(raw, method="holm")[1])
    assert [pair.winner for pair in summary.pairs] == ["dfal", None, "margin"]


def test_the_mean_curve_and_its_band() -> None:
    arm = summarize(THREE).arm("dfal")
    table = np.array([c.accuracy for c in THREE if c.arm == "dfal"])
    assert [point.mean for point in arm.curve] == pytest.approx(table.mean(axis=0).tolist())
    assert all(point.low < point.mean < point.high for point in arm.curve)
    assert all(table.min(axis=0)[i] <= point.low for i, point in enumerate(arm.curve))
    assert arm.final.mean == pytest.approx(table[:, -1].mean())


def test_few_seeds_have_no_band_and_one_has_no_interval() -> None:
    four = summarize(runs("a", 0, range(4))).arm("a")
    assert all(point.low is None and point.high is None for point in four.curve)
    assert four.area.low is not None
    one = summarize(runs("a", 0, range(1))).arm("a")
    assert (one.area.low, one.final.high, one.area.seeds) == (None, None, 1)


def test_the_order_of_the_runs_changes_nothing_but_the_order_of_the_arms() -> None:
    turned = summarize(THREE[::-1], reference="dfal")
    straight = summarize(THREE)
    assert turned.arm("margin") == straight.arm("margin")
    pair, back = straight.pair("dfal", "margin"), turned.pair("dfal", "margin")
    assert (back.a, back.b, back.area.mean) == ("margin", "dfal", pytest.approx(-pair.area.mean))


def test_unfinished_runs_are_said_and_not_filled_in() -> None:
    broken = [
        replace(c, labels=c.labels[:1], accuracy=c.accuracy[:1]) if c.seed == 3 else c for c in runs("dfal", 0.1, SEEDS)
    ]
    missing = runs("random_sampling", 0, range(6))
    summary = summarize([*broken, *missing])
    pair = summary.pair("dfal", "random_sampling")
    assert pair.seeds == (0, 1, 2, 4, 5)
    assert pair.labels == (20, 80)
    assert summary.arm("dfal").seeds == (0, 1, 2, 4, 5, 6, 7)
    assert summary.arm("random_sampling").missing == (6, 7)
    assert summary.notes == (
        "The curve and area of dfal leave out unfinished runs: seed 3 stopped at 20 labels.",
        "random_sampling has no run with seeds 6, 7 yet.",
    )
    assert len(summary.arm("dfal").runs) == 8  # all of them stay to be seen


def test_an_arm_that_is_half_way_is_compared_as_far_as_it_got() -> None:
    half = [replace(c, labels=c.labels[:2], accuracy=c.accuracy[:2]) for c in runs("bald", 0, SEEDS)]
    summary = summarize([*runs("dfal", 0.1, SEEDS), *half])
    assert summary.pair("dfal", "bald").labels == (20, 40)
    assert summary.notes == ("bald was followed to 40 labels only, not to 80: its area covers less.",)


def test_arms_without_a_seed_in_common_are_not_compared() -> None:
    summary = summarize([*runs("a", 0, (0, 1)), *runs("b", 0, (2, 3))])
    assert summary.pairs == ()
    assert "a and b could not be compared: they have no seed, or no label count, in common." in summary.notes


def test_arms_are_compared_only_where_they_train_the_same_network() -> None:
    transfers = [*runs("dfal to vgg8", 0.1, SEEDS, trains="vgg8"), *runs("margin to vgg8", 0.0, SEEDS, trains="vgg8")]
    summary = summarize([*THREE, *transfers])
    assert len(summary.pairs) == 3 + 1
    assert summary.pair("dfal", "margin to vgg8") is None


def test_share_ahead_counts_label_counts() -> None:
    better_late = [
        run(arm, seed, [0.5, 0.6, 0.7, 0.8 + (late and 0.05) + 0.001 * seed * (1 + late)])
        for arm, late in (("a", 1), ("b", 0))
        for seed in range(5)
    ]
    pair = summarize(better_late).pair("a", "b")
    assert (pair.share_ahead("a"), pair.share_ahead("b")) == (0.25, 0.0)


def followed(arm: str, seed: int, counts: list[list[int]], recall: list[list[float | None]]) -> Curve:
    return run(
        arm, seed, [0.5, 0.6], class_labels=counts, class_recall=recall, balanced_accuracy=[0.4, 0.5],
        calibration_error=[None, 0.2],
        query_seconds=[None, 2.0 + seed], train_seconds=[1.0, 3.0],
    )  # fmt: skip


def test_classes_rare_recall_and_times_along_the_way() -> None:
    recall = [[0.9, 0.8, 0.2], [0.9, 0.8, 0.4]]
    chosen = followed("dfal", 0, [[9, 9, 0], [12, 12, 16]], recall)
    drawn = followed("random_sampling", 0, [[10, 8, 0], [20, 18, 2]], recall)
    again = followed("random_sampling", 1, [[10, 7, 1], [20, 17, 3]], [[1.0, 1.0, 0.4], [1.0, 1.0, None]])
    summary = summarize([chosen, drawn, again])
    assert summary.rare_classes == (2,)  # by the random arm: dfal's own labels would not show it
    assert summary.classes == 3
    random = summary.arm("random_sampling")
    assert [point.classes_covered for point in random.curve] == [2.5, 3.0]
    assert [point.rare_recall for point in random.curve] == pytest.approx([0.3, 0.4])
    assert [point.query_seconds for point in random.curve] == [None, 2.5]
    assert (random.query_seconds, random.train_seconds) == (2.5, 2.0)
    assert random.curve[0].balanced_accuracy == 0.4
    assert [at.calibration_error for at in random.curve] == [None, 0.2]
    assert summarize([chosen, drawn], rare=[0]).arm("dfal").curve[0].rare_recall == 0.9


def test_balanced_classes_are_not_rare_and_seed_sets_serve_without_a_random_arm() -> None:
    even = followed("dfal", 0, [[7, 6, 7], [30, 1, 9]], [[0.9] * 3] * 2)
    assert summarize([even]).rare_classes == ()
    assert summarize([even]).arm("dfal").curve[0].rare_recall is None
    uneven = followed("dfal", 0, [[16, 3, 1], [9, 9, 22]], [[0.9] * 3] * 2)
    assert summarize([uneven]).rare_classes == (2, 1)


@pytest.mark.parametrize(
    ("curves", "arguments", "says"),
    [
        ([], {}, "got none"),
        ([run("a", 0, [0.5]), run("a", 0, [0.6])], {}, "'a' with seed 0 twice"),
        ([run("a", 0, [0.5]), run("a", 1, [0.6], trains="vgg8")], {}, "one network"),
        ([run("a", 0, [0.5])], {"reference": "b"}, "expected a reference among a, got 'b'"),
        ([run("a", 0, [0.5])], {"confidence": 1.0}, "confidence"),
        ([run("a", 0, [0.5], class_recall=[[0.5, 0.5]])], {"rare": [2]}, "positions in 0 to 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(curves: list, arguments: dict, says: str) -> None:
    with pytest.raises(DataError, match=says):
        summarize(curves, **arguments)


def test_budgets_and_targets_as_asked() -> None:
    arm = summarize(THREE, budgets=[20, 50, 500], targets=[0.6, 0.99]).arm("dfal")
    assert [at.labels for at in arm.budgets] == [20, 50]
    assert arm.budgets[1].accuracy.mean == pytest.approx(arm.curve[1].mean)
    assert [(target.target, target.reached) for target in arm.targets] == [(0.6, 8), (0.99, 0)]
    assert LABELS[0] <= arm.targets[0].fewest <= arm.targets[0].median <= arm.targets[0].most


def test_the_random_arm_shows_what_is_rare_better_than_a_small_seed_set() -> None:
    recall = [[0.9] * 3] * 2
    drawn = followed("random_sampling", 0, [[2, 2, 2], [30, 28, 2]], recall)
    chosen = followed("dfal", 0, [[2, 2, 2], [20, 20, 20]], recall)
    assert summarize([chosen, drawn]).rare_classes == (2,)
