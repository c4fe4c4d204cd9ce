"""docs/operations.md without Docker, from an empty machine: every command at its real path, in order, by its user."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.compose.document import DOCKER, SERVICE, Block, blocks
from tests.compose.machine import Machine, empty_machine, modes
from tests.compose.stack import WAIT_SECONDS

pytestmark = [pytest.mark.postgresql, pytest.mark.alone, pytest.mark.timeout(1800)]

RUN = [block for block in blocks() if block.who != DOCKER]
SETTINGS = "set -o allexport; source /etc/borderline/borderline.env; set +o allexport\n"
PICTURES = """
from PIL import Image
for shade in range(20):
    Image.new("RGB", (32, 32), (12 * shade, 255 - 12 * shade, 128)).save(f"/srv/images/{shade:02}.png")
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with empty_machine() as made:
        yield made


def run(machine: Machine, block: Block) -> subprocess.CompletedProcess[str]:
    """Run a block once; a question whether services are healthy is asked until they are or had time enough."""
    own = SETTINGS if block.who == SERVICE else ""
    cwd = "/opt/borderline" if machine.run("test", "-d", "/opt/borderline").returncode == 0 else "/"
    user = "borderline" if block.who == SERVICE else "root"
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        ended = machine.run("bash", "-euo", "pipefail", "-c", own + block.text, user=user, cwd=cwd)
        if ended.returncode == 0 or not block.text.startswith("borderline healthy") or time.monotonic() > deadline:
            return ended
        time.sleep(1)


def test_a_team_s_set_up_from_an_empty_machine(machine: Machine) -> None:
    """Each block does what it says, as the next one needs it."""
    for block in RUN:
        ended = run(machine, block)
        logs = "" if ended.returncode == 0 else machine.run("bash", "-c", "tail -n 8 /var/log/borderline-*.log").stdout
        assert ended.returncode == 0, f"{block.text}\n{ended.stdout[-2000:]}\n{ended.stderr[-3000:]}\n{logs}"
        if "useradd" in block.text:
            machine.root("bash", "-c", f"PYTHONPATH=$STANDIN_PACKAGES {_python(machine)} - <<'END'{PICTURES}END")
    for service in ("page", "prefect", "worker"):
        ended = run(machine, Block(SERVICE, f"borderline healthy {service}"))
        assert ended.returncode == 0, ended.stderr
    told = run(machine, Block(SERVICE, "borderline status shapes"))
    assert "20" in told.stdout, told.stdout + told.stderr


def _python(machine: Machine) -> str:
    return "env $STANDIN_PYTHON_NEEDS $STANDIN_PYTHON"


def test_the_folders_belong_to_whom_they_have_to(machine: Machine) -> None:
    own = "borderline:borderline 700"
    assert modes(machine, ["/srv/backups", "/srv/restored", "/var/lib/borderline"]) == {
        "/srv/backups": own, "/srv/restored": own, "/var/lib/borderline": own
    }  # fmt: skip
    assert modes(machine, ["/etc/borderline", "/etc/borderline/secrets", "/etc/borderline/borderline.env"]) == {
        "/etc/borderline": "root:root 755",
        "/etc/borderline/secrets": "root:borderline 750",
        "/etc/borderline/borderline.env": "root:root 644",
    }
    assert modes(machine, ["/srv/images"]) == {"/srv/images": "root:root 755"}


def test_the_worker_s_unit_may_write_backups_and_nothing_else(machine: Machine) -> None:
    ended = machine.run("as_unit", "borderline-worker", "borderline", "backup")
    assert ended.returncode == 0, ended.stderr
    assert "/srv/backups" in ended.stdout
    for unit, folder in (("worker", "/srv/restored"), ("page", "/srv/backups")):
        denied = machine.run("as_unit", f"borderline-{unit}", "touch", f"{folder}/x")
        assert denied.returncode == 1
        assert "Read-only file system" in denied.stderr
