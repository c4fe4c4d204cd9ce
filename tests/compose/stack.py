"""The compose file without Docker: each service's command, environment and health check as a local process.

Host names, ports, secret paths and volumes are mapped to local ones; everything else is what the file says. Run by
root, the processes get the file's user, no capabilities and no way to new rights, as the containers would.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest

from flows.processes import any_port
from tests.compose.composefile import ROOT, load
from tests.database_fixtures import Server, binaries, running_server

Found = TypeVar("Found")
WAIT_SECONDS = float(os.environ.get("BORDERLINE_TEST_PATIENCE", "1")) * 20 + 160
PORTS = ("8501", "4200", "5432")
SERVICE_USER = 10001
NO_RIGHTS = ["setpriv", "--no-new-privs", "--pdeathsig=KILL"]
NOBODYS = ["--bounding-set=-all", "--inh-caps=-all", "--clear-groups"]
AS_USER = [f"--reuid={SERVICE_USER}", f"--regid={SERVICE_USER}"]
PACKAGES = f"{ROOT}:{sysconfig.get_path('purelib')}"


def until(condition: Callable[[], Found], what: str, told: Callable[[], str] = str) -> Found:
    """Wait until a condition gives something; fail with what was awaited and what there is to tell."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"no {what} within {WAIT_SECONDS:.0f} s; {told()}")
        time.sleep(0.3)
    return found


def can_run(prefix: Sequence[str], python: str, **more: str) -> bool:
    """Whether that interpreter runs our code, also from a process that has given its rights away."""
    again = "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'import flows.settings, ssl, torch'])"
    environment = {"PYTHONPATH": PACKAGES, "PATH": "/usr/bin:/bin", **more}
    return subprocess.run([*prefix, python, "-c", again], env=environment, cwd="/", capture_output=True).returncode == 0


def copied_python(folder: Path) -> Path:
    """A copy of this interpreter with its standard library: ours may lie where only root can go (pyenv's)."""
    version = f"python3.{sys.version_info.minor}"
    left_out = shutil.ignore_patterns("site-packages", "test", "tests", "idlelib", "ensurepip", "config-*")
    shutil.copytree(Path(sys.base_prefix) / "lib" / version, folder / "lib" / version, ignore=left_out, symlinks=True)
    for library in (Path(sys.base_prefix) / "lib").glob("libpython*.so*"):
        shutil.copy(library, folder / "lib")
    (folder / "bin").mkdir()
    return Path(shutil.copy(Path(sys.executable).resolve(), folder / "bin" / version))


def choose(folder: Path) -> tuple[list[str], str, dict[str, str]]:
    """What commands begin with, the interpreter, and what it needs: the image's user and no rights where root runs us.

    Where nobody else can read our code (a checkout below /root), the rights alone are given away.
    """
    if os.geteuid() != 0:
        return NO_RIGHTS, sys.executable, {}
    prefix = [*NO_RIGHTS, *NOBODYS, *AS_USER]
    if can_run(prefix, sys.executable):
        return prefix, sys.executable, {}
    python = str(copied_python(folder))
    needed = {"PYTHONHOME": str(folder), "LD_LIBRARY_PATH": str(folder / "lib")}
    if can_run(prefix, python, **needed):
        return prefix, python, needed
    return [*NO_RIGHTS, *NOBODYS], sys.executable, {}


