"""An empty machine for docs/operations.md: this one's programs, with folders, users, ports and processes of its own.

A mount, a network and a process namespace: /etc is a copy; /srv, /opt, /tmp, /var/lib, /run and /usr/local/bin are
empty, every port is free, and all of it is gone when the test ends. `standins/` has what cannot be had here: systemd,
sudo and whatever downloads.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.compose.composefile import ROOT
from tests.compose.stack import AS_USER, WAIT_SECONDS, choose, until
from tests.database_fixtures import binaries
from tests.support import require

STANDINS = Path(__file__).with_name("standins")
SPACES = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
PYTHON, PACKAGES = "/opt/test/python", "/opt/test/site-packages"  # Streamlit wants that name
EMPTY = ("/srv", "/opt", "/var/lib", "/var/log", "/run", "/usr/local/bin", "/usr/local/sbin")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BEGIN = f"""
set -euo pipefail
cp --archive /etc "$1/etc"
mount --bind "$1/etc" /etc
for folder in {" ".join(EMPTY)}; do mount -t tmpfs -o mode=0755 tmpfs "$folder"; done
cp "$2"/* /usr/local/sbin
mkdir --parents {PYTHON} {PACKAGES}
mount --bind "$3" {PACKAGES}
if [ -d "$1/python" ]; then mount --bind "$1/python" {PYTHON}; fi
mkdir /run/source
mount --bind "$4" /run/source
mount -t tmpfs -o mode=1777 tmpfs /tmp # the last: what is bound above may lie in it
userdel borderline 2>/dev/null || true
ip link set lo up
touch /run/ready
while :; do sleep 1; done # bash takes leave of processes that ended, as a first process has to
"""


class Machine:
    """Commands on that machine."""

    def __init__(self, folder: Path, inside: int, python: str, needed: dict[str, str]) -> None:
        own = str(folder / "python")
        self._enter = ["nsenter", f"--target={inside}", "--mount", "--net", "--pid"]
        self._environment = {
            "PATH": PATH,
            "LANG": "C.UTF-8",
            "HOME": "/root",
            "STANDIN_SOURCE": "/run/source",
            "STANDIN_PYTHON": python.replace(own, PYTHON),
            "STANDIN_PYTHON_NEEDS": " ".join(f"{name}={value.replace(own, PYTHON)}" for name, value in needed.items()),
            "STANDIN_PACKAGES": PACKAGES,
            "STANDIN_POSTGRESQL": str(binaries()),
        }

    def run(self, *command: str, user: str = "root", cwd: str = "/") -> subprocess.CompletedProcess[str]:
        """Run a command as a user, who has what `sudo --user` gives."""
        words = command if user == "root" else ("sudo", f"--user={user}", *command)
        entered = [*self._enter, "env", f"--chdir={cwd}", *words]
        return subprocess.run(entered, env=self._environment, capture_output=True, text=True, timeout=WAIT_SECONDS)

    def root(self, *command: str) -> str:
        """Run a command of root's that has to succeed; return what it says."""
        ended = self.run(*command)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


def why_not() -> str:
    """Why there can be no such machine here; empty if there can."""
    if os.geteuid() != 0:
        return "root alone can make a machine of its own (unshare --mount)"
    missing = [name for name in ("unshare", "nsenter", "setpriv", "useradd", "ip", "openssl") if not shutil.which(name)]
    if missing:
        return f"no {missing[0]} here"
    trial = subprocess.run([*SPACES, "mount", "-t", "tmpfs", "tmpfs", "/srv"], capture_output=True, text=True)
    return f"no namespaces here: {trial.stderr.strip()}" if trial.returncode else ""


@contextmanager
def empty_machine() -> Iterator[Machine]:
    """A machine where nothing is installed; skips the test where there can be none."""
    require(binaries(), "no PostgreSQL binaries; install the package postgresql")
    reason = why_not()
    if reason:
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="bl-machine-", dir="/tmp"))  # other users have to get there
    folder.chmod(0o755)
    outside = None
    try:
        prefix, python, needed = choose(folder / "python")
        if AS_USER[0] not in prefix:
            pytest.skip("other users cannot read the packages of this interpreter")
        places = map(str, (folder, STANDINS, sysconfig.get_path("purelib"), ROOT))
        outside = subprocess.Popen([*SPACES, "bash", "-c", BEGIN, "begin", *places])
        first = until(psutil.Process(outside.pid).children, "first process")[0]
        machine = Machine(folder, first.pid, python if needed else str(Path(python).resolve()), needed)
        until(lambda: machine.run("test", "-e", "/run/ready").returncode == 0, "empty machine")
        yield machine
    finally:
        if outside is not None:
            outside.kill()  # and with it all that runs there
            outside.wait()
        shutil.rmtree(folder)


def modes(machine: Machine, paths: Sequence[str]) -> dict[str, str]:
    """Return owner, group and mode of paths on the machine."""
    lines = machine.root("stat", "--format=%n %U:%G %a", *paths).splitlines()
    return dict(line.split(" ", 1) for line in lines)
