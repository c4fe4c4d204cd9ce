import pytest

from pipeline.errors import ExperimentError
from pipeline.experiment import Arm
from tests.pipeline.experiment.worlds import run, settings, told

TRANSFER = ("lenet5", "vgg8")


def both(strategy: str, **more) -> tuple[dict, dict]:
    wanted = settings(strategy, transfer=TRANSFER, labels=20)
    asked = run(strategy, wanted)
    done = {(Arm(strategy), seed): points for seed, points in asked.items()}
    return asked, run(Arm(strategy, "vgg8"), wanted, done=done, **more)


def test_the_second_network_trains_on_what_the_first_one_chose_without_its_copies():
    asked, trained = both("dfal")
    for seed in (0, 1):
        assert [point.queried for point in trained[seed]] == [point.queried for point in asked[seed]]
        assert [point.labels for point in trained[seed]] == [12, 20]
        assert all(point.query_seconds is None for point in trained[seed])
        assert [point.figures["copies_trained"] for point in trained[seed]] == [0, 0]
        assert asked[seed][1].figures["copies_trained"] > 0
    assert told(asked) != told(trained)


def test_its_first_weights_are_shared_by_the_transfers_of_a_seed():
    dfal, margin = both("dfal")[1], both("margin")[1]
    assert told(dfal)[0][0] == told(margin)[0][0]
    assert told(dfal)[0][1] != told(margin)[0][1]


def test_a_transfer_that_would_lack_points_is_an_error():
    asked = run("dfal", settings("dfal", transfer=TRANSFER, labels=20))
    for points in ({}, {(Arm("dfal"), 0): asked[0][:1]}):
        with pytest.raises(ExperimentError, match="all 2 points of 'dfal' with seed 0"):
            run(Arm("dfal", "vgg8"), settings("dfal", transfer=TRANSFER, labels=20), done=points)


def test_a_transfer_goes_on_after_a_stop(tmp_path):
    wanted = settings("margin", transfer=TRANSFER, labels=20)
    arm, asked = Arm("margin", "vgg8"), run("margin", wanted)
    done = {(Arm("margin"), seed): points for seed, points in asked.items()}
    whole = run(arm, wanted, done=done)

    def stop(arm: Arm, seed: int, point: object) -> None:
        if seed == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(arm, wanted, done=done, folder=tmp_path, on_point=stop)
    assert told(run(arm, wanted, done={**done, (arm, 0): whole[0][:1]}, folder=tmp_path)) == told(whole)
