"""Where Borderline keeps its things and how its parts find each other: settings from the environment."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LOOPBACK = "127.0.0.1"
BOOT = "BORDERLINE_BOOT"  # names one start of `borderline up` to its children


class Settings(BaseSettings):
    """Everything that the environment may change, each as ``BORDERLINE_<NAME>``.

    Attributes:
        home: Folder of the store, the images, the models and Prefect's own database.
        database_url: SQLAlchemy URL of the label store; None is SQLite in ``home``.
        host: Address that the labeling page listens on; beyond loopback only with accounts.
        port: Port of the labeling page.
        accounts: ``local`` (a name is enough, this machine only), ``accounts`` (names with passwords) or ``oidc``.
        public_url: The address that people type, where a proxy stands in front.
        prefect_port: Port of the embedded Prefect server; 0 takes 4200, or any free one when that is taken.
        prefect_api_url: A Prefect server that is already there; None starts an embedded one.
        device: ``auto``, ``cpu`` or ``cuda``.
        runner: Where pools are ranked: ``local`` (this process) or ``ray`` (actors of a cluster).
        ray_address: Of a Ray cluster; None joins the one of ``RAY_ADDRESS``, or starts Ray on this machine.
        ray_actors: How many actors rank; 0 is one a GPU, or one a core where there is none.
        workers: Threads that decode images; 0 is one a core.
        webhook_allow_private: Let webhooks reach this machine and private networks.
        reconcile_seconds: Interval of the scheduled flow that finds what was lost between two processes.
        ingest_root: Folder that images may be read from when a page asks for it; None allows any on a machine where
            the page is for its own people alone, and none elsewhere. Commands in a terminal read from anywhere.
    """

    model_config = SettingsConfigDict(env_prefix="BORDERLINE_", extra="ignore")

    home: Path = Field(default_factory=lambda: Path.home() / ".borderline")
    database_url: str | None = None
    host: str = LOOPBACK
    port: int = Field(default=8501, ge=1, le=65535)
    accounts: str = Field(default="local", pattern=r"^(local|accounts|oidc)$")
    public_url: str | None = None
    prefect_port: int = Field(default=0, ge=0, le=65535)
    prefect_api_url: str | None = None
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    runner: str = Field(default="local", pattern=r"^(local|ray)$")
    ray_address: str | None = None
    ray_actors: int = Field(default=0, ge=0)
    workers: int = Field(default=0, ge=0)
    webhook_allow_private: bool = False
    reconcile_seconds: float = Field(default=300, gt=0)
    ingest_root: Path | None = None

    @field_validator("home", "ingest_root")
    @classmethod
    def _absolute(cls, folder: Path | None) -> Path | None:
        return None if folder is None else folder.expanduser().absolute()

    @cached_property
    def threads(self) -> int:
        """Number of threads that decode images."""
        return self.workers or os.cpu_count() or 1

    @property
    def page_address(self) -> str:
        """Address of the page as seen from this machine."""
        host = self.host
        with suppress(ValueError):  # a name, not an address
            address = ip_address(self.host)
            if address.is_unspecified:  # listened on everywhere, called here
                address = ip_address("::1" if address.version == 6 else LOOPBACK)
            host = f"[{address}]" if address.version == 6 else str(address)
        return f"http://{host}:{self.port}"

    @property
    def run_folder(self) -> Path:
        """Folder of locks and of the file that tells who is up."""
        return self.home / "run"

    @property
    def log_folder(self) -> Path:
        """Folder of the logs of the server, the runner and the page."""
        return self.home / "logs"

    def project_folder(self, project_id: int, kind: str) -> Path:
        """Return (and make) a project's folder for a kind of files: ``shards``, ``models``, ``copies``, ``exports``."""
        folder = self.home / "projects" / str(project_id) / kind
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def environment(self) -> dict[str, str]:
        """Return the variables that make a child process see the same settings."""
        variables = {
            "BORDERLINE_HOME": str(self.home),
            "BORDERLINE_HOST": self.host,
            "BORDERLINE_PORT": str(self.port),
            "BORDERLINE_ACCOUNTS": self.accounts,
            "BORDERLINE_PREFECT_PORT": str(self.prefect_port),
            "BORDERLINE_DEVICE": self.device,
            "BORDERLINE_RUNNER": self.runner,
            "BORDERLINE_RAY_ACTORS": str(self.ray_actors),
            "BORDERLINE_WORKERS": str(self.workers),
            "BORDERLINE_WEBHOOK_ALLOW_PRIVATE": str(int(self.webhook_allow_private)),
            "BORDERLINE_RECONCILE_SECONDS": str(self.reconcile_seconds),
        }
        if self.ingest_root:
            variables["BORDERLINE_INGEST_ROOT"] = str(self.ingest_root)
        if self.ray_address:
            variables["BORDERLINE_RAY_ADDRESS"] = self.ray_address
        if self.database_url:
            variables["BORDERLINE_DATABASE_URL"] = self.database_url
        return variables

    def prefect_environment(self) -> dict[str, str]:
        """Return the variables that keep Prefect in its own folder, quiet, local and without telemetry.

        The batch sizes and the lease storage are measured choices: with the defaults the recorder
        writes one row a transaction, and a restart of the server forgets who holds a concurrency slot.
        """
        url = self.prefect_api_url or f"http://{LOOPBACK}:{self.prefect_port}/api"
        return {
            "PREFECT_HOME": str(self.home / "prefect"),
            "PREFECT_API_URL": url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
            "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
            "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
            "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            "PREFECT_CLI_PROMPT": "false",
            "PREFECT_LOGGING_LEVEL": "WARNING",
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        }
