"""The process that runs flows on one machine: it serves the deployments and rings when SQL says that work is due."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from db import logs
from flows.settings import Settings

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

logger = logging.getLogger("borderline.runner")

POLL_SECONDS = 1.0
DEPLOYMENT = "borderline"


def main() -> None:
    """Serve the deployments until SIGTERM; on embedded parts one flow run at a time, as Prefect on SQLite wants it."""
    settings = Settings()
    os.environ.update(settings.prefect_environment())
    logs.configure()
    from prefect.runner import Runner

    from flows.prefect_runs import tidy_up
    from flows.prefect_schedules import mirror_until
    from flows.up import wait_for_prefect
    from flows.webhooks import relay_until

    wait_for_prefect(os.environ["PREFECT_API_URL"])
    tidy_up(alone=settings.prefect_api_url is None)
    stop = threading.Event()
    slots = 1 if settings.prefect_api_url is None else 2  # with a server of its own, a comparison leaves one to rounds
    # Prefect's runner works in TEMP/runner_storage, and in /tmp that would belong to the first user of a machine alone
    settings.run_folder.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(settings.run_folder)
    runner = Runner(name="borderline", limit=slots, query_seconds=POLL_SECONDS, pause_on_shutdown=False)
    for deployment in build_deployments(settings.reconcile_seconds):
        runner.add_deployment(deployment)
    for name, work in (("doorbell", ring_when_due), ("webhooks", relay_until), ("prefect", mirror_until)):
        threading.Thread(target=keep_going, args=(work, settings, stop), name=name, daemon=True).start()
    try:
        asyncio.run(runner.start())
    finally:
        stop.set()


def keep_going(
    work: Callable[[Settings, threading.Event], None], settings: Settings, stop: threading.Event, seconds: float = 5.0
) -> None:
    """Begin a thread's work again when it failed, such as with a database that is not up yet, until asked to stop."""
    while not stop.is_set():
        try:
            work(settings, stop)
        except Exception:
            logger.exception("%s stopped; it begins again", work.__name__)
            stop.wait(seconds)


def build_deployments(interval: float) -> list[RunnerDeployment]:
    """Return the deployments of all flows; ``reconcile`` runs on an interval of that many seconds."""
    from prefect.types.entrypoint import EntrypointType

    from flows import deployments
    from flows.prefect_events import reconcile_trigger

    flows = (deployments.active_learning_round, deployments.retrain, deployments.ingest, deployments.backup)
    kind = EntrypointType.MODULE_PATH
    built: list[Any] = [flow.to_deployment(DEPLOYMENT, entrypoint_type=kind) for flow in flows]
    # a team's comparison is one run at a time beside the rounds; on embedded parts it has a process of its own
    built.append(deployments.compare.to_deployment(DEPLOYMENT, entrypoint_type=kind, concurrency_limit=1))
    reconcile = deployments.reconcile
    events: list[Any] = [reconcile_trigger()]
    built.append(reconcile.to_deployment(DEPLOYMENT, interval=interval, triggers=events, entrypoint_type=kind))
    return built


def ring_when_due(settings: Settings, stop: threading.Event, seconds: float = POLL_SECONDS) -> None:
    """Look into SQL every second and start what is due, so that nobody waits for the interval of ``reconcile``."""
    from flows.health import beat
    from flows.recent import Recent
    from flows.reconcile import reconcile, start
    from flows.store import open_store

    told, given_up = Recent(), Recent()
    with open_store(settings, system=True) as store:
        while not stop.wait(seconds):
            try:
                for work in reconcile(store, partial(start, store, given_up=given_up)):
                    if told.add(work.key):
                        logger.info("started %s %s (%s)", work.flow, work.whose, work.key)
                beat(settings)
            except Exception:
                logger.exception("the doorbell could not ring; it tries again")
                stop.wait(5 * seconds)


if __name__ == "__main__":
    main()
