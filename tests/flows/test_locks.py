"""File locks, such as that of `up` and of a device, are the kernel's: held once, freed when the holder is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.locks import file_lock

HOLDER = """
import sys, time
from pathlib import Path
from flows.locks import file_lock
with file_lock(Path(sys.argv[1])):
    sys.stdout.write("held\\n"); sys.stdout.flush()
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_does_not_get_a_held_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with file_lock(tmp_path / "lock", wait=False) as held:
        assert held is False


def test_sigkill_of_the_holder_frees_the_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with file_lock(tmp_path / "lock", wait=False) as held:
        assert held is True


def test_waiting_can_be_given_up(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    def give_up() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError), file_lock(tmp_path / "lock", while_waiting=give_up):
        pytest.fail("the lock is held by another process")
