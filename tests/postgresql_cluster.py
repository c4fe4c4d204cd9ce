"""A PostgreSQL of one's own in a temporary folder, that can be started, crashed and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import psycopg

START_SECONDS = 60


def binaries() -> Path | None:
    """The folder of initdb and pg_ctl, the newest first; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[4]), reverse=True)
    on_path = shutil.which("pg_ctl")
    return found[0].parent if found else (Path(on_path).resolve().parent if on_path else None)


def _as_ordinary_user() -> list[str]:
    """PostgreSQL refuses root; and a server must not outlive tests that were killed."""
    user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", "--pdeathsig=QUIT", *user]


class Cluster:
    """One server with its data folder and a unix socket.

    Attributes:
        folder: Where data, socket and log are; its owner is the server's user.
        admin: The address of its first database, for `psycopg`.

    With a port it also listens on 127.0.0.1, where it asks for passwords.
    """

    def __init__(self, *settings: str, folder: Path | None = None, port: int | None = None) -> None:
        found = binaries()
        assert found is not None, "no PostgreSQL binaries; install the package postgresql"
        network = ["listen_addresses="] if port is None else ["listen_addresses=127.0.0.1", f"port={port}"]
        self._binaries, self._settings = found, [*settings, *network]
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="bl-pg-", dir="/tmp"))
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self.admin = f"postgresql://postgres@/postgres?host={self.folder}" + (f"&port={port}" if port else "")

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def pid(self) -> int:
        """Process id of the postmaster."""
        assert self._process is not None
        return self._process.pid

    def initialize(self, *more: str) -> None:
        """Make the data folder."""
        program = [str(self._binaries / "initdb"), "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust"]
        options = ["--auth-host=scram-sha-256", "-E", "UTF8", "--no-locale", "-N", *more]
        subprocess.run([*_as_ordinary_user(), *program, *options], check=True, cwd="/", stdout=subprocess.DEVNULL)

    def copy_from(self, other: Cluster) -> None:
        """Take over the data folder of a cluster that was stopped."""
        shutil.copytree(other.folder / "data", self.folder / "data")
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "postgres:postgres", str(self.folder / "data")], check=True)

    def start(self) -> None:
        """Start the server and wait until it answers; what a crash left behind may delay it."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._launch()
            if self._answers(deadline):
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.1)  # backends of a killed postmaster still hold its shared memory

    def _launch(self) -> None:
        settings = [*self._settings, "max_connections=200", "deadlock_timeout=200ms"]
        options = [part for setting in settings for part in ("-c", setting)]
        program = [str(self._binaries / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder)]
        with self.log.open("ab") as output:
            command = [*_as_ordinary_user(), *program, *options]
            self._process = subprocess.Popen(command, cwd="/", stdout=output, stderr=output)

    def _answers(self, deadline: float) -> bool:
        """Wait until it answers; False if it ended."""
        assert self._process is not None
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return True
        return False

    def run(self, statement: str) -> None:
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(statement.encode())

    def is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def crash(self) -> None:
        """Stop at once, as `pg_ctl stop -m immediate`: nothing is written any more."""
        self._end(signal.SIGQUIT)

    def kill_postmaster(self) -> None:
        """SIGKILL the postmaster; its backends notice and end by themselves."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop in good order."""
        self._end(signal.SIGINT)

    def _end(self, sign: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(sign)
            self._process.wait(START_SECONDS)

    def backends(self) -> Sequence[psutil.Process]:
        """The processes that serve clients."""
        try:
            children = psutil.Process(self.pid).children()
            return [child for child in children if "postgres: postgres " in " ".join(child.cmdline())]
        except psutil.NoSuchProcess:
            return []

    def remove(self) -> None:
        """End it and remove everything."""
        if self.is_up():
            self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)
