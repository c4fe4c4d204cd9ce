"""Tells Prefect that a project has labels enough to retrain: at least once, and only after they are in SQL.

An event that is sent while the server is down is lost for good, so a message stays in the outbox until the server has
taken it. Nothing depends on it: the doorbell and the interval of `reconcile` read the same from SQL.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from db import outbox, schedules
from flows.store import Store

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events import DeploymentEventTrigger
    from prefect.events.schemas.events import Event

LABELS_DUE = "borderline.labels-due"
QUIET_SECONDS = 30.0  # between two events of a project: the first has started what the second would
_IDS = uuid.UUID("6f0d2c0e-8d0c-4f6e-9b0a-5f1f3c1f0a77")  # a message's event has the same id at every attempt


class EventRelay:
    """Carries messages of the outbox to Prefect, one event a project at a time."""

    def __init__(self, send: Callable[[Event], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._clock = clock
        self._sent_at: dict[int, float] = {}

    def carry(self, store: Store) -> int:
        """Send an event for each project that has labels enough, and note it; returns how many were sent.

        Messages of a project that lacks labels are dropped. One whose last event is young keeps them for later.

        Raises:
            Exception: The server did not take it; the message stays for the next time.
        """
        waiting = outbox.waiting(store.database)
        if not waiting:
            return 0
        due = {slot.project_id: slot.slot for slot in schedules.due(store.database) if slot.kind == "retrain"}
        sent = 0
        for project_id, messages in waiting.items():
            if project_id not in due:
                outbox.drop(store.database, messages)
            elif self._clock() - self._sent_at.get(project_id, -QUIET_SECONDS) >= QUIET_SECONDS:
                self._send(event_of(project_id, min(messages), due[project_id]))
                outbox.note_sent(store.database, messages)
                self._sent_at[project_id] = self._clock()
                sent += 1
        return sent


def event_of(project_id: int, message_id: int, labels: int) -> Event:
    """Return the event of a message."""
    from prefect.events.schemas.events import Event, Resource

    return Event(
        event=LABELS_DUE,
        resource=Resource({"prefect.resource.id": f"borderline.project.{project_id}"}),
        payload={"project_id": project_id, "labels": labels},
        id=uuid.uuid5(_IDS, str(message_id)),
    )


def send_with(client: SyncPrefectClient) -> Callable[[Event], None]:
    """Return a function that sends an event by HTTP: it returns when the server has it, which a websocket does not."""

    def send(event: Event) -> None:
        client.request("POST", "/events", json=[event.model_dump(mode="json")]).raise_for_status()

    return send


def reconcile_trigger() -> DeploymentEventTrigger:
    """Return the trigger by which such an event starts `reconcile`.

    No parameter is passed on: what a template makes of a number is a text, and SQL knows better what is due.
    """
    from prefect.events import DeploymentEventTrigger

    return DeploymentEventTrigger(
        name="borderline: labels enough to retrain",
        expect={LABELS_DUE},
        for_each={"prefect.resource.id"},
        threshold=1,
        within=timedelta(0),
    )
