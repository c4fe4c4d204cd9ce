"""A run that is killed anywhere goes on with the numbers that it would have had."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import ExperimentError
from pipeline.experiment import Arm
from pipeline.experiment.records import Point
from pipeline.experiment.state import point_from_dict
from tests.pipeline.experiment.worlds import run, settings, told, whole

ARMS = ("dfal", "ceal(threshold=2.2)", "random_sampling")


class Killed(Exception):
    pass


class Killer:
    """Stops a unit at every callback once: in rankings, in trainings, and when a point is handed over."""

    def __init__(self, every: int) -> None:
        self.every, self.seen = every, set()
        self.points: dict[tuple[Arm, int], list[Point]] = {}

    def meet(self, event: str) -> None:
        if event not in self.seen:
            self.seen.add(event)
            if len(self.seen) % self.every == 0:
                raise Killed(event)

    def progress(self, done: int, wanted: int, text: str) -> None:
        self.meet(f"{done} {text}")

    def point(self, arm: Arm, seed: int, point: Point) -> None:
        self.meet(f"before {seed} {point.labels}")
        self.points.setdefault((arm, seed), []).append(point)
        self.meet(f"after {seed} {point.labels}")


def run_killed(arm: str, folder: Path, every: int) -> tuple[dict, int, Killer]:
    killer, kills = Killer(every), 0
    while True:
        try:
            found = run(arm, folder=folder, done=killer.points, on_point=killer.point, on_progress=killer.progress)
            return found, kills, killer
        except Killed:
            kills += 1


@pytest.mark.parametrize("arm", ARMS)
def test_a_unit_that_is_stopped_at_every_step_gives_the_same_points(arm, tmp_path):
    found, kills, killer = run_killed(arm, tmp_path, every=4)
    assert kills >= 5
    assert told(found) == told(whole(arm))
    assert told({seed: tuple(points) for (_, seed), points in killer.points.items()}) == told(found)


CHILD = """
import sys, json
from pathlib import Path
from pipeline.experiment import Arm
from pipeline.experiment.state import point_from_dict, point_to_dict
from tests.pipeline.experiment.worlds import run

arm, folder = Arm(sys.argv[1]), Path(sys.argv[2])
kept = folder / "points.jsonl"
lines = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
done = {}
for seed, point in lines:
    done.setdefault((arm, seed), []).append(point_from_dict(point))

def keep(arm, seed, point):
    with kept.open("a") as file:
        file.write(json.dumps([seed, point_to_dict(point)]) + "\\n")

run(arm, folder=folder, done=done, on_point=keep, on_progress=lambda *told: print(*told, flush=True))
print("END", flush=True)
"""


def in_child(arm: str, folder: Path, lines: int) -> bool:
    """Run in a process that is killed after so many lines of progress; returns whether it came to its end."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, arm, str(folder)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert child.stdout is not None
    for line in child.stdout:
        lines -= 1
        if line == "END\n":
            child.wait()
            return True
        if lines == 0:
            child.send_signal(signal.SIGKILL)
            break
    child.stdout.close()
    child.wait()
    return False


@pytest.mark.parametrize("arm", ["dfal", "ceal(threshold=2.2)"])
def test_a_process_that_is_killed_goes_on(arm, tmp_path):
    assert not in_child(arm, tmp_path, lines=11)
    assert in_child(arm, tmp_path, lines=10_000)
    lines = (tmp_path / "points.jsonl").read_text().splitlines()
    assert len(lines) == 8
    kept = [json.loads(line) for line in lines]
    found = {seed: tuple(point_from_dict(point) for owner, point in kept if owner == seed) for seed in (0, 1)}
    assert told(found) == told(whole(arm))


@pytest.mark.parametrize("arm", ARMS)
def test_without_its_file_a_run_is_computed_again_and_hands_over_only_new_points(arm, tmp_path):
    done = {(Arm(arm), seed): points[:2] for seed, points in whole(arm).items()}
    new = []
    found = run(arm, done=done, folder=tmp_path, on_point=lambda arm, seed, point: new.append((seed, point.labels)))
    assert told(found) == told(whole(arm))
    assert sorted(new) == [(0, 28), (0, 30), (1, 28), (1, 30)]


def test_points_that_do_not_come_out_again_are_an_error():
    wrong = replace(whole("margin")[0][1], accuracy=whole("margin")[0][1].accuracy + 0.01)
    with pytest.raises(
        ExperimentError, match=r"'margin' with seed 0 to give its point at 20 labels again.*accuracy was"
    ):
        run("margin", done={(Arm("margin"), 0): (whole("margin")[0][0], wrong)})


def test_points_of_other_settings_are_an_error():
    with pytest.raises(ExperimentError, match=r"at \[12, 20.*other settings"):
        run("margin", done={(Arm("margin"), 0): whole("margin")[0][1:]})


def test_a_file_that_says_something_else_than_the_points_is_not_believed(tmp_path):
    run("margin", folder=tmp_path)
    true = whole("margin")[0]
    wrong = (true[0], replace(true[1], accuracy=0.0))
    with pytest.raises(ExperimentError, match=r"accuracy was 0\.0"):
        run("margin", seeds=(0,), folder=tmp_path, done={(Arm("margin"), 0): wrong})


@pytest.mark.parametrize("harm", ["cut", "empty", "other"])
def test_a_damaged_file_is_not_used(harm, tmp_path):
    run("dfal", folder=tmp_path)
    for file in (tmp_path / "runs").iterdir():
        data = {"cut": file.read_bytes()[:-50], "empty": b"", "other": b"something else entirely"}[harm]
        file.write_bytes(data)
    assert told(run("dfal", folder=tmp_path)) == told(whole("dfal"))


def test_a_finished_run_is_not_computed_again(tmp_path):
    run("dfal", folder=tmp_path)
    told_of, given = [], []
    found = run(
        "dfal", folder=tmp_path, on_progress=lambda *line: told_of.append(line), on_point=lambda *p: given.append(p)
    )
    assert (told(found), told_of, len(given)) == (told(whole("dfal")), [], 8)


def test_a_file_of_other_settings_or_data_is_not_used(tmp_path):
    run("margin", settings("margin", batch=8), folder=tmp_path)
    other = settings("margin", batch=9)
    assert told(run("margin", other, folder=tmp_path)) == told(run("margin", other))


def test_more_labels_go_on_from_a_finished_run(tmp_path):
    run("margin", settings("margin", labels=20), folder=tmp_path)
    more = settings("margin", labels=36)
    assert told(run("margin", more, folder=tmp_path)) == told(run("margin", more))


def test_learned_embedders_are_part_of_where_a_run_stands(tmp_path):
    arm = "kmeans(features='autoencoder')"
    killer, undisturbed = Killer(every=10_000), run(arm, seeds=(0,))
    with pytest.raises(Killed):
        run(arm, seeds=(0,), folder=tmp_path, on_point=lambda arm, seed, point: stop_at(killer, arm, seed, point))
    shutil.rmtree(tmp_path / "embedders")
    assert told(run(arm, seeds=(0,), folder=tmp_path, done=killer.points)) == told(undisturbed)


def stop_at(killer: Killer, arm: Arm, seed: int, point: Point) -> None:
    killer.point(arm, seed, point)
    if point.labels == 20:
        raise Killed
