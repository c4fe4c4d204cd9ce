"""``borderline metrics`` and ``borderline audit``: what an operator reads beside the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.console import say, store

PANEL = "Look after it"


def register_operations(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("metrics", rich_help_panel=PANEL)(metrics_command)


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
