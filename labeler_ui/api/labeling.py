"""The hot loop's routes: claim images, send answers, undo. Everything can be repeated without harm."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from db import annotations as answering
from db import claims as claiming
from db import errors
from db.progress import progress, standing
from labeler_ui import delivery, tokens, words
from labeler_ui.api.guards import Call

WINDOW = 20
PENDING_AT_MOST = 100
SMALLEST_SHARE = 4
OPEN_THAT_MATTERS = 2 * (WINDOW + PENDING_AT_MOST)  # nobody gets more than half of what is open
STRIP = 20


async def health(request: Request) -> Response:
    """Say that this is Borderline's page and that it answers. Needs no token and tells nothing else."""
    return _json({"name": "borderline", "ok": True})


def refresh_token(call: Call) -> Response:
    """Hand out a fresh token for a valid one."""
    fresh = tokens.mint(
        call.secret,
        user_id=call.actor.user_id,
        name=call.actor.name,
        project_id=call.project_id,
        session_id=call.session_id,
    )
    return _json({"token": fresh, "expires_in": tokens.seconds_left(call.secret, fresh)})


def claims(call: Call) -> Response:
    """Claim up to `count` images in all, renewing those already held, and say how the round stands."""
    wanted = _count(call.body, "count", 1, WINDOW + PENDING_AT_MOST)
    holding = _count(call.body, "holding", 0, WINDOW + PENDING_AT_MOST)
    count = fair_window(
        wanted, holding, claiming.free_now(call.database, call.actor, call.project_id, OPEN_THAT_MATTERS)
    )
    queries = claiming.claim(call.database, call.actor, call.project_id, count)
    turn = standing(call.database, call.actor, call.project_id)
    return _json(
        {
            "queries": [delivery.query_json(query) for query in queries],
            "progress": {"round": turn.number, "answered": turn.gained, "wanted": turn.k},
            "state": None if queries else _why_nothing(call),
        }
    )


def _why_nothing(call: Call) -> dict[str, Any]:
    """Say why there is no image; counts the whole pool, so only an empty-handed page asks for it."""
    waiting = claiming.waiting(call.database, call.actor, call.project_id)
    return words.idle_state(progress(call.database, call.actor, call.project_id), waiting)


def fair_window(wanted: int, holding: int, open_now: int) -> int:
    """Return how many images one person may hold: never more than half of what is open, so others find some too.

    Args:
        wanted: How many the browser would like to hold in all.
        holding: How many it holds already.
        open_now: How many nobody holds.
    """
    share = max(SMALLEST_SHARE, -(-open_now // 2))
    return max(1, min(wanted, holding + share))


def answers(call: Call) -> Response:
    """Save a batch of answers; each is acknowledged by its id with its own result."""
    entries = call.body.get("answers")
    if not isinstance(entries, list):
        raise errors.InvalidInput("expected a list 'answers'; reload the page")
    return _json({"results": delivery.deliver(call.database, call.actor, call.project_id, entries)})


def undo(call: Call) -> Response:
    """Take an answer back; its image comes back to the same person."""
    return _json({"result": delivery.undo(call.database, call.actor, call.project_id, call.body)})


def recent(call: Call) -> Response:
    """Return the caller's latest answers that stand, newest first: what the filmstrip shows in a new browser."""
    found = answering.recent(call.database, call.actor, call.project_id, STRIP)
    return _json({"answers": [delivery.recent_json(answer) for answer in found]})


def _count(body: Any, name: str, low: int, high: int) -> int:
    value = body.get(name, low)
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise errors.InvalidInput(f"expected '{name}' as a whole number from {low}, got {value!r}; reload the page")
    return min(value, high)


def _json(content: dict[str, Any]) -> Response:
    return JSONResponse(content, headers={"Cache-Control": "no-store"})
