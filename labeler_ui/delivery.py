"""How answers reach SQL: one function for both ways, the route and the component's state. Safe to repeat by design."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from db import annotations as answering
from db import errors
from db.engine import Database
from db.records import Actor, Answer, ClaimedQuery, RecentAnswer
from db.records.answers import Outcome
from labeler_ui import counters
from labeler_ui.settings import CLIENT_VERSION

log = logging.getLogger(__name__)

BATCH_LIMIT = 100
NOTE_LIMIT = 2000
MODES = ("single", "grid")
SHOWN_LIMIT = 8
_SHOWN_NAME = re.compile(r"[a-z][a-z_]{0,39}")
OUTCOMES: dict[str, Outcome] = {"class": "class", "skip": "skip", "unsure": "unsure", "flag": "flag"}

Result = dict[str, Any]


def deliver(database: Database, actor: Actor, project_id: int, entries: Sequence[Any]) -> list[Result]:
    """Submit answers and undo steps in the order given; each gets its own result and none stops the rest.

    Args:
        database: The store.
        actor: Who answered.
        project_id: The project that all entries belong to.
        entries: Objects as the component keeps them in its outbox, at most BATCH_LIMIT.

    Returns:
        One result an entry: `id` (the entry's own), `ok`, and for a success `status`, `message` and after an undo
        `query` (the image claimed again), for a failure `reason`, `message` and `retry` (worth sending again).

    Raises:
        errors.InvalidInput: More than BATCH_LIMIT entries.
    """
    if len(entries) > BATCH_LIMIT:
        raise errors.InvalidInput(f"expected at most {BATCH_LIMIT} answers at a time, got {len(entries)}; send fewer")
    return [_deliver_one(database, actor, project_id, entry) for entry in entries]


def _deliver_one(database: Database, actor: Actor, project_id: int, entry: Any) -> Result:
    identity = str(entry.get("id", "")) if isinstance(entry, Mapping) else ""
    try:
        if not isinstance(entry, Mapping):
            raise errors.InvalidInput("expected an object for each answer, got something else")
        if entry.get("kind") == "undo":
            return undo(database, actor, project_id, entry)
        return submit(database, actor, project_id, entry)
    except errors.StoreBusy as error:
        return {"id": identity, "ok": False, "retry": True, "reason": "busy", "message": str(error)}
    except errors.StoreError as error:
        return {"id": identity, "ok": False, "retry": False, "reason": type(error).__name__, "message": str(error)}
    except Exception:
        log.exception("an answer could not be delivered")
        message = "The server could not save this answer just now."
        return {"id": identity, "ok": False, "retry": True, "reason": "failed", "message": message}


def submit(database: Database, actor: Actor, project_id: int, entry: Mapping[str, Any]) -> Result:
    """Save one answer. The same entry twice gives the first result again."""
    receipt = answering.submit(database, actor, project_id, _answer(entry))
    if not receipt.repeated:
        counters.saved(project_id)
    return {
        "id": receipt.answer_id,
        "ok": True,
        "status": receipt.status,
        "repeated": receipt.repeated,
        "query_closed": receipt.query_closed,
        "round_complete": receipt.round_complete,
        "message": receipt.message,
    }


def undo(database: Database, actor: Actor, project_id: int, entry: Mapping[str, Any]) -> Result:
    """Take one answer back; its image is claimed again for the same person."""
    undo_id, answer_id = _text(entry, "id", 64), _text(entry, "answer_id", 64)
    receipt = answering.undo(database, actor, project_id, undo_id, answer_id)
    return {
        "id": undo_id,
        "ok": True,
        "status": receipt.status,
        "repeated": receipt.repeated,
        "message": receipt.message,
        "query": None if receipt.claimed is None else query_json(receipt.claimed),
    }


def query_json(query: ClaimedQuery) -> dict[str, Any]:
    """Return a claimed query as the component reads it. The kind is left out: a quality check must not show."""
    return {
        "query_id": query.query_id,
        "sample_id": query.sample_id,
        "token": query.token,
        "expires_at": query.expires_at,
        "reserve": query.reserve,
        "predicted": query.predicted,
        "comment": query.comment,
    }


def recent_json(answer: RecentAnswer) -> dict[str, Any]:
    """Return an own answer as the filmstrip reads it; `token` is what an edit of it sends."""
    return {
        "answer_id": answer.answer_id,
        "query_id": answer.query_id,
        "sample_id": answer.sample_id,
        "token": answer.token,
        "outcome": answer.outcome,
        "class_id": answer.class_id,
    }


def _answer(entry: Mapping[str, Any]) -> Answer:
    outcome = OUTCOMES.get(_text(entry, "outcome", 10))
    if outcome is None:
        raise errors.InvalidInput(f"expected an outcome of {list(OUTCOMES)}, got {entry.get('outcome')!r}")
    return Answer(
        answer_id=_text(entry, "id", 64),
        query_id=_integer(entry, "query_id"),
        token=_integer(entry, "token"),
        outcome=outcome,
        class_id=_integer(entry, "class_id") if outcome == "class" else None,
        note=_text(entry, "note", NOTE_LIMIT, required=False),
        shown_at=_optional_integer(entry, "shown_at"),
        answered_at=_optional_integer(entry, "answered_at"),
        latency_ms=_optional_integer(entry, "latency_ms"),
        prediction_shown=entry.get("prediction_shown") is True,
        shown=_shown(entry),
        mode=_mode(entry),
        client_version=CLIENT_VERSION,
        supersedes=None if entry.get("supersedes") is None else _text(entry, "supersedes", 64),
    )


def _mode(entry: Mapping[str, Any]) -> str:
    mode = entry.get("mode", "single")
    if mode not in MODES:
        raise errors.InvalidInput(f"expected a mode of {list(MODES)}, got {mode!r:.40}; reload the page")
    return str(mode)


def _shown(entry: Mapping[str, Any]) -> dict[str, bool] | None:
    """Return what else was on the screen before the answer: a small flat object of booleans."""
    shown = entry.get("shown")
    if shown is None:
        return None
    small = isinstance(shown, Mapping) and len(shown) <= SHOWN_LIMIT
    if not small or not all(_SHOWN_NAME.fullmatch(name) and isinstance(seen, bool) for name, seen in shown.items()):
        raise errors.InvalidInput(f"expected 'shown' as up to {SHOWN_LIMIT} names with true or false; reload the page")
    return dict(shown)


def _text(entry: Mapping[str, Any], name: str, limit: int, *, required: bool = True) -> str:
    value = entry.get(name, "")
    if not isinstance(value, str) or len(value) > limit or (required and not value):
        raise errors.InvalidInput(f"expected '{name}' as a text of at most {limit} characters; reload the page")
    return value


def _integer(entry: Mapping[str, Any], name: str) -> int:
    value = entry.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**53) < value < 2**53:
        raise errors.InvalidInput(f"expected '{name}' as a whole number; reload the page")
    return value


def _optional_integer(entry: Mapping[str, Any], name: str) -> int | None:
    return None if entry.get(name) is None else _integer(entry, name)
