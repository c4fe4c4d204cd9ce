"""The store's numbers as Prometheus reads them: for the page's /metrics and for `borderline metrics` alike.

Names follow https://prometheus.io/docs/practices/naming/: base units, `_total` on what only grows. A project is named
by its id, so that there are as many time series as projects and no name of a person or project leaves.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from db.engine import Database
from db.errors import StoreError
from db.figures import figures
from db.records import Figures, ProjectFigures

log = logging.getLogger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STATES = ("running", "done", "failed", "canceled")


@dataclass(frozen=True)
class _Each:
    """A number of each project: its name, what it says, how it is read (None: there is none)."""

    name: str
    help: str
    read: Callable[[ProjectFigures], float | None]


_EACH = (
    _Each("borderline_labels", "Samples that have a label.", lambda entry: entry.labels),
    _Each("borderline_open_queries", "Queries that wait for answers.", lambda entry: entry.open_queries),
    _Each("borderline_live_claims", "Queries that somebody holds now.", lambda entry: entry.live_claims),
    _Each(
        "borderline_round_preparation_seconds",
        "From the beginning of the newest opened round to its first question.",
        lambda entry: _seconds(entry.preparation_ms),
    ),
    _Each(
        "borderline_model_validation_accuracy_ratio",
        "Accuracy of the current model version on the validation split, 0 to 1.",
        lambda entry: entry.validation_accuracy,
    ),
    _Each(
        "borderline_model_created_timestamp_seconds",
        "When the current model version was made, seconds since the epoch.",
        lambda entry: _seconds(entry.model_made_at),
    ),
)


class StoreCollector(Collector):
    """Reads the store whenever Prometheus asks; a database that is away is a number, too."""

    def __init__(self, open_database: Callable[[], Database]) -> None:
        self._open_database = open_database

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand, so that registering reads nothing."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the numbers of this moment."""
        up = GaugeMetricFamily("borderline_database_up", "Whether the label store answers (1) or not (0).")
        try:
            database = self._open_database()
            found: Figures | None = figures(database)
            yield _free(database)
        except (StoreError, SQLAlchemyError, OSError) as error:
            log.warning("the store's numbers cannot be read: %s", error)
            found = None
        up.add_metric([], float(found is not None))
        yield up
        if found is not None:
            yield from _of_projects(found)
            yield from _of_work(found)


def text(open_database: Callable[[], Database]) -> str:
    """Return the store's numbers in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StoreCollector(open_database))
    return generate_latest(registry).decode()


def _free(database: Database) -> Metric:
    free = GaugeMetricFamily("borderline_home_free_bytes", "Free space on the disk of BORDERLINE_HOME.")
    free.add_metric([], shutil.disk_usage(database.home).free)
    return free


def _of_projects(found: Figures) -> Iterator[Metric]:
    for each in _EACH:
        gauge = GaugeMetricFamily(each.name, each.help, labels=["project"])
        for entry in found.projects:
            value = each.read(entry)
            if value is not None:
                gauge.add_metric([str(entry.id)], value)
        yield gauge
    rounds = CounterMetricFamily("borderline_rounds", "Rounds that were begun.", labels=["project"])
    for entry in found.projects:
        rounds.add_metric([str(entry.id)], entry.rounds)
    yield rounds


def _of_work(found: Figures) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("borderline_jobs", "Jobs in the store, by kind and state.", labels=["kind", "state"])
    for kind in sorted({kind for kind, _ in found.jobs}):
        for state in _STATES:
            jobs.add_metric([kind, state], found.jobs.get((kind, state), 0))
    yield jobs
    beats = GaugeMetricFamily(
        "borderline_job_heartbeat_age_seconds",
        "For how long the heart of a running job has not beaten; the largest of its kind and project.",
        labels=["project", "kind"],
    )
    silent: dict[tuple[str, str], int] = {}
    for job in found.running:
        key = (str(job.project_id or ""), job.kind)
        silent[key] = max(job.silent_ms, silent.get(key, 0))
    for (project, kind), longest in silent.items():
        beats.add_metric([project, kind], longest / 1000)
    yield beats
    backup = GaugeMetricFamily(
        "borderline_last_backup_timestamp_seconds",
        "When the newest backup that succeeded was done, seconds since the epoch; absent when there is none.",
    )
    if found.last_backup_at is not None:
        backup.add_metric([], found.last_backup_at / 1000)
    yield backup
    oldest = GaugeMetricFamily("borderline_outbox_oldest_unsent_age_seconds", "Age of the oldest unsent message, or 0.")
    oldest.add_metric([], found.unsent_ms / 1000)
    yield oldest
    told = "Messages to webhooks that are kept, by state (those that have ended for a month)."
    sent = GaugeMetricFamily("borderline_webhook_deliveries", told, labels=["state"])
    for state in ("pending", "done", "failed"):
        sent.add_metric([state], found.deliveries.get(state, 0))
    yield sent


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
