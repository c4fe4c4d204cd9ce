"""``borderline metrics`` and ``borderline audit``: what an operator reads beside the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.console import say, store

if TYPE_CHECKING:
    from flows.store import Store

PANEL = "Look after it"


def register_operations(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("metrics", rich_help_panel=PANEL)(metrics_command)
    app.command("audit", rich_help_panel=PANEL)(audit_command)


def metrics_command(
    out: Annotated[Path | None, typer.Option(help="Write them there, in one step; by default to the terminal.")] = None,
) -> None:
    """Print the store's numbers as Prometheus reads them, e.g. for the node exporter's textfile collector.

    Example: borderline metrics --out /var/lib/node_exporter/borderline.prom
    """
    from db import metrics

    with store() as opened:
        text = metrics.text(lambda: opened.database)
    if out is None:
        say(text.rstrip("\n"))
        return
    from pipeline.files import atomic_write_bytes

    atomic_write_bytes(out, text.encode())


def audit_command(
    name: Annotated[str | None, typer.Argument(help="Name of the project.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All projects, accounts, sessions and tokens.")] = False,
    since: Annotated[str | None, typer.Option(help="Only what happened then or later: 2026-09-21 (UTC).")] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write (JSON lines); it must not be there yet.")] = None,
    check: Annotated[Path | None, typer.Option(help="Check this file instead of writing one.")] = None,
    expect: Annotated[str | None, typer.Option(help="With --check: the last hash, as the export printed it.")] = None,
) -> None:
    """Write down who did what and when, or check such a file for lines that were changed or removed.

    Examples:
      borderline audit birds --out audit-birds.jsonl

      borderline audit --all --since 2026-09-01 --out audit.jsonl

      borderline audit --check audit.jsonl --expect 4f0c...
    """
    from flows.audit import check_audit, export_audit, moment
    from flows.errors import UsageError

    if check is not None:
        whole = check_audit(check, expect)
        say(f"{check} is whole: {whole.lines} lines, the last with the hash {whole.last}.")
        return
    if out is None or everything == (name is not None):
        raise UsageError("expected --out FILE and either the name of a project or --all; or --check FILE")
    with store() as opened:
        project_id = None if name is None else _project_id(opened, name)
        made = export_audit(opened, out, project_id, None if since is None else moment(since))
    say(f"{made.lines} lines are in {out}.")
    say(f"Keep the hash of the last line elsewhere: {made.last}")


def _project_id(opened: Store, name: str) -> int:
    from db import projects

    return projects.get_project(opened.database, opened.actor, name).id
