"""Where Borderline keeps its things and how its parts find each other: settings from the environment."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from pydantic import Field, PrivateAttr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from db.space import parse_bytes

LOOPBACK = "127.0.0.1"
PREFECT_KEEPS_DAYS = 14  # of runs that have ended, with their logs and artifacts
BOOT = "BORDERLINE_BOOT"  # names one start of `borderline up` to its children


class Settings(BaseSettings):
    """Everything that the environment may change, each as ``BORDERLINE_<NAME>``.

    Attributes:
        home: Folder of the store, the images, the models and Prefect's own database.
        database_url: SQLAlchemy URL of the label store; None is SQLite in ``home``.
        database_password_file: File with the password for ``database_url``, which then carries it.
        host: Address that the labeling page listens on; beyond loopback only with accounts.
        port: Port of the labeling page.
        accounts: ``local`` (a name is enough, this machine only), ``accounts`` (names with passwords) or ``oidc``.
        public_url: The address that people type, where a proxy stands in front.
        prefect_port: Port of the embedded Prefect server; 0 takes 4200, or any free one when that is taken.
        prefect_api_url: A Prefect server that is already there; None starts an embedded one.
        prefect_password_file: File with the password that the Prefect server asks for.
        prefect_database_url: PostgreSQL for ``borderline prefect``; None is SQLite in ``home``.
        prefect_database_password_file: File with the password for it.
        device: ``auto``, ``cpu`` or ``cuda``.
        devices: Devices of a host that train one network together: a number, or ``auto`` for all GPUs there are.
        nodes: Hosts that train one network together.
        rendezvous: ``HOST:PORT`` where several hosts meet to train.
        runner: Where pools are ranked: ``local`` (this process) or ``ray`` (actors of a cluster).
        ray_address: Of a Ray cluster; None joins the one of ``RAY_ADDRESS``, or starts Ray on this machine.
        ray_actors: How many actors rank; 0 is one a GPU, or one a core where there is none.
        workers: Threads that decode images; 0 is one a core.
        webhook_allow_private: Let webhooks reach this machine and private networks.
        reconcile_seconds: Interval of the scheduled flow that finds what was lost between two processes.
        ingest_root: Folder that images may be read from when a page asks for it; None allows any on a machine where
            the page is for its own people alone, and none elsewhere. Commands in a terminal read from anywhere.
        ingest_remote: URLs of folders in object stores, with commas between them, that a page may have read, too.
        backup_folder: Where backups go; None is ``backups`` in ``home``, which is the same disk.
        backup_keep: Newest backups that stay; 0 keeps all.
        free_space_floor: Bytes that stay free on a disk; None is 1 GB or 2 % of it, whichever is smaller.
        project_quota: Bytes that the files of one project may take; None is no limit.
        upload_quota: Bytes of one person's uploads that may wait to be read; None is no limit.
    """

    model_config = SettingsConfigDict(env_prefix="BORDERLINE_", extra="ignore")

    home: Path = Field(default_factory=lambda: Path.home() / ".borderline")
    database_url: str | None = Field(default=None, repr=False)
    database_password_file: Path | None = None
    host: str = LOOPBACK
    port: int = Field(default=8501, ge=1, le=65535)
    accounts: str = Field(default="local", pattern=r"^(local|accounts|oidc)$")
    public_url: str | None = None
    prefect_port: int = Field(default=0, ge=0, le=65535)
    prefect_api_url: str | None = None
    prefect_password_file: Path | None = None
    prefect_database_url: str | None = Field(default=None, repr=False)
    prefect_database_password_file: Path | None = None
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    devices: str = Field(default="1", pattern=r"^(auto|[1-9]\d{0,3})$")
    nodes: int = Field(default=1, ge=1, le=1000)
    rendezvous: str | None = Field(default=None, pattern=r"^[\w.:\[\]-]+:\d+$")
    runner: str = Field(default="local", pattern=r"^(local|ray)$")
    ray_address: str | None = None
    ray_actors: int = Field(default=0, ge=0)
    workers: int = Field(default=0, ge=0)
    webhook_allow_private: bool = False
    reconcile_seconds: float = Field(default=300, gt=0)
    ingest_root: Path | None = None
    ingest_remote: str = ""
    backup_folder: Path | None = None
    backup_keep: int = Field(default=14, ge=0)
    free_space_floor: int | None = None
    project_quota: int | None = None
    upload_quota: int | None = None
    _address: str | None = PrivateAttr(default=None)  # of the database, as it was given

    @field_validator("database_password_file", "prefect_password_file", "prefect_database_password_file", mode="before")
    @classmethod
    def _or_none(cls, file: object) -> object:
        return file or None  # set, but empty: as compose files do

    @field_validator("free_space_floor", "project_quota", "upload_quota", mode="before")
    @classmethod
    def _bytes(cls, given: object) -> object:
        return parse_bytes(given) if isinstance(given, str) else given

    @field_validator("home", "ingest_root", "backup_folder")
    @classmethod
    def _absolute(cls, folder: Path | None) -> Path | None:
        return None if folder is None else folder.expanduser().absolute()

    @property
    def remote_folders(self) -> tuple[str, ...]:
        """The URLs that a page may have read."""
        return tuple(url.strip() for url in self.ingest_remote.split(",") if url.strip())

    @model_validator(mode="after")
    def _with_password(self) -> Self:
        self._address = self.database_url
        if self.database_password_file is not None:
            from db.secret_files import with_password

            self.database_url = with_password(self.database_url, self.database_password_file)
        return self

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

    @property
    def backups(self) -> Path:
        """Folder of the backups."""
        return self.backup_folder or self.home / "backups"

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
            "BORDERLINE_DEVICES": self.devices,
            "BORDERLINE_NODES": str(self.nodes),
            "BORDERLINE_RUNNER": self.runner,
            "BORDERLINE_RAY_ACTORS": str(self.ray_actors),
            "BORDERLINE_WORKERS": str(self.workers),
            "BORDERLINE_WEBHOOK_ALLOW_PRIVATE": str(int(self.webhook_allow_private)),
            "BORDERLINE_RECONCILE_SECONDS": str(self.reconcile_seconds),
        }
        if self.rendezvous:
            variables["BORDERLINE_RENDEZVOUS"] = self.rendezvous
        if self.ingest_remote:
            variables["BORDERLINE_INGEST_REMOTE"] = self.ingest_remote
        if self.ingest_root:
            variables["BORDERLINE_INGEST_ROOT"] = str(self.ingest_root)
        if self._address:
            variables["BORDERLINE_DATABASE_URL"] = self._address
        if self.database_password_file:
            variables["BORDERLINE_DATABASE_PASSWORD_FILE"] = str(self.database_password_file)
        if self.prefect_password_file:
            variables["BORDERLINE_PREFECT_PASSWORD_FILE"] = str(self.prefect_password_file)
        if self.ray_address:
            variables["BORDERLINE_RAY_ADDRESS"] = self.ray_address
        return variables

    def prefect_environment(self) -> dict[str, str]:
        """Return the variables that keep Prefect in its own folder, quiet, local and without telemetry.

        The batch sizes and the lease storage are measured choices: with the defaults the recorder
        writes one row a transaction, and a restart of the server forgets who holds a concurrency slot. Without the
        vacuum the runs of months stay in Prefect's database; what they did is in SQL anyhow.
        """
        url = self.prefect_api_url or f"http://{LOOPBACK}:{self.prefect_port}/api"
        variables = {
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
            "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
            "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE": "100",
            "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
            "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(PREFECT_KEEPS_DAYS * 86_400),
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            "PREFECT_CLI_PROMPT": "false",
            "PREFECT_LOGGING_LEVEL": "WARNING",
            "PREFECT_LOGGING_SETTINGS_PATH": str(Path(__file__).with_name("prefect_logging.yml")),
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        }
        if self.prefect_password_file is not None:
            variables["PREFECT_API_AUTH_STRING"] = self.prefect_login()
        return variables

    def prefect_login(self) -> str:
        """Return ``user:password`` as Prefect wants it.

        Raises:
            SecretError: There is no password file, or it cannot be used.
        """
        from db.secret_files import read_secret

        return f"borderline:{read_secret(self.prefect_password_file or '', 'BORDERLINE_PREFECT_PASSWORD_FILE')}"
