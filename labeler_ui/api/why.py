"""Why this image, as routes: what the flow stored with a query, and its two pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse, Response

from db import why as reasons
from db.records import ClassName, Display, Why
from labeler_ui import why_words
from labeler_ui.api.guards import Call
from labeler_ui.api.images import show


def why(call: Call) -> Response:
    """Answer with all that is known of why a query is asked."""
    query_id = call.request.path_params["query_id"]
    found = reasons.why(call.database, call.actor, call.project_id, query_id)
    return JSONResponse(_content(call.project_id, found), headers={"Cache-Control": "no-store"})


def picture(which: reasons.Picture) -> Callable[[Call], Response]:
    """Return the route of one of the two pictures.

    Args:
        which: The adversarial copy, or its difference from the original.
    """

    def route(call: Call) -> Response:
        query_id = call.request.path_params["query_id"]
        return show(call, reasons.picture_of(call.database, call.actor, call.project_id, query_id, which))

    return route


def _content(project_id: int, found: Why) -> dict[str, Any]:
    return {
        "strategy": found.strategy,
        "place": found.place,
        "pool": found.pool,
        "score": found.score,
        "distance": why_words.distance(found),
        "predicted": _class(found.predicted),
        "nearest": _class(found.nearest),
        "copy": _address(project_id, found, "copy", found.copy),
        "difference": _address(project_id, found, "difference", found.difference),
        "amplified": _readable(found.amplified),
        "neighbors": [{"sample_id": item.sample_id, "class": item.class_name} for item in found.neighbors],
        "sentence": why_words.sentence(found),
    }


def _address(project_id: int, found: Why, which: reasons.Picture, place: Display | None) -> str | None:
    """Return an address with the picture's tag: browsers keep pictures, and a query in a new round has another one."""
    if place is None:
        return None
    return f"/api/projects/{project_id}/queries/{found.query_id}/{which}?v={place.etag}"


def _class(entry: ClassName | None) -> dict[str, Any] | None:
    return None if entry is None else {"id": entry.id, "name": entry.name}


def _readable(factor: float | None) -> float | None:
    """Three digits are enough to say 'amplified 40 times'."""
    if factor is None:
        return None
    return round(factor) if factor >= 10 else float(f"{factor:.2g}")
