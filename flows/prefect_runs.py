"""What a flow runner puts in order in Prefect: runs that nobody is at any more, and the rule that finds them later.

Left alone, a run whose processes both died stays 'Running' for ever, and scheduled runs that were missed all run one
after the other. SQL knows what is still to do: a missed moment is one run.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.automations import AutomationCore
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.objects import FlowRun

logger = logging.getLogger("borderline.prefect")

SILENT_SECONDS = 90  # three heartbeats (PREFECT_FLOWS_HEARTBEAT_FREQUENCY is 30)
CRASHED_RULE = "borderline: runs that went silent have crashed"
_FLOW_RUN = "PREFECT__FLOW_RUN_ID"  # Prefect sets it in the process of a run
_ENDED = ("Completed", "Failed", "Cancelled", "Crashed")
_PAGE = 200  # the most that a server gives at once


def tidy_up(*, alone: bool) -> None:
    """Put the Prefect server of this process's settings in order; whatever goes wrong keeps no runner from starting."""
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True) as client:
            put_in_order(client, alone=alone)
    except Exception:
        logger.exception("Prefect could not be put in order; work is started all the same")


def put_in_order(client: SyncPrefectClient, *, alone: bool) -> None:
    """Register the rule for silent runs, cancel scheduled runs that are late, and end those whose process is gone.

    Args:
        client: Of the Prefect server.
        alone: Whether this machine runs all flows of the server, so that a run without a process here has none.
    """
    if not client.read_automations_by_name(CRASHED_RULE):
        client.create_automation(crashed_rule())
    for run in cancel_late(client):
        logger.info("the scheduled run %s was missed; what is due starts by itself", run.name)
    for run in crash_orphans(client) if alone else ():
        logger.warning("the run %s had lost its process; it has crashed", run.name)


def crashed_rule() -> AutomationCore:
    """Return the automation that marks a run as crashed when its heartbeat stops; no server has it by default."""
    from prefect.automations import AutomationCore, EventTrigger
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import Posture

    heartbeat = "prefect.flow-run.heartbeat"
    return AutomationCore(
        name=CRASHED_RULE,
        description="Borderline registers it when a flow runner starts.",
        trigger=EventTrigger(
            after={heartbeat},
            expect={heartbeat, *(f"prefect.flow-run.{state}" for state in _ENDED)},
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=SILENT_SECONDS),
        ),
        actions=[ChangeFlowRunState(name=None, state=StateType.CRASHED, message="It went silent.", force=False)],
    )


def cancel_late(client: SyncPrefectClient, by: timedelta = timedelta(0)) -> list[FlowRun]:
    """Cancel runs that a schedule made and whose time has passed by so much; returns them.

    While a training of hours holds the one slot, the runs of `reconcile` would pile up behind it, and keep the next
    round waiting. What they would have found the doorbell finds.
    """
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.states import Cancelled

    late = FlowRunFilter.model_validate(
        {"state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": {"before_": datetime.now(UTC) - by}}
    )
    runs = [run for run in _runs(client, late) if run.auto_scheduled]
    for run in runs:
        client.set_flow_run_state(run.id, Cancelled(message="Missed: nobody was there to run it."), force=True)
    return runs


def crash_orphans(client: SyncPrefectClient) -> list[FlowRun]:
    """Mark runs as crashed that are under way by Prefect's account and have no process on this machine."""
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.states import Crashed

    under_way = FlowRunFilter.model_validate({"state": {"type": {"any_": ["RUNNING", "PENDING"]}}})
    alive = set(_flow_runs_here())
    runs = [run for run in _runs(client, under_way) if run.deployment_id and str(run.id) not in alive]
    for run in runs:
        client.set_flow_run_state(run.id, Crashed(message="Its process is gone."), force=True)
    return runs


def _runs(client: SyncPrefectClient, which: FlowRunFilter) -> list[FlowRun]:
    """Return all of them, page by page, each once: some may come or go meanwhile."""
    from prefect.client.schemas.sorting import FlowRunSort

    found: dict[UUID, FlowRun] = {}
    for offset in itertools.count(0, _PAGE):
        page = client.read_flow_runs(flow_run_filter=which, sort=FlowRunSort.ID_DESC, limit=_PAGE, offset=offset)
        found.update((run.id, run) for run in page)
        if len(page) < _PAGE:
            break
    return list(found.values())


def _flow_runs_here() -> Iterable[str]:
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and _FLOW_RUN in (found := process.environ()):
                yield found[_FLOW_RUN]
        except (psutil.Error, OSError):
            continue
