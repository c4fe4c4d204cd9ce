"""GET /metrics for Prometheus: the store's numbers, and what only this process can count; not for everybody's eyes."""

from __future__ import annotations

import hmac
import os
import threading
from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from db import redaction
from db.engine import Database
from db.metrics import CONTENT_TYPE, StoreCollector
from db.secret_files import read_secret
from labeler_ui import counters, settings
from labeler_ui.api.guards import Refusal
from labeler_ui.hosts import host_name, is_loopback

PATH = "/metrics"
TOKEN = "BORDERLINE_METRICS_TOKEN"  # noqa: S105 - the variable's name
SHORTEST = 16
PROXIES = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
_one_at_a_time = threading.Lock()


def routes(open_database: Callable[[], Database]) -> list[BaseRoute]:
    """Return the route.

    Raises:
        ValueError: The token's setting cannot be used.
        SecretError: The token's file cannot be used.
    """
    store = CollectorRegistry(auto_describe=False)
    store.register(StoreCollector(open_database))
    return [Route(PATH, _endpoint(store, token()), methods=["GET"])]


def token() -> str | None:
    """Return what Prometheus has to send: BORDERLINE_METRICS_TOKEN, or what stands in BORDERLINE_METRICS_TOKEN_FILE.

    Raises:
        ValueError: Both are set, or it is too short to be a secret.
        SecretError: The file cannot be used.
    """
    given, file = os.environ.get(TOKEN, "").strip(), os.environ.get(f"{TOKEN}_FILE", "").strip()
    if given and file:
        raise ValueError(f"expected {TOKEN} or {TOKEN}_FILE, got both; set one")
    found = read_secret(file, f"{TOKEN}_FILE") if file else given
    if not found:
        return None
    if len(found) < SHORTEST or not found.isascii():
        raise ValueError(
            f"expected {TOKEN} of at least {SHORTEST} ASCII characters, got fewer or others; make a new one"
        )
    redaction.hide(found)
    return found


def _endpoint(store: CollectorRegistry, secret: str | None) -> counters.Endpoint:
    async def answer(request: Request) -> Response:
        try:
            check(request, secret)
        except Refusal as refusal:
            response: Response = refusal.response()
            if refusal.status == 401:
                response.headers["WWW-Authenticate"] = 'Bearer realm="borderline metrics"'
            return response
        text = await run_in_threadpool(partial(_text, store))
        return PlainTextResponse(text, media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})

    return answer


def _text(store: CollectorRegistry) -> str:
    with _one_at_a_time:  # however many ask, the store is read by one
        return (generate_latest(store) + generate_latest(counters.REGISTRY)).decode()


def check(request: Request, secret: str | None) -> None:
    """Refuse whoever may not see the numbers.

    With a token it has to be sent, from wherever. Without one only this machine may ask, and only where no accounts and
    no public address are set: a proxy on this machine would make everybody look like this machine, and not every proxy
    says that it is one.

    Raises:
        Refusal: 401 with a wrong token or none, 403 where none is set and somebody else may be asking.
    """
    if secret is not None:
        scheme, _, sent = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(sent.strip().encode(), secret.encode()):
            raise Refusal(401, "token", "Expected the header 'Authorization: Bearer ...' with the token for metrics.")
        return
    found = settings.load()
    alone = not found.team and found.public_url is None
    address = request.client.host if request.client else ""
    here = is_loopback(address) and is_loopback(host_name(request.headers.get("host", "")))
    if not alone or not here or any(name in request.headers for name in PROXIES):
        raise Refusal(403, "forbidden", f"Metrics need a token here: set {TOKEN} or {TOKEN}_FILE and send it.")
