"""Webhooks, for administrators: who is told, and what became of the messages. The flows' process sends them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from starlette.responses import Response

from db import deliveries, webhooks
from db.records import Webhook
from labeler_ui.api.v1.entry import ApiCall, json_answer


def listed(call: ApiCall) -> Response:
    """List the project's webhooks, without their secrets."""
    found = webhooks.listed(call.database, call.actor, call.project_id)
    return json_answer({"webhooks": [_webhook(entry) for entry in found]})


def add(call: ApiCall) -> Response:
    """Add a webhook; its secret is shown this once."""
    url, topics = call.body.get("url", ""), call.body.get("topics", list(webhooks.TOPICS))
    made = webhooks.add(call.database, call.actor, call.project_id, url, topics)
    return json_answer({"webhook": _webhook(made.webhook), "secret": made.secret}, 201)


def remove(call: ApiCall) -> Response:
    """Remove a webhook."""
    webhooks.remove(call.database, call.actor, call.project_id, _id(call))
    return json_answer({"removed": True})


def test(call: ApiCall) -> Response:
    """Queue a message of the topic webhook.test."""
    return json_answer({"delivery_id": webhooks.test(call.database, call.actor, call.project_id, _id(call))}, 202)


def history(call: ApiCall) -> Response:
    """Show what became of a webhook's messages, the newest first."""
    limit = call.number("limit", 100, 1, 1000)
    found = deliveries.listed(call.database, call.actor, call.project_id, _id(call), limit)
    content = [{name: value for name, value in asdict(entry).items() if name != "webhook_id"} for entry in found]
    return json_answer({"deliveries": content})


def _id(call: ApiCall) -> int:
    return int(call.request.path_params["webhook_id"])


def _webhook(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "topics": list(webhook.topics),
        "created_at": webhook.created_at,
    }
