"""Tells other programs what happened: signed messages from the outbox, at least once each, with patience."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from db import deliveries, logs
from db.engine import Database
from db.records import Parcel
from flows import outgoing
from flows.settings import Settings
from flows.store import Store, open_store

logger = logging.getLogger("borderline.webhooks")

THREADS = 8
PASS_SECONDS = 1.0
PRUNE_SECONDS = 3600.0


def relay(store: Store) -> int:
    """Spread new messages over the webhooks and send what is due, once; returns how many were sent or tried."""
    deliveries.spread(store.database)
    parcels = deliveries.lease(store.database, 2 * THREADS)
    if not parcels:
        return 0
    private = store.settings.webhook_allow_private
    with ThreadPoolExecutor(THREADS, thread_name_prefix="webhook") as pool:
        list(pool.map(lambda parcel: deliver(store.database, parcel, allow_private=private), parcels))
    return len(parcels)


def relay_until(settings: Settings, stop: threading.Event, seconds: float = PASS_SECONDS) -> None:
    """Relay every second, apart from the rounds' doorbell: a slow receiver must not keep a round from starting."""
    pruned = time.monotonic()
    with open_store(settings, system=True) as store:
        while not stop.wait(seconds):
            try:
                while relay(store) and not stop.is_set():
                    pass
                if time.monotonic() - pruned > PRUNE_SECONDS:
                    pruned = time.monotonic()
                    deliveries.prune(store.database)
            except Exception:
                logger.exception("webhooks could not be told; they will be")
                stop.wait(5 * seconds)


def deliver(database: Database, parcel: Parcel, *, allow_private: bool) -> tuple[int | None, str]:
    """Send one message and note how it went; returns the status of the answer and what was wrong, if anything."""
    status, error = send(parcel, allow_private=allow_private)
    deliveries.finish(database, parcel, status, error)
    if error:
        with logs.context(project_id=parcel.project_id):
            logger.info("delivery %d, attempt %d: %s", parcel.delivery_id, parcel.attempt, error)
    return status, error


def send(parcel: Parcel, *, allow_private: bool) -> tuple[int | None, str]:
    """Send one message; an answer of 200 to 299 is success, a redirect is not followed."""
    body = message(parcel)
    headers = signed_headers(parcel, body, int(time.time()))
    try:
        status = outgoing.post(parcel.url, body, headers, allow_private=allow_private)
    except (outgoing.Refused, OSError, http.client.HTTPException, ValueError) as error:
        return None, _plain(error)
    if 200 <= status < 300:
        return status, ""
    return status, f"the receiver answered {status}" + (", and redirects are not followed" if status < 400 else "")


def message(parcel: Parcel) -> bytes:
    """Return the body of a message; `id` is the same at every attempt and for every receiver."""
    content = {
        "id": parcel.message_id,
        "topic": parcel.topic,
        "project_id": parcel.project_id,
        "created_at": parcel.created_at,
        "data": dict(parcel.payload),
    }
    return json.dumps(content, separators=(",", ":"), sort_keys=True).encode()


def signed_headers(parcel: Parcel, body: bytes, timestamp: int) -> dict[str, str]:
    """Return the headers of a message.

    Args:
        parcel: What is sent.
        body: Its exact bytes.
        timestamp: Seconds since the epoch, signed along, so that an old message cannot be sent again.
    """
    return {
        "Content-Type": "application/json",
        "User-Agent": "Borderline-Webhook/1",
        "Borderline-Event": parcel.topic,
        "Borderline-Delivery": str(parcel.delivery_id),
        "Borderline-Timestamp": str(timestamp),
        "Borderline-Signature": signature(parcel.secret, timestamp, body),
    }


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message.

    >>> signature("whs_x", 1790000000, b"{}")[:14]
    'v1=cf42258c756'
    """
    signed = f"{timestamp}.".encode() + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _plain(error: Exception) -> str:
    """One line without control characters, whatever the other side sent."""
    text = str(error) or type(error).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:300]
