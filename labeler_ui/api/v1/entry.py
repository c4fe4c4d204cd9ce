"""What stands before every route of the HTTP API: a bearer token, its project, its pace; errors as everywhere else."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from db import api_tokens, errors, logs
from db.engine import Database
from db.records import Actor, TokenHolder
from labeler_ui.api import guards
from labeler_ui.api.guards import Refusal, Service

log = logging.getLogger(__name__)

REQUESTS_A_SECOND = 20.0
BURST = 100.0
_LARGEST_ID = 2**53
_MOST_BUCKETS = 10_000


@dataclass(frozen=True, kw_only=True)
class ApiCall:
    """One checked request: whose token, which project (None where the route has none), which JSON body."""

    database: Database
    holder: TokenHolder
    request: Request
    body: Mapping[str, Any]

    @property
    def actor(self) -> Actor:
        """The token's user."""
        return self.holder.actor

    @property
    def project_id(self) -> int:
        """The project in the path."""
        return int(self.request.path_params["project_id"])

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number of the query string.

        Raises:
            InvalidInput: it is not one, or out of range.
        """
        given = self.request.query_params.get(name)
        if given is None:
            return default
        if not given.isascii() or not given.isdecimal() or len(given) > 16 or not low <= int(given) <= high:
            raise errors.InvalidInput(f"expected '{name}' from {low} to {high}, got {given!r:.40}; choose one in range")
        return int(given)


Handler = Callable[[ApiCall], Response]


def json_answer(content: object, status: int = 200) -> Response:
    """Return JSON that nobody keeps."""
    return JSONResponse(content, status_code=status, headers={"Cache-Control": "no-store"})


class Pace:
    """A token bucket for each API token, in this process alone: so many requests a second, a burst above that."""

    def __init__(self, rate: float = REQUESTS_A_SECOND, burst: float = BURST) -> None:
        self.rate, self.burst = rate, burst
        self._left: dict[int, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait(self, key: int, moment: float | None = None) -> float:
        """Take one request out; returns 0, or the seconds after which there is one again."""
        at = time.monotonic() if moment is None else moment
        with self._lock:
            if len(self._left) > _MOST_BUCKETS:
                self._left.clear()
            left, then = self._left.get(key, (self.burst, at))
            left = min(self.burst, left + (at - then) * self.rate)
            if left < 1:
                self._left[key] = (left, at)
                return (1 - left) / self.rate
            self._left[key] = (left - 1, at)
            return 0.0


def endpoint(service: Service, pace: Pace, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Wrap a plain function of a checked `ApiCall` into an endpoint that never shows a traceback."""

    async def answer(request: Request) -> Response:
        with logs.context(**request.path_params):
            return await _answer(service, pace, handler, request)

    return answer


async def _answer(service: Service, pace: Pace, handler: Handler, request: Request) -> Response:
    try:
        holder = await run_in_threadpool(admit, service, pace, request)
        body = await guards.json_body(request) if request.method == "POST" else {}
        return await run_in_threadpool(_handle, service, holder, handler, request, body)
    except Refusal as refusal:
        return refused(refusal)
    except ClientDisconnect:
        return Response(status_code=204)
    except errors.StoreError as error:
        return refused(guards.store_refusal(error))
    except Exception:
        log.exception("the route %s failed", request.scope.get("path", "")[:200])
        return refused(Refusal(500, "failed", "Something went wrong here. Nothing was lost; try again."))


def admit(service: Service, pace: Pace, request: Request) -> TokenHolder:
    """Check token, pace and project, before anything of the body is read.

    Raises:
        Refusal: 401 without a valid token, 429 too fast or after too many failures, 403 for another project.
    """
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    address = request.client.host if request.client else ""
    given = secret.strip() if scheme.lower() == "bearer" else None
    try:
        holder = api_tokens.authenticate(service.open_database(), given, address)
    except errors.PermissionDenied as error:
        raise Refusal(429, "too_many_failures", str(error)) from error
    if holder is None:
        raise Refusal(401, "token", "Expected the header 'Authorization: Bearer blt_...' with a token that is valid.")
    if pace.wait(holder.token_id) > 0:
        limit = f"{REQUESTS_A_SECOND:.0f} requests a second"
        raise Refusal(429, "too_fast", f"Expected at most {limit} with one token; wait, or send more in one request.")
    _check_ids(request, holder)
    return holder


def _check_ids(request: Request, holder: TokenHolder) -> None:
    if any(not 0 < int(value) < _LARGEST_ID for value in request.path_params.values()):
        raise Refusal(404, "not_found", "There is nothing under such an id.")
    asked = request.path_params.get("project_id", holder.project_id)
    if holder.project_id is not None and asked != holder.project_id:
        raise Refusal(403, "forbidden", "This token is for another project. Make one for this project.")


def _handle(
    service: Service, holder: TokenHolder, handler: Handler, request: Request, body: Mapping[str, Any]
) -> Response:
    return handler(ApiCall(database=service.open_database(), holder=holder, request=request, body=body))


def refused(refusal: Refusal) -> Response:
    """Return a refusal as JSON, with the headers that say what to do next."""
    response = refusal.response()
    if refusal.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="borderline"'
    if refusal.status == 429:
        response.headers["Retry-After"] = "1" if refusal.reason == "too_fast" else "60"
    return response
