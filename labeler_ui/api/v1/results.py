"""What came of it: how far a project is, its labels by pages, and labels or votes as one stream."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from starlette.responses import Response, StreamingResponse

from db import errors, exchange, labels, progress
from db import export as exporting
from db.exchange.formats import What
from db.exchange.tables import LABEL_COLUMNS, as_object
from db.records import RoundSummary
from labeler_ui.api.v1.entry import ApiCall, json_answer

MOST_LABELS = 5000
WHAT: dict[str, What] = {"labels": "labels", "votes": "votes"}
STREAMED = {name: entry for name, entry in exchange.FORMATS.items() if entry.stream}


def stats(call: ApiCall) -> Response:
    """Show progress, rounds, and labels per class."""
    found = progress.progress(call.database, call.actor, call.project_id)
    content = {
        "state": found.project.state,
        "counts": asdict(found.counts),
        "waiting": found.waiting,
        "rounds": [_round(turn) for turn in found.rounds],
        "labels_per_class": labels.counts(call.database, call.actor, call.project_id),
    }
    return json_answer(content)


def _round(turn: RoundSummary) -> dict[str, Any]:
    return {
        "number": turn.number,
        "state": turn.state,
        "strategy": turn.strategy,
        "k": turn.k,
        "labels_before": turn.labels_before,
        "labels_gained": turn.labels_gained,
        "test_accuracy": turn.test_accuracy,
        "holdout": None if turn.holdout is None else {"correct": turn.holdout.correct, "total": turn.holdout.total},
        "balanced_accuracy": None if turn.measured is None else turn.measured.balanced_accuracy,
        "calibration_error": None if turn.measured is None else turn.measured.calibration_error,
        "class_recall": {} if turn.measured is None else {str(k): v for k, v in turn.measured.class_recall.items()},
        "opened_at": turn.opened_at,
        "closed_at": turn.closed_at,
    }


def page(call: ApiCall) -> Response:
    """Return some labels by sample id, as the JSON Lines export has them; `next_after` leads to the next, null ends."""
    after = call.number("after", 0, 0, 2**53)
    limit = call.number("limit", 1000, 1, MOST_LABELS)
    rows = exporting.labels(call.database, call.actor, call.project_id, after=after, limit=limit)
    found = [as_object(LABEL_COLUMNS, row) for row in rows]
    more = found[-1]["sample_id"] if len(found) == limit else None
    return json_answer({"labels": found, "next_after": more})


def export(call: ApiCall) -> Response:
    """Stream all labels or votes, in a format that can be made while it is sent."""
    query = call.request.query_params
    what, kind = WHAT.get(query.get("what", "labels")), query.get("format", "csv")
    if what is None or kind not in STREAMED:
        raise errors.InvalidInput(
            f"expected {' or '.join(WHAT)} in a format of {', '.join(STREAMED)}, got {dict(query)!r:.80}; choose again"
        )
    parts = exchange.stream(call.database, call.actor, call.project_id, what, kind)
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{what}-{call.project_id}{STREAMED[kind].suffix}"',
    }
    return StreamingResponse(parts, media_type=STREAMED[kind].media_type, headers=headers)
