"""Labeling by program: claim queries, look at images, send answers, take them back. Everything can be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from db import annotations as answering
from db import claims, copy_answers, errors, inputs, projects, samples
from db.records import Answer, ClaimedQuery, Receipt
from db.records.answers import Outcome
from labeler_ui import counters
from labeler_ui.api import images
from labeler_ui.api.guards import store_refusal
from labeler_ui.api.v1.entry import ApiCall, json_answer

PREFIX = "/api/v1"
CLIENT_VERSION = "api-1"
MOST_CLAIMS = 100
MOST_ANSWERS = 100
LONGEST_LEASE = 3600
NOTE_LIMIT = 2000
OUTCOMES: dict[str, Outcome] = {"class": "class", "skip": "skip", "unsure": "unsure", "flag": "flag"}

Result = dict[str, Any]


def claim(call: ApiCall) -> Response:
    """Claim queries: those held already come back with them, their leases renewed."""
    count = inputs.integer(call.body.get("count", 1), "count", 1, MOST_CLAIMS)
    lease = inputs.integer(call.body.get("lease_seconds", claims.LEASE_SECONDS), "lease_seconds", 1, LONGEST_LEASE)
    found = claims.claim(call.database, call.actor, call.project_id, count, lease)
    left = claims.waiting(call.database, call.actor, call.project_id)
    waiting = {"open": left.open, "with_others": left.with_others, "next_free_in_ms": left.next_free_in_ms}
    return json_answer({"queries": [_query(call, query) for query in found], "waiting": waiting})


def release(call: ApiCall) -> Response:
    """Give claims back, so that others can have them at once."""
    ids = call.body.get("query_ids")
    if not isinstance(ids, list) or len(ids) > claims.MOST_AT_ONCE:
        raise errors.InvalidInput(f"expected a list 'query_ids' of at most {claims.MOST_AT_ONCE}; send fewer")
    named = [inputs.integer(entry, "a query's id", 0, 2**53) for entry in ids]
    return json_answer({"released": claims.release(call.database, call.actor, call.project_id, named)})


def answer(call: ApiCall) -> Response:
    """Save a batch of answers, in order; each has its own result and none stops the rest."""
    entries = call.body.get("answers")
    if not isinstance(entries, list) or len(entries) > MOST_ANSWERS:
        raise errors.InvalidInput(f"expected a list 'answers' of at most {MOST_ANSWERS}; send fewer at a time")
    project = projects.get_project(call.database, call.actor, call.project_id)
    classes = {entry.name: entry.id for entry in project.classes}
    return json_answer({"results": [_save(call, classes, entry) for entry in entries]})


def undo(call: ApiCall) -> Response:
    """Take an answer back; its query is claimed again for its annotator."""
    undo_id, answer_id = call.body.get("undo_id"), call.body.get("answer_id")
    if not isinstance(undo_id, str) or not isinstance(answer_id, str):
        raise errors.InvalidInput("expected 'undo_id' (a new UUID) and 'answer_id' as texts; send both")
    receipt = answering.undo(call.database, call.actor, call.project_id, undo_id, answer_id)
    again = None if receipt.claimed is None else _query(call, receipt.claimed)
    return json_answer({"repeated": receipt.repeated, "message": receipt.message, "query": again})


def image(call: ApiCall) -> Response:
    """Answer with the image as annotators see it, or 304 for one that is known."""
    sample_id = int(call.request.path_params["sample_id"])
    display = samples.display_of(call.database, call.actor, call.project_id, sample_id)
    return images.show(call, display, vary="Authorization")


def asked(call: ApiCall) -> Response:
    """Answer with the picture that a query asks about, to whoever was handed it."""
    query_id = int(call.request.path_params["query_id"])
    display = copy_answers.picture_to_label(call.database, call.actor, call.project_id, query_id)
    return images.show(call, display, vary="Authorization")


def _query(call: ApiCall, query: ClaimedQuery) -> dict[str, Any]:
    """Return a claimed query. The kind is left out: a quality check must not show."""
    return {
        "query_id": query.query_id,
        "sample_id": query.sample_id,
        "token": query.token,
        "expires_at": query.expires_at,
        "reserve": query.reserve,
        "predicted": query.predicted,
        "image": f"{PREFIX}/projects/{call.project_id}/queries/{query.query_id}/image",
    }


def _save(call: ApiCall, classes: Mapping[str, int], entry: Any) -> Result:
    identity = entry.get("answer_id") if isinstance(entry, Mapping) else None
    name = identity if isinstance(identity, str) else ""
    try:
        receipt = answering.submit(call.database, call.actor, call.project_id, read_answer(classes, entry))
    except errors.PermissionDenied:  # is so for the whole request
        raise
    except errors.StoreError as error:
        refusal = store_refusal(error)
        said = {"reason": refusal.reason, "message": refusal.message}
        return {"answer_id": name[:64], "ok": False, "error": said, "retry": refusal.status >= 500}
    if not receipt.repeated:
        counters.saved(call.project_id)
    return _saved(receipt)


def _saved(receipt: Receipt) -> Result:
    return {
        "answer_id": receipt.answer_id,
        "ok": True,
        "status": receipt.status,
        "repeated": receipt.repeated,
        "query_closed": receipt.query_closed,
        "round_complete": receipt.round_complete,
        "message": receipt.message,
    }


def read_answer(classes: Mapping[str, int], entry: Any) -> Answer:
    """Check one answer of a request.

    Args:
        classes: The project's class ids by name.
        entry: As it came.

    Raises:
        InvalidInput: something in it is missing, unknown or of the wrong form.
    """
    if not isinstance(entry, Mapping):
        raise errors.InvalidInput("expected an object for each answer, got something else; see /api/v1/docs")
    if unknown := sorted(set(map(str, entry)) - _FIELDS):
        raise errors.InvalidInput(
            f"expected the fields {', '.join(sorted(_FIELDS))}, got {unknown!r:.200}; leave it out"
        )
    outcome = OUTCOMES.get(str(entry.get("outcome")))
    if outcome is None:
        raise errors.InvalidInput(f"expected an outcome of {', '.join(OUTCOMES)}, got {entry.get('outcome')!r:.60}")
    return Answer(
        answer_id=inputs.answer_id(entry.get("answer_id")),
        query_id=inputs.integer(entry.get("query_id"), "query_id", 0, 2**53),
        token=inputs.integer(entry.get("token"), "token", 0, 2**53),
        outcome=outcome,
        class_id=_class_id(classes, entry),
        note=inputs.body(entry.get("note", ""), "a note", longest=NOTE_LIMIT),
        shown_at=entry.get("shown_at"),
        answered_at=entry.get("answered_at"),
        latency_ms=entry.get("latency_ms"),
        prediction_shown=entry.get("prediction_shown") is True,
        supersedes=entry.get("supersedes"),
        client_version=CLIENT_VERSION,
    )


_FIELDS = {
    "answer_id", "query_id", "token", "outcome", "class", "class_id", "note", "shown_at", "answered_at", "latency_ms",
    "prediction_shown", "supersedes",
}  # fmt: skip


def _class_id(classes: Mapping[str, int], entry: Mapping[str, Any]) -> int | None:
    """Return the class, given by name or by id."""
    name = entry.get("class")
    if name is None:
        number = entry.get("class_id")
        return None if number is None else inputs.integer(number, "class_id", 0, 2**53)
    if not isinstance(name, str) or name not in classes:
        known = ", ".join(map(repr, list(classes)[:20]))
        raise errors.InvalidInput(f"expected a class out of {known}, got {name!r:.60}; choose one of them")
    return classes[name]
