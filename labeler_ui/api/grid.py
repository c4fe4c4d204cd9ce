"""The grid's routes: claim a group of images to confirm while the one before is looked at, and give images back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from db import claims as claiming
from db import errors, grid
from db.records import Group
from labeler_ui import delivery
from labeler_ui.api.guards import Call

MOST = grid.MOST
LARGEST_LIST = 500


def claims(call: Call) -> Response:
    """Renew the tiles the page has and claim the group after them.

    The body has `most` (tiles of a group; 0 only renews), `holding` ([query id, token] of tiles on the page) and
    `besides` (query ids whose answers are still on their way).
    """
    most = call.body.get("most", MOST)
    if not _is_integer(most) or most < 0:
        raise errors.InvalidInput(f"expected 'most' as a whole number from 0, got {most!r:.60}; reload the page")
    holding = _pairs(call.body)
    besides = [*_integers(call.body, "besides"), *(query_id for query_id, _ in holding)]
    held = claiming.renew(call.database, call.actor, call.project_id, holding)
    group = None
    if most:
        group = grid.claim_group(call.database, call.actor, call.project_id, min(most, MOST), besides=besides)
    open_tiles = grid.tiles(call.database, call.actor, call.project_id)
    return _json({"group": _group(group), "held": held, "open": open_tiles})


def release(call: Call) -> Response:
    """Give tiles back, so that others can have them at once."""
    query_ids = _integers(call.body, "query_ids")
    return _json({"released": claiming.release(call.database, call.actor, call.project_id, query_ids)})


def _group(group: Group | None) -> dict[str, Any] | None:
    if group is None:
        return None
    queries = [delivery.query_json(query) for query in group.queries]
    return {"key": group.key, "class_id": group.class_id, "queries": queries}


def _integers(body: Mapping[str, Any], name: str) -> list[int]:
    values = body.get(name, [])
    if not isinstance(values, list) or len(values) > LARGEST_LIST or not all(map(_is_integer, values)):
        raise errors.InvalidInput(f"expected '{name}' as at most {LARGEST_LIST} query ids; reload the page")
    return values


def _pairs(body: Mapping[str, Any]) -> list[tuple[int, int]]:
    values = body.get("holding", [])
    fine = isinstance(values, list) and len(values) <= LARGEST_LIST
    if not fine or not all(
        isinstance(pair, list) and len(pair) == 2 and all(map(_is_integer, pair)) for pair in values
    ):
        raise errors.InvalidInput(f"expected 'holding' as at most {LARGEST_LIST} pairs of query id and token; reload")
    return [(query_id, token) for query_id, token in values]


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _json(content: dict[str, Any]) -> Response:
    return JSONResponse(content, headers={"Cache-Control": "no-store"})