class Stack:
    """The file's services by name, on this machine."""

    def __init__(self, folder: Path, server: Server, port: int) -> None:
        self.compose = load()
        self.folder, self.server = folder, server
        self.ports = {"8501": str(any_port()), "4200": str(any_port()), "5432": str(port)}
        self.prefix, python, self.needed = choose(folder / "python")
        self.other_user = AS_USER[0] in self.prefix
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("bin", "home", "prefect", "backups", "tmp", "images", "logs"):
            (folder / name).mkdir(mode=0o755)
            if self.other_user and name not in {"bin", "images"}:  # which the services only read
                os.chown(folder / name, SERVICE_USER, SERVICE_USER)
        launcher = folder / "bin" / "borderline"
        launcher.write_text(f"#!{python}\nfrom flows.cli import main\nmain()\n")
        launcher.chmod(0o755)
        self.group = str(SERVICE_USER if self.other_user else os.getgid())
        subprocess.run([ROOT / "deploy" / "make_secrets.sh", folder / "secrets", self.group], check=True)

    def here(self, name: str, text: str) -> str:
        """A text of the file as it reads on this machine."""
        for mount in self.compose["services"][name]["volumes"]:
            local = self.folder / ("images" if mount["target"] == "/images" else mount["source"])
            text = text.replace(mount["target"], str(local)) if mount["type"] == "volume" or local.exists() else text
        text = text.replace("/run/secrets/", f"{self.folder}/secrets/")
        text = re.sub(rf"(?<=[@/])(?:{'|'.join(self.compose['services'])}):(?=\d)", "127.0.0.1:", text)
        return re.sub(rf"\b(?:{'|'.join(PORTS)})\b", lambda found: self.ports[found[0]], text)

    def environment(self, name: str, **changes: str) -> dict[str, str]:
        """Nothing but what the image and the file say, and where our code is."""
        said = {key: self.here(name, value) for key, value in self.compose["services"][name]["environment"].items()}
        path = f"{self.folder / 'bin'}:/usr/bin:/bin:{binaries()}"
        image = {"PATH": path, "HOME": str(self.folder / "tmp"), "TMPDIR": str(self.folder / "tmp")}
        image |= {"PYTHONPATH": PACKAGES, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        return {**image, "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", **self.needed, **said, **changes}

    def command(self, name: str, words: Sequence[str] | None = None) -> list[str]:
        words = self.compose["services"][name]["command"] if words is None else words
        return [*self.prefix, *(self.here(name, word) for word in words)]

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start a lasting service; what it says goes to a log."""
        with self.log(name).open("ab") as log:
            self.running[name] = subprocess.Popen(
                self.command(name), env=self.environment(name), cwd="/", stdout=log, stderr=log, start_new_session=True
            )
        return self.running[name]

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def run(self, name: str, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run a service's own command to its end, or another one in its place (`docker compose run`)."""
        command = self.command(name, words or None)
        environment = self.environment(name, **changes)
        return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=WAIT_SECONDS)

    def check(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a service's health check once."""
        kind, *words = self.compose["services"][name]["healthcheck"]["test"]
        assert kind == "CMD"
        return self.run(name, *words)

    def wait_until_healthy(self, name: str) -> None:
        def healthy() -> bool:
            ended = self.running[name].poll()
            if ended is not None:
                pytest.fail(f"{name} ended with code {ended}: {self.log(name).read_text()[-3000:]}")
            return self.shows_life(name) and self.check(name).returncode == 0

        until(healthy, f"healthy {name}", lambda: self.log(name).read_text()[-3000:])

    def shows_life(self, name: str) -> bool:
        """Cheaper to ask again and again than the check itself, which is a process of its own."""
        if name == "worker":
            return any((self.folder / "home" / "run").glob("worker-*.beat"))
        port = self.ports["8501" if name == "page" else "4200"]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(port))) == 0

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text().strip()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Read with plain SQL, past all of our own code."""
        where = {"host": "127.0.0.1", "port": self.ports["5432"], "user": "borderline", "dbname": "borderline"}
        with psycopg.connect(**where, password=self.secret("database_password")) as connection:
            return connection.execute(statement.encode()).fetchall()

    @property
    def administration(self) -> dict[str, str]:
        """How `psql` reaches the server as its administrator: by the socket, as the image's own scripts do."""
        return {"PGHOST": self.server.admin.partition("host=")[2].partition("&")[0], "PGPORT": self.ports["5432"]}

    def make_databases(self) -> None:
        """What the postgres image does when its volume is new."""
        script = next(m for m in self.compose["services"]["postgres"]["volumes"] if m["type"] == "bind")["source"]
        environment = self.environment("postgres") | self.administration
        subprocess.run([ROOT / script], env=environment, check=True, capture_output=True, text=True)

    def stop(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def stack() -> Iterator[Stack]:
    """A real PostgreSQL with its two databases, and the services ready to start."""
    folder = Path(tempfile.mkdtemp(prefix="bl-compose-", dir="/tmp"))  # pytest's own folders are closed to other users
    folder.chmod(0o755)
    port = any_port()
    try:
        with running_server(port=port) as server:
            made = Stack(folder, server, port)
            try:
                made.make_databases()
                yield made
            finally:
                made.stop()
    finally:
        kept = os.environ.get("BORDERLINE_KEEP_LOGS")
        if kept:
            shutil.copytree(folder / "logs", Path(kept) / folder.name)
        shutil.rmtree(folder)
