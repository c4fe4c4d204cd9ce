"""``borderline token ...`` and ``borderline webhook ...``: how other programs get in, and how they are told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.console import as_json, say, store, table
from flows.cli.projects import Json, Name

if TYPE_CHECKING:
    from flows.store import Store

PANEL = "Other programs"
WebhookId = Annotated[int, typer.Argument(help="Id of the webhook, as `borderline webhook list` shows it.")]


def register_tokens(app: typer.Typer) -> None:
    """Add both command groups."""
    tokens = typer.Typer(help="Make, list and revoke tokens for the HTTP API.", no_args_is_help=True)
    app.add_typer(tokens, name="token", rich_help_panel=PANEL)
    tokens.command("create")(create_token)
    tokens.command("list")(list_tokens)
    tokens.command("revoke")(revoke_token)
    hooks = typer.Typer(help="Tell other programs what happens in a project.", no_args_is_help=True)
    app.add_typer(hooks, name="webhook", rich_help_panel=PANEL)
    hooks.command("add")(add_webhook)
    hooks.command("list")(list_webhooks)
    hooks.command("test")(test_webhook)
    hooks.command("remove")(remove_webhook)


def create_token(
    name: Annotated[str, typer.Argument(help="What the token is for.")],
    user: Annotated[str | None, typer.Option(help="Whose it is; by default yours.")] = None,
    project: Annotated[str | None, typer.Option(help="The one project that it opens.")] = None,
    days: Annotated[int | None, typer.Option(help="After how many days it ends.", min=1)] = None,
    json: Json = False,
) -> None:
    """Make a token for the HTTP API; it may do what its user may do. It is shown this once.

    Example: borderline token create nightly-export --project birds --days 90
    """
    from db import api_tokens, projects

    with store() as opened:
        project_id = None if project is None else projects.get_project(opened.database, opened.actor, project).id
        owner = opened.actor.user_id if user is None else _user_id(opened, user)
        made = api_tokens.create(opened.database, opened.actor, owner, name, project_id=project_id, days=days)
    if json:
        say(as_json(made))
        return
    say(made.secret)
    say(f"This is the token {made.token.name!r} of {made.token.user_name}. Keep it: it is not shown again.")


def list_tokens(json: Json = False) -> None:
    """List everybody's tokens, without the tokens themselves."""
    from db import api_tokens

    with store() as opened:
        found = api_tokens.listed(opened.database, opened.actor)
    if json:
        say(as_json(found))
        return
    rows = [
        (entry.id, entry.user_name, entry.name, entry.project_id or "all", day(entry.created_at),
         day(entry.used_at), day(entry.revoked_at or entry.expires_at))
        for entry in found
    ]  # fmt: skip
    table("Tokens", ("id", "user", "name", "project", "made", "last used", "ends"), rows)


def revoke_token(token_id: Annotated[int, typer.Argument(help="Id of the token.")]) -> None:
    """End a token at once."""
    from db import api_tokens

    with store() as opened:
        api_tokens.revoke(opened.database, opened.actor, token_id)
    say(f"Token {token_id} is revoked.")


def add_webhook(
    name: Name,
    url: Annotated[str, typer.Argument(help="Where to: https://...")],
    topic: Annotated[list[str] | None, typer.Option(help="What to tell; may be given again. By default all.")] = None,
    json: Json = False,
) -> None:
    """Tell an address what happens in a project from now on; each message is signed with the secret shown here.

    Example: borderline webhook add birds https://example.org/hook --topic round.completed
    """
    from db import projects, webhooks

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        made = webhooks.add(opened.database, opened.actor, project.id, url, topic or webhooks.TOPICS)
    if json:
        say(as_json(made))
        return
    say(made.secret)
    say(f"This secret signs the messages of webhook {made.webhook.id}. Keep it: it is not shown again.")
    say(f"Next: borderline webhook test {name} {made.webhook.id}")


def list_webhooks(name: Name, json: Json = False) -> None:
    """List a project's webhooks, with what became of their messages last."""
    from db import deliveries, projects, webhooks

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        found = webhooks.listed(opened.database, opened.actor, project.id)
        last = {
            hook.id: deliveries.listed(opened.database, opened.actor, project.id, hook.id, limit=1) for hook in found
        }
    if json:
        say(as_json([{"webhook": hook, "last": next(iter(last[hook.id]), None)} for hook in found]))
        return
    rows = []
    for hook in found:
        news = next(iter(last[hook.id]), None)
        told = "-" if news is None else f"{news.state} {news.status or ''} {news.error}".strip()
        rows.append((hook.id, hook.url, ", ".join(hook.topics), told))
    table("Webhooks", ("id", "address", "topics", "last message"), rows)


def test_webhook(name: Name, webhook_id: WebhookId) -> None:
    """Send a message of the topic webhook.test now and say what came back."""
    from db import deliveries, projects, webhooks
    from flows.errors import UsageError
    from flows.webhooks import deliver

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        queued = webhooks.test(opened.database, opened.actor, project.id, webhook_id)
        parcels = deliveries.lease(opened.database, only=queued)
        private = opened.settings.webhook_allow_private
        results = [deliver(opened.database, parcel, allow_private=private) for parcel in parcels]
    for status, error in results:
        if error:
            raise UsageError(f"expected the receiver to answer 200 to 299, got: {error}; it will be tried again")
        say(f"The receiver answered {status}.")
    if not results:
        say("A running Borderline has taken the message; see: borderline webhook list")


def remove_webhook(name: Name, webhook_id: WebhookId) -> None:
    """Tell an address nothing more."""
    from db import projects, webhooks

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        webhooks.remove(opened.database, opened.actor, project.id, webhook_id)
    say(f"Webhook {webhook_id} is removed.")


def day(at: int | None) -> str:
    """Return the day of a time in ms, UTC.

    >>> day(1_790_000_000_000), day(None)
    ('2026-09-21', '-')
    """
    return "-" if at is None else datetime.fromtimestamp(at / 1000, UTC).date().isoformat()


def _user_id(opened: Store, name: str) -> int:
    from db import access
    from flows.errors import UsageError

    found = {user.name: user.id for user in access.users(opened.database, opened.actor) if user.kind == "person"}
    if name not in found:
        raise UsageError(f"expected a user out of {', '.join(map(repr, sorted(found)[:20]))}, got {name!r}")
    return found[name]
