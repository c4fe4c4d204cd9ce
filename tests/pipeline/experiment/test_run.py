from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.experiment import Arm
from pipeline.experiment.run import ArmRun
from pipeline.training.supervised import train
from tests.pipeline.experiment.worlds import CPU, RECIPE, digits, run, settings, told, whole


def steps_of(arm: str, rounds: int, **more):
    """Yield the run and its lesson, round by round."""
    wanted = settings(arm, **{"seed_labels": 8, "batch": 4, "labels": 40, **more})
    going = ArmRun(digits(), wanted, Arm(arm), 0, device=CPU)
    for _ in range(rounds):
        going.ask()
        lesson = going.lesson()
        yield going, lesson
        report = train(
            lesson.model,
            lesson.labeled,
            RECIPE,
            seed=lesson.seed,
            device=CPU,
            copies=lesson.copies,
            pseudo=lesson.pseudo,
        )
        going.finish(lesson.model, report)


def test_all_arms_of_a_seed_start_from_one_point():
    first = {arm: run(arm, settings(arm, labels=12)) for arm in ("random_sampling", "margin", "dfal", "ceal")}
    found = {arm: told(points) for arm, points in first.items()}
    assert all(points == found["random_sampling"] for points in found.values())
    assert found["margin"][0] != found["margin"][1]


def test_the_same_settings_give_the_same_points_and_seeds_do_not_touch_each_other():
    both, alone = whole("dfal"), run("dfal", seeds=(1,))
    assert told(both)[1] == told(alone)[1]


def test_points_are_at_the_labels_asked_for_and_no_image_is_asked_twice():
    points = whole("margin")[0]
    assert [point.labels for point in points] == [12, 20, 28, 30]
    asked = [sample for point in points for sample in point.queried]
    assert len(set(asked)) == 30 == len(asked)
    for point in points:
        known = asked[: point.labels]
        assert point.class_labels == tuple(np.bincount(digits().targets_of(np.array(known)), minlength=10))


def test_a_point_tells_how_the_model_does_on_each_class_of_the_whole_test_set():
    point = whole("margin")[0][-1]
    there = np.bincount(digits().test_targets, minlength=10)
    assert point.accuracy == pytest.approx(np.dot(point.class_recall, there) / 60)
    assert point.balanced_accuracy == pytest.approx(np.mean(point.class_recall))


def test_first_weights_follow_seed_and_round_and_never_the_arm():
    def first(arm: str, seed: int, turn: int) -> torch.Tensor:
        going = ArmRun(digits(), settings(arm), Arm(arm), seed, device=CPU)
        for _ in range(turn):
            going.ask()
            weights = torch.cat([value.flatten() for value in going.first_model().parameters()]).detach()
            lesson = going.lesson()
            report = train(lesson.model, lesson.labeled, RECIPE, seed=0, device=CPU)
            going.finish(lesson.model, report)
        return weights

    assert torch.equal(first("margin", 0, 2), first("random_sampling", 0, 2))
    assert not torch.equal(first("margin", 0, 1), first("margin", 1, 1))
    assert not torch.equal(first("margin", 0, 1), first("margin", 0, 2))


def test_copies_carry_the_label_of_their_original_and_train_for_the_last_rounds():
    ages = []
    for going, lesson in steps_of("random_sampling+copies", 6, copy_rounds=2):
        ages.append(sorted({going.turn - item.turn for item in going.copies}))
        if lesson.copies is not None:
            assert lesson.copies.targets.tolist() == digits().targets_of(lesson.copies.ids.numpy()).tolist()
            assert set(lesson.copies.ids.tolist()) <= set(lesson.labeled.ids.tolist())
            assert not torch.isnan(lesson.copies.images).any()
    assert ages == [[], [0], [0, 1], [0, 1], [0, 1], [0, 1]]


def test_copies_made_anew_are_pushed_by_the_newest_model_and_train_once_each():
    last = None
    for going, lesson in steps_of("random_sampling+copies(made='anew', reject_above=None)", 5, copy_rounds=2):
        if lesson.copies is None:
            continue
        ids = lesson.copies.ids.tolist()
        assert len(ids) == len(set(ids))
        assert set(ids) <= {item for point in going.points[-1:] for item in point.queried} | set(going.asked.ids)
        if last is not None:
            assert going.asked.figures["copies_anew"] == len(going.copies[0].ids)
            both = set(ids) & set(last)
            now = dict(zip(ids, lesson.copies.images, strict=True))
            assert both
            assert not any(torch.equal(now[item], last[item]) for item in both)
        last = dict(zip(ids, lesson.copies.images, strict=True))
    assert last is not None


def test_a_strategy_says_for_how_many_rounds_its_copies_train():
    kept = [len(going.copies) for going, _ in steps_of("random_sampling+copies(rounds=1)", 4, copy_rounds=3)]
    assert kept == [0, 1, 1, 1]


def test_in_the_papers_protocol_copies_stay_for_good():
    kept = [len(going.copies) for going, _ in steps_of("dfal", 6, copy_rounds=2, protocol="paper")]
    assert kept == [0, 1, 2, 3, 4, 5]


def test_pseudo_labels_are_those_of_the_last_ranking_and_never_of_labeled_images():
    seen = []
    for _, lesson in steps_of("ceal(threshold=2.2, most=9)", 4):
        seen.append(None if lesson.pseudo is None else tuple(lesson.pseudo.ids.tolist()))
        if lesson.pseudo is not None:
            assert not set(lesson.pseudo.ids.tolist()) & set(lesson.labeled.ids.tolist())
            assert len(lesson.pseudo) <= 9
    assert seen[0] is None
    assert len(set(seen[1:])) == 3


def test_the_cold_start_is_the_same_whatever_the_arm():
    wanted = settings("margin", cold_start="typiclust", labels=12)
    other = replace(wanted, strategies=("core_set",))
    assert told(run("margin", wanted)) == told(run("core_set", other))
    assert told(run("margin", wanted)) != told(run("margin", settings("margin", labels=12)))
