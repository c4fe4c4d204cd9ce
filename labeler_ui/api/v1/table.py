"""The HTTP API as one table: it registers the routes and makes the document, so the two cannot drift apart."""

from __future__ import annotations

from dataclasses import dataclass

from db.webhooks import TOPICS
from labeler_ui.api.v1 import hooks, projects, results, work
from labeler_ui.api.v1.entry import Handler
from labeler_ui.api.v1.schemas import (
    BOOLEAN,
    INTEGER,
    TEXT,
    Schema,
    many,
    maybe,
    named,
    one_of,
    record,
    within,
)

PREFIX = work.PREFIX


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One route.

    Attributes:
        method: GET, POST or DELETE.
        path: Below /api/v1; every `{name}` in it is a whole number.
        name: Unique, for generated clients.
        summary: One line.
        role: The lowest role in the project that will do; '' where any valid token does.
        handler: What answers.
        request: Schema of the JSON body; None where there is none.
        response: Schema of the JSON answer; None where the answer is no JSON.
        status: Of the answer when all went well.
        media: Types of an answer that is no JSON.
        query: Schemas of the query string's values, all optional.
    """

    method: str
    path: str
    name: str
    summary: str
    role: str
    handler: Handler
    request: Schema | None = None
    response: Schema | None = None
    status: int = 200
    media: tuple[str, ...] = ()
    query: tuple[tuple[str, Schema], ...] = ()


_P = "/projects/{project_id}"
_H = f"{_P}/webhooks"
_COUNTS_BY_CLASS: Schema = {"type": "object", "additionalProperties": INTEGER}
_WAITING = record(open=INTEGER, with_others=INTEGER, next_free_in_ms=maybe(INTEGER))

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET", path="/me", name="me", summary="Whose token this is", role="",
        handler=projects.me, response=named("Me"),
    ),
    Operation(
        method="GET", path="/projects", name="listProjects", summary="The projects that the token opens", role="",
        handler=projects.listed, response=record(projects=many(named("Project"))),
    ),
    Operation(
        method="GET", path=_P, name="getProject", summary="One project with its classes", role="viewer",
        handler=projects.one, response=named("Project"),
    ),
    Operation(
        method="POST", path=f"{_P}/claims", name="claim", role="annotator",
        summary="Claim queries; those you hold come back, their leases renewed",
        handler=work.claim,
        request=record(
            ("count", "lease_seconds"),
            count=within(1, work.MOST_CLAIMS, "How many to hold in all; 1 by default."),
            lease_seconds=within(1, work.LONGEST_LEASE, "How long they are yours; 120 by default."),
        ),
        response=record(queries=many(named("Query")), waiting=_WAITING),
    ),
    Operation(
        method="POST", path=f"{_P}/answers", name="answer", role="annotator",
        summary="Save answers, each once however often it is sent; one result each, in order",
        handler=work.answer,
        request=record(answers=many(named("Answer"), maxItems=work.MOST_ANSWERS)),
        response=record(results=many(named("Result"))),
    ),
    Operation(
        method="POST", path=f"{_P}/release", name="release", summary="Give claims back", role="annotator",
        handler=work.release, request=record(query_ids=many(INTEGER)), response=record(released=INTEGER),
    ),
    Operation(
        method="POST", path=f"{_P}/undo", name="undo", role="annotator",
        summary="Take an own answer back; its query is yours again",
        handler=work.undo,
        request=record(undo_id={"type": "string", "format": "uuid"}, answer_id={"type": "string", "format": "uuid"}),
        response=record(repeated=BOOLEAN, message=TEXT, query=maybe(named("Query"))),
    ),
    Operation(
        method="GET", path=f"{_P}/images/{{sample_id}}", name="getImage", role="viewer",
        summary="An image as annotators see it",
        handler=work.image, media=("image/png", "image/webp", "image/jpeg"),
    ),
    Operation(
        method="GET", path=f"{_P}/queries/{{query_id}}/image", name="getQueryImage", role="annotator",
        summary="The picture that a query of yours asks about",
        handler=work.asked, media=("image/png", "image/webp", "image/jpeg"),
    ),
    Operation(
        method="GET", path=f"{_P}/stats", name="stats", role="viewer",
        summary="Progress, rounds, and labels per class",
        handler=results.stats,
        response=record(
            state=TEXT,
            counts=named("Counts"),
            waiting={"type": "integer", "description": "Open queries that nobody holds."},
            rounds=many(named("Round")),
            labels_per_class=_COUNTS_BY_CLASS,
        ),
    ),
    Operation(
        method="GET", path=f"{_P}/labels", name="listLabels", summary="Labels in pages, by sample id", role="reviewer",
        handler=results.page,
        response=record(labels=many(named("Label")), next_after=maybe(INTEGER)),
        query=(
            ("after", within(0, 2**53, "`next_after` of the page before.")),
            ("limit", within(1, results.MOST_LABELS, "1000 by default.")),
        ),
    ),
    Operation(
        method="GET", path=f"{_P}/export", name="export", role="reviewer",
        summary="All labels or votes as one stream: CSV that is safe in a spreadsheet, JSON Lines, Label Studio's JSON",
        handler=results.export, media=tuple(entry.media_type.partition(";")[0] for entry in results.STREAMED.values()),
        query=(("what", one_of(*results.WHAT)), ("format", one_of(*results.STREAMED))),
    ),
    Operation(
        method="GET", path=_H, name="listWebhooks", summary="Who is told of this project", role="administrator",
        handler=hooks.listed, response=record(webhooks=many(named("Webhook"))),
    ),
    Operation(
        method="POST", path=_H, name="addWebhook", role="administrator",
        summary="Tell an address of this project; the secret is shown this once",
        handler=hooks.add,
        request=record(("topics",), url=TEXT, topics=many(one_of(*TOPICS), minItems=1)),
        response=record(webhook=named("Webhook"), secret=TEXT), status=201,
    ),
    Operation(
        method="DELETE", path=f"{_H}/{{webhook_id}}", name="removeWebhook", role="administrator",
        summary="Tell an address nothing more",
        handler=hooks.remove, response=record(removed=BOOLEAN),
    ),
    Operation(
        method="POST", path=f"{_H}/{{webhook_id}}/test", name="testWebhook", role="administrator",
        summary="Queue a message of the topic webhook.test",
        handler=hooks.test, request=record(), response=record(delivery_id=INTEGER), status=202,
    ),
    Operation(
        method="GET", path=f"{_H}/{{webhook_id}}/deliveries", name="listDeliveries", role="administrator",
        summary="What became of the messages, the newest first",
        handler=hooks.history, response=record(deliveries=many(named("Delivery"))),
        query=(("limit", within(1, 1000, "100 by default.")),),
    ),
)  # fmt: skip
