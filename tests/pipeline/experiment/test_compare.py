import subprocess
import sys

import pytest
import torch

from pipeline import experiment
from pipeline.errors import DataError, ExperimentError, StrategyError
from pipeline.experiment import Arm, arms, label_counts, plan
from pipeline.training.recipes import RECIPES
from tests.pipeline.experiment import worlds
from tests.pipeline.experiment.worlds import RECIPE, digits, run, settings, told

PLAIN = f"{worlds.__name__}:plain_network"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setitem(RECIPES, "quick", RECIPE)


def compare(*strategies: str, **more):
    running = {name: more.pop(name) for name in ("folder", "on_point", "on_progress") if name in more}
    return experiment.compare(digits(), settings(*strategies, **{"labels": 20, **more}), device="cpu", **running)


def test_all_arms_with_all_seeds_in_the_shape_of_the_statistics():
    seen, lines = [], []
    found = compare(
        "random_sampling",
        "margin",
        on_point=lambda arm, seed, point: seen.append((arm.name, seed, point.labels)),
        on_progress=lambda *line: lines.append(line),
    )
    assert len(seen) == len(set(seen)) == 8
    assert [(curve.arm, curve.seed, curve.labels) for curve in found.curves()] == [
        (arm, seed, (12, 20)) for arm in ("random_sampling", "margin") for seed in (0, 1)
    ]
    assert [done for done, _, _ in lines] == sorted(done for done, _, _ in lines)
    assert {wanted for _, wanted, _ in lines} == {8}
    assert any("of 8 points, less than a minute left (margin, seed" in text for _, _, text in lines)
    assert {arm.name for arm in found.summary().arms} == {"random_sampling", "margin"}
    assert found.about["device"] == "cpu"
    assert found.about["recipes"] == {"lenet5": repr(RECIPE)}
    assert found.about["labels spent on tuning"] == 0


def test_arms_are_what_they_would_be_alone():
    found = compare("margin", "dfal")
    for arm in ("margin", "dfal"):
        mine = {seed: found.points[Arm(arm), seed] for seed in (0, 1)}
        assert told(mine) == told(run(arm, settings(arm, labels=20)))


def test_a_stopped_comparison_goes_on(tmp_path):
    def stop(arm: Arm, seed: int, point: experiment.Point) -> None:
        if (arm.name, seed, point.labels) == ("margin", 1, 12):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare("random_sampling", "margin", folder=tmp_path, on_point=stop)
    trainings = []
    again = compare(
        "random_sampling", "margin", folder=tmp_path, on_progress=lambda _, __, text: trainings.append(text)
    )
    assert not [text for text in trainings if "random_sampling" in text]
    whole = compare("random_sampling", "margin")
    for run_of in whole.points:
        assert told({0: again.points[run_of]}) == told({0: whole.points[run_of]})


def test_a_transfer_and_rare_classes(tmp_path):
    found = compare("margin", transfer=("lenet5", "vgg8"), imbalance=3.0, seeds=(0,))
    assert [arm.name for arm, _ in found.points] == ["margin", "margin to vgg8"]
    assert found.about["recipes"].keys() == {"lenet5", "vgg8"}
    thin = digits().imbalanced(3.0, 0).pool.ids
    assert all(set(point.queried) <= set(thin.tolist()) for points in found.points.values() for point in points)
    page = found.to_html(tmp_path / "report")
    assert page == tmp_path / "report.html"
    assert "margin to vgg8" in page.read_text()


@pytest.mark.parametrize(
    ("change", "error", "expected"),
    [
        ({"strategies": ("margin", "bald"), "model": PLAIN}, ExperimentError, "'bald' to work with .*dropout"),
        ({"strategies": ("no_such",)}, StrategyError, "known strategy"),
        ({"labels": 61}, ExperimentError, "at most 60 labels"),
        ({"cold_start": "margin"}, ExperimentError, "cold start without a model"),
        ({"transfer": ("vgg8", "lenet5")}, ExperimentError, "transfer from lenet5"),
        ({"copy_rounds": 0}, ExperimentError, "1 round or more"),
        ({"imbalance": 1000.0}, DataError, "lower the imbalance"),
    ],
)
def test_what_cannot_work_is_said_before_any_work(change, error, expected):
    seen = []
    with pytest.raises(error, match=expected):
        experiment.compare(digits(), settings(**change), device="cpu", on_progress=lambda *line: seen.append(line))
    assert not seen


def test_every_known_strategy_passes_the_check_with_a_network_that_has_dropout():
    from pipeline.catalog import STRATEGIES

    experiment.check(settings(*STRATEGIES), digits())


def test_units_come_after_what_they_need():
    wanted = settings("margin", "dfal", seeds=(3, 4, 5), transfer=("lenet5", "vgg8"))
    units = plan(wanted, together=2)
    assert [unit.arm.name for unit in units] == ["margin", "dfal", "margin to vgg8", "dfal to vgg8"] * 2
    assert [unit.seeds for unit in units] == [(3, 4)] * 4 + [(5,)] * 4  # cut short, all arms have the same seeds
    assert [unit.needs for unit in units] == [None, None, Arm("margin"), Arm("dfal")] * 2
    assert len(plan(wanted)) == len(arms(wanted)) == 4
    assert label_counts(settings(labels=12)) == (12,)
    with pytest.raises(ExperimentError, match="1 or more seeds"):
        plan(wanted, together=0)


def test_settings_and_plans_need_no_torch():
    code = "import sys; from pipeline import experiment, strategies; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_seeds_in_one_batched_program_ask_for_and_learn_the_same():
    apart, together = run("margin", settings(labels=20)), run("margin", settings(labels=20), batched=True)
    for seed in (0, 1):
        assert together[seed][0].queried == apart[seed][0].queried
        assert together[seed][0].figures["train_loss"] == pytest.approx(apart[seed][0].figures["train_loss"], rel=0.05)
    assert told(run("margin", settings(labels=20), batched=True)) == told(together)


def test_a_batch_that_was_stopped_trains_with_the_same_seeds_again(tmp_path):
    wanted = settings("dfal", labels=20)
    whole, points = run("dfal", wanted, batched=True), {}

    def stop(arm: Arm, seed: int, point: experiment.Point) -> None:
        points.setdefault((arm, seed), []).append(point)
        if (seed, point.labels) == (0, 20):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("dfal", wanted, batched=True, folder=tmp_path, on_point=stop)
    lines = []
    found = run(
        "dfal", wanted, batched=True, folder=tmp_path, done=points, on_progress=lambda *line: lines.append(line[2])
    )
    assert any("seed 0, 1: training 2 networks" in line for line in lines)
    assert told(found) == told(whole)


@pytest.mark.gpu
def test_on_a_gpu_the_seeds_train_as_one_program_and_go_on(tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    found = experiment.compare(digits(), settings("margin", "dfal"), device="cuda", folder=tmp_path)
    assert {len(points) for points in found.points.values()} == {4}
