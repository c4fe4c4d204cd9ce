"""The HTTP API for programs, /api/v1: claim, answer, statistics, labels, webhooks; its document and its page."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from labeler_ui import counters
from labeler_ui.api import openapi
from labeler_ui.api.guards import Refusal, Service
from labeler_ui.api.v1 import work
from labeler_ui.api.v1.entry import Pace, endpoint, json_answer, refused
from labeler_ui.api.v1.table import OPERATIONS, PREFIX, Operation

__all__ = ["OPERATIONS", "routes"]


def routes(service: Service, pace: Pace | None = None) -> Sequence[BaseRoute]:
    """Return the routes of the table, of its document, and of whatever else is asked below /api/v1.

    Args:
        service: The store that every route uses.
        pace: How fast one token may ask; None is the usual.
    """
    shared = pace or Pace()
    table = [
        Route(
            PREFIX + operation.path.replace("_id}", "_id:int}"),
            _timed(operation, endpoint(service, shared, operation.handler)),
            methods=[operation.method],
        )
        for operation in OPERATIONS
    ]
    document = openapi.document(OPERATIONS, PREFIX)
    text, headers = openapi.page(document)

    async def show_document(request: Request) -> Response:
        return json_answer(document)

    async def show_page(request: Request) -> Response:
        return HTMLResponse(text, headers=headers)

    return [
        *table,
        Route(f"{PREFIX}/openapi.json", show_document, methods=["GET"]),
        Route(f"{PREFIX}/docs", show_page, methods=["GET"]),
        Route(f"{PREFIX}/{{rest:path}}", _nothing_here, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]


def _timed(operation: Operation, answer: counters.Endpoint) -> counters.Endpoint:
    return counters.timed("api", answer) if operation.handler is work.answer else answer


async def _nothing_here(request: Request) -> Response:
    return refused(Refusal(404, "not_found", "There is no such route and method; see /api/v1/docs."))
