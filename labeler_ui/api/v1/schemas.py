"""What the HTTP API takes and gives, as JSON Schema: the OpenAPI document shows it, the tests check answers by it."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

INTEGER: Schema = {"type": "integer"}
TEXT: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
TIME: Schema = {"type": "integer", "description": "Milliseconds since the epoch, UTC, by the database's clock."}


def record(optional: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """Return the schema of an object with these properties and no others; `class_` is named 'class'."""
    properties = {name.removesuffix("_"): schema for name, schema in properties.items()}
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def many(items: Schema, **more: Any) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items, **more}


def maybe(schema: Schema) -> Schema:
    """Return the schema of a value that may be null."""
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def named(name: str) -> Schema:
    """Return a reference to one of COMPONENTS."""
    return {"$ref": f"#/components/schemas/{name}"}


def within(low: int, high: int, about: str = "") -> Schema:
    """Return the schema of a whole number in a range."""
    return {"type": "integer", "minimum": low, "maximum": high} | ({"description": about} if about else {})


def one_of(*words: str) -> Schema:
    """Return the schema of a text that is one of some words."""
    return {"type": "string", "enum": list(words)}


_OUTCOME = one_of("class", "skip", "unsure", "flag")
_UUID: Schema = {"type": "string", "format": "uuid"}
_ERROR = record(reason=TEXT, message=TEXT)

COMPONENTS: dict[str, Schema] = {
    "Error": record(error=_ERROR),
    "Me": record(user=record(id=INTEGER, name=TEXT, role=maybe(TEXT)), project_id=maybe(INTEGER)),
    "Class": record(id=INTEGER, name=TEXT, position=INTEGER, key=TEXT),
    "Project": record(
        id=INTEGER,
        name=TEXT,
        state=one_of("active", "paused", "finished"),
        classes=many(named("Class")),
        guidelines=TEXT,
        overlap=INTEGER,
        strategy=TEXT,
        image_size=INTEGER,
        created_at=TIME,
    ),
    "Query": record(
        query_id=INTEGER,
        sample_id=INTEGER,
        token={"type": "integer", "description": "Goes back with the answer."},
        expires_at=TIME,
        reserve=BOOLEAN,
        predicted={**maybe(INTEGER), "description": "A class's position, if the project shows predictions."},
        image={"type": "string", "description": "Where the image is, on this server."},
    ),
    "Answer": record(
        ("class", "class_id", "note", "shown_at", "answered_at", "latency_ms", "prediction_shown", "supersedes"),
        **{
            "answer_id": {**_UUID, "description": "Made by you, once an answer: a repeat has no second effect."},
            "query_id": INTEGER,
            "token": INTEGER,
            "outcome": _OUTCOME,
            "class": {"type": "string", "description": "A class's name, with the outcome 'class'."},
            "class_id": {"type": "integer", "description": "Instead of the class's name."},
            "note": {"type": "string", "maxLength": 2000},
            "shown_at": maybe(TIME),
            "answered_at": maybe(TIME),
            "latency_ms": maybe(INTEGER),
            "prediction_shown": BOOLEAN,
            "supersedes": {**maybe(_UUID), "description": "The earlier answer that this one replaces."},
        },
    ),
    "Result": record(
        ("status", "repeated", "query_closed", "round_complete", "message", "error", "retry"),
        answer_id=TEXT,
        ok=BOOLEAN,
        status={**one_of("saved", "draft"), "description": "A draft is kept without effect; the message says why."},
        repeated=BOOLEAN,
        query_closed=BOOLEAN,
        round_complete=BOOLEAN,
        message=TEXT,
        error=_ERROR,
        retry={"type": "boolean", "description": "Whether sending the same again can help."},
    ),
    "Round": record(
        number=INTEGER,
        state=TEXT,
        strategy=TEXT,
        k={"type": "integer", "description": "Labels wanted."},
        labels_before=INTEGER,
        labels_gained=INTEGER,
        test_accuracy={"type": ["number", "null"]},
        holdout={"anyOf": [record(correct=INTEGER, total=INTEGER), {"type": "null"}]},
        balanced_accuracy={"type": ["number", "null"], "description": "On the test images, else on the holdout."},
        calibration_error={"type": ["number", "null"], "description": "Of the predicted class, in [0, 1]; 15 bins."},
        class_recall={
            "type": "object",
            "additionalProperties": {"type": "number"},
            "description": "The share found of each class, by the class's position.",
        },
        opened_at=maybe(TIME),
        closed_at=maybe(TIME),
    ),
    "Counts": record(
        pool=INTEGER,
        holdout=INTEGER,
        validation=INTEGER,
        test=INTEGER,
        labels=INTEGER,
        labeled_pool=INTEGER,
        labeled_holdout=INTEGER,
        set_aside=INTEGER,
        open=INTEGER,
        claimed=INTEGER,
    ),
    "Label": record(
        sample_id=INTEGER,
        name=TEXT,
        sha256=TEXT,
        split=TEXT,
        class_=TEXT,
        origin=one_of("consensus", "reviewer", "imported"),
        votes=INTEGER,
        agreement={"type": ["number", "null"], "description": "The share of standing votes for it."},
        round=maybe(INTEGER),
        updated_at={"type": "string", "format": "date-time"},
        width=INTEGER,
        height=INTEGER,
    ),
    "Webhook": record(id=INTEGER, url=TEXT, topics=many(TEXT), created_at=TIME),
    "Delivery": record(
        id=INTEGER,
        topic=TEXT,
        state=one_of("pending", "done", "failed"),
        attempt=INTEGER,
        next_at=TIME,
        status={**maybe(INTEGER), "description": "Of the last HTTP answer."},
        error=TEXT,
        created_at=TIME,
        finished_at=maybe(TIME),
    ),
}
