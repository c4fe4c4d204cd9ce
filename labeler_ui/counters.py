"""What only the page's process can count: answers as they are saved, and how long requests with answers take."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from starlette.requests import Request
from starlette.responses import Response

Endpoint = Callable[[Request], Awaitable[Response]]

REGISTRY = CollectorRegistry()
ANSWERS = Counter("borderline_answers", "Answers that this process saved.", ["project"], registry=REGISTRY)
SECONDS = Histogram(
    "borderline_answer_request_duration_seconds",
    "How long a request with answers took, on the page's route and on the API's.",
    ["way"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    registry=REGISTRY,
)
ProcessCollector(registry=REGISTRY)


def saved(project_id: int) -> None:
    """Count an answer that was saved now; a repeat of one is none."""
    ANSWERS.labels(str(project_id)).inc()


def timed(way: str, endpoint: Endpoint) -> Endpoint:
    """Wrap an endpoint so that each request's time is in the histogram, whatever came of it."""

    async def answer(request: Request) -> Response:
        begun = time.perf_counter()
        try:
            return await endpoint(request)
        finally:
            SECONDS.labels(way).observe(time.perf_counter() - begun)

    return answer
