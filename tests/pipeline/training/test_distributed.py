"""Two processes (gloo, on the CPU) learn what one learns: all their trainings run in one launch of torchrun."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pipeline.errors import TrainingError
from pipeline.training.distributed import DistributedRun
from pipeline.training.process_group import ProcessGroup, launched_group
from pipeline.training.recipes import RECIPES
from pipeline.training.whole_batch import Rows
from tests.pipeline.toys import CPU
from tests.pipeline.training.together import RECIPE, SCENES, Stop, digits, lenet5

State = dict[str, Tensor]
EXACT, SINGLE = 1e-9, 2e-3  # float64; float32 after 24 steps of Adam, which makes much of tiny gradients


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run all trainings in two processes; one of them goes on from a checkpoint that one process left."""
    folder = tmp_path_factory.mktemp("together")
    with pytest.raises(Stop):
        SCENES["convnet"].run(None, folder / "by-one.checkpoint", stop=True)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=0"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    program = [*launch, "-m", "tests.pipeline.training.together", str(folder)]
    done = subprocess.run(program, check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def states(folder: Path, name: str) -> tuple[State, State]:
    first, second = (load_file(folder / f"{name}.{rank}.safetensors") for rank in (0, 1))
    return first, second


def furthest(first: State, second: State) -> float:
    assert first.keys() == second.keys()
    return max(float((first[name].double() - second[name].double()).abs().max()) for name in first)


@pytest.mark.parametrize("name", SCENES)
def test_two_processes_learn_what_one_learns(name: str, folder: Path) -> None:
    first, second = states(folder, name)
    assert furthest(first, second) == 0
    assert furthest(first, SCENES[name].run(None)) < (EXACT if SCENES[name].double else SINGLE)


def test_two_processes_take_up_what_one_left(folder: Path) -> None:
    first, _ = states(folder, "taken up by two")
    assert furthest(first, SCENES["convnet"].run(None)) < EXACT


def test_one_process_takes_up_what_two_left(folder: Path) -> None:
    alone = SCENES["convnet"].run(None, folder / "by-two.checkpoint")
    assert 0 < furthest(alone, SCENES["convnet"].run(None)) < EXACT  # 0 would mean that it began anew


def test_every_row_is_exactly_one_processs() -> None:
    for count in (0, 1, 5, 8, 19):
        for size in (1, 2, 3, 7):
            parts = [ProcessGroup(rank, size, CPU).part(count) for rank in range(size)]
            assert torch.cat(parts).tolist() == list(range(count))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_what_several_processes_cannot_share_is_refused() -> None:
    def begin(size: int, recipe: str | None = None) -> None:
        group = ProcessGroup(0, size, CPU)
        made = RECIPES[recipe] if recipe else RECIPE
        DistributedRun(lenet5(), digits(0, 60), made, 0, CPU, None, None, None, group=group, rows=Rows())

    begin(19)
    with pytest.raises(TrainingError, match="at most 19 processes for batches of 19 images, got 20"):
        begin(20)
    with pytest.raises(TrainingError, match="without adversarial training for several devices"):
        begin(2, "adversarial_mix")


def test_a_process_that_torchrun_did_not_start_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    with pytest.raises(TrainingError, match="started by torchrun"):
        launched_group("cpu")


ALONE = """
import sys
from tests.pipeline.toys import trained
trained("lenet5")
assert "lightning_fabric" not in sys.modules and "pipeline.training.distributed" not in sys.modules
"""


def test_one_device_needs_torch_alone() -> None:
    subprocess.run([sys.executable, "-c", ALONE], check=True)
