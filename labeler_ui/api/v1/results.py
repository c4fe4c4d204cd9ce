"""What came of it: how far a project is, and its labels by pages or as one stream."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields
from typing import Any

from starlette.responses import Response, StreamingResponse

from db import errors, labels, progress
from db.records import LabelRow, RoundSummary
from labeler_ui.api.v1.entry import ApiCall, json_answer

MOST_LABELS = 5000
_ROWS_A_CHUNK = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\x00")
_COLUMNS = tuple(field.name for field in fields(LabelRow))


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
        "holdout": None if turn.holdout is None else asdict(turn.holdout),
        "opened_at": turn.opened_at,
        "closed_at": turn.closed_at,
    }


def page(call: ApiCall) -> Response:
    """Return some labels by sample id; `next_after` leads to the next page, null ends them."""
    after = call.number("after", 0, 0, 2**53)
    limit = call.number("limit", 1000, 1, MOST_LABELS)
    rows = labels.export_rows(call.database, call.actor, call.project_id, after)
    found = [asdict(row) for row in itertools.islice(rows, limit)]
    more = found[-1]["sample_id"] if len(found) == limit else None
    return json_answer({"labels": found, "next_after": more})


def export(call: ApiCall) -> Response:
    """Stream all labels, a line each."""
    kind = call.request.query_params.get("format", "csv")
    if kind not in WRITERS:
        raise errors.InvalidInput(f"expected a format of {', '.join(WRITERS)}, got {kind!r:.40}; choose one of them")
    rows = labels.export_rows(call.database, call.actor, call.project_id)
    write, media_type = WRITERS[kind]
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="labels-{call.project_id}.{kind}"',
    }
    return StreamingResponse(write(rows), media_type=media_type, headers=headers)


def as_csv(rows: Iterable[LabelRow]) -> Iterator[str]:
    """Yield CSV for people: a text that a spreadsheet would run as a formula gets an apostrophe in front."""
    yield _csv_lines([_COLUMNS])
    for part in _parts(rows):
        yield _csv_lines([[safe_cell(value) for value in asdict(row).values()] for row in part])


def as_jsonl(rows: Iterable[LabelRow]) -> Iterator[str]:
    """Yield JSON Lines for programs: nothing is changed."""
    for part in _parts(rows):
        yield "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in part)


WRITERS: dict[str, tuple[Callable[[Iterable[LabelRow]], Iterator[str]], str]] = {
    "csv": (as_csv, "text/csv; charset=utf-8"),
    "jsonl": (as_jsonl, "application/jsonl; charset=utf-8"),
}


def safe_cell(value: object) -> object:
    """Return a value as a spreadsheet may have it (OWASP ASVS 1.2.10).

    >>> safe_cell("=1+1"), safe_cell("cat"), safe_cell(-3)
    ("'=1+1", 'cat', -3)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _csv_lines(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _parts(rows: Iterable[LabelRow]) -> Iterator[list[LabelRow]]:
    remaining = iter(rows)
    while part := list(itertools.islice(remaining, _ROWS_A_CHUNK)):
        yield part
