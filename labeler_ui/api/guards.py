"""What stands before every route: token, origin, body size, and errors that say what to do and nothing else."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from db import errors, logs, sessions
from db.access import Actor
from db.engine import Database
from labeler_ui import settings, tokens

log = logging.getLogger(__name__)

BODY_LIMIT = 256 * 1024

STATUS: dict[type[errors.StoreError], tuple[int, str]] = {
    errors.NotFound: (404, "not_found"),
    errors.Conflict: (409, "conflict"),
    errors.PermissionDenied: (403, "forbidden"),
    errors.InvalidInput: (422, "invalid"),
    errors.StoreBusy: (503, "busy"),
    errors.StoreFull: (507, "full"),
}


class Refusal(Exception):
    """A request that is answered with an error: an HTTP status, a word for programs, a sentence for people."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message

    def response(self) -> JSONResponse:
        """Return the refusal as JSON."""
        headers = {"Cache-Control": "no-store"} | ({"Retry-After": "1"} if self.status == 503 else {})
        body = {"error": {"reason": self.reason, "message": self.message}}
        return JSONResponse(body, status_code=self.status, headers=headers)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One checked request: who calls, about which project, with which JSON body."""

    database: Database
    secret: bytes
    actor: Actor
    project_id: int
    session_id: int | None
    request: Request
    body: Mapping[str, Any]


Handler = Callable[[Call], Response]


@dataclass(frozen=True, kw_only=True)
class Service:
    """What all routes share. `open_database` is called on the first request, in a worker thread.

    `team`: a token must name a session that is live; in local mode there are none.
    """

    open_database: Callable[[], Database]
    secret: bytes
    team: bool = field(default_factory=lambda: settings.load().team)

    def guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Wrap a plain function of a checked `Call` into an endpoint that never shows a traceback."""

        async def endpoint(request: Request) -> Response:
            with logs.context(**request.path_params):
                return await self._answer(handler, request)

        return endpoint

    async def _answer(self, handler: Handler, request: Request) -> Response:
        try:
            visitor = self._visitor(request)
            body = await json_body(request) if request.method == "POST" else {}
            return await run_in_threadpool(self._handle, handler, request, visitor, body)
        except Refusal as refusal:
            return refusal.response()
        except ClientDisconnect:
            return Response(status_code=204)
        except errors.StoreError as error:
            return store_refusal(error).response()
        except Exception:
            log.exception("the route %s failed", request.scope.get("path", ""))
            return Refusal(500, "failed", "Something went wrong here. Nothing was lost; try again.").response()

    def _visitor(self, request: Request) -> tokens.Pass:
        """Check origin and token before anything else is read."""
        check_origin(request)
        try:
            visitor = tokens.read(self.secret, request.headers.get(tokens.HEADER))
        except tokens.TokenError as error:
            raise Refusal(401, "token", str(error)) from error
        if visitor.project_id != request.path_params.get("project_id", visitor.project_id):
            raise Refusal(403, "forbidden", "This pass is for another project. Open that project's page.")
        return visitor

    def _handle(self, handler: Handler, request: Request, visitor: tokens.Pass, body: Mapping[str, Any]) -> Response:
        database = self.open_database()
        actor = self._caller(database, visitor)
        return handler(
            Call(
                database=database,
                secret=self.secret,
                actor=actor,
                project_id=visitor.project_id,
                session_id=visitor.session_id,
                request=request,
                body=body,
            )
        )

    def _caller(self, database: Database, visitor: tokens.Pass) -> Actor:
        """Return who calls, as the store knows them now: disabled or logged out ends every token at once."""
        if self.team and visitor.session_id is None:
            raise Refusal(401, "token", "This page's pass is from before there were accounts. Reload the page.")
        try:
            return sessions.caller(database, visitor.user_id, visitor.session_id)
        except errors.PermissionDenied as error:
            raise Refusal(401, "session", str(error)) from error


def store_refusal(error: errors.StoreError) -> Refusal:
    """Translate an error of the store into an answer; kinds that are not a caller's business become a plain 500."""
    for kind, (status, reason) in STATUS.items():
        if isinstance(error, kind):
            return Refusal(status, reason, str(error))
    log.error("the store failed: %s", error)
    return Refusal(500, "failed", "The store cannot be used just now. The server's log says why.")


def check_origin(request: Request, *, same_site: bool = True) -> None:
    """Refuse a request that another site's page makes.

    Args:
        request: What came in; the API's custom header already keeps simple forms out.
        same_site: Whether a neighbor (another name below the same domain) may ask; a login's form never takes one.

    Raises:
        Refusal: 403.
    """
    origin = request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
    refused = {"cross-site"} if same_site else {"cross-site", "same-site"}
    if foreign or request.headers.get("sec-fetch-site") in refused:
        raise Refusal(403, "origin", "Requests from other sites are not accepted.")


async def json_body(request: Request) -> Mapping[str, Any]:
    """Read at most BODY_LIMIT bytes of a JSON object.

    Raises:
        Refusal: 413 when the body is larger, 415 when it is not sent as JSON, 400 when it is no JSON object.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Refusal(415, "media_type", "Expected a body of type application/json.")
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > BODY_LIMIT:
            raise Refusal(413, "too_large", f"Expected at most {BODY_LIMIT // 1024} KiB in one request; send less.")
    try:
        body = json.loads(bytes(data) or b"{}")
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "json", "The body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise Refusal(400, "json", "Expected a JSON object.")
    return body
