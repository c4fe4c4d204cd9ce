"""``borderline comparisons``: what was compared, how it came out, its report, and its end."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.comparison import conclude
from flows.cli.console import as_json, say, store, system_store, table
from flows.cli.options import Json

Number = Annotated[int, typer.Argument(help="Number of the comparison; see: borderline comparisons.")]


def register_comparisons(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(help="Comparisons that were made: list them, show them, report, stop, delete.")
    group.callback(invoke_without_command=True)(listed)
    for name, command in (("list", list_command), ("show", show), ("report", report), ("stop", stop)):
        group.command(name)(command)
    group.command("delete")(delete)
    app.add_typer(group, name="comparisons", rich_help_panel="Compare")


def listed(context: typer.Context) -> None:
    """List the comparisons, the newest first."""
    if context.invoked_subcommand is None:
        list_command()


def list_command(json: Json = False) -> None:
    """List the comparisons, the newest first."""
    from db import comparisons

    with store() as opened:
        found = comparisons.list_comparisons(opened.database, opened.actor)
    if json:
        say(as_json(found))
        return
    if not found:
        say("No comparison yet. Do: borderline compare")
        return
    rows = [
        (one.id, one.name, one.state, f"{one.points_done:,} of {one.points_wanted:,}", _day(one.created_at))
        for one in found
    ]
    table("Comparisons", ("number", "what", "state", "points", "begun"), rows)


def show(number: Number, json: Json = False) -> None:
    """Show the verdict and the tables, also of one that is not finished."""
    from db import comparisons
    from flows.compare.results import command_of, result_of

    with store() as opened:
        found = comparisons.get(opened.database, opened.actor, number)
        if json:
            say(as_json(result_of(opened, found)))
            return
        say(f"{found.name}: {found.state}, {found.points_done:,} of {found.points_wanted:,} points. {found.note}")
        if found.points_done:
            conclude(opened, found, None, None)
        say(f"\nThe command: {command_of(found)}")


def report(
    number: Number, out: Annotated[Path, typer.Option(help="A folder, or one file that ends in .html.")]
) -> None:
    """Write the report: one HTML file, charts as SVG and PNG, tables as CSV, Markdown and JSON."""
    from db import comparisons
    from flows.compare.results import write_report

    with store() as opened:
        found = comparisons.get(opened.database, opened.actor, number)
        say(f"The report is in {write_report(opened, found, out)}.")


def stop(number: Number) -> None:
    """Ask a running comparison to stop at its next step; its points stay, and it can go on later."""
    from db import comparisons

    with store() as opened:
        asked = comparisons.request_stop(opened.database, opened.actor, number)
    say("It stops at its next step." if asked else "It does not run.")


def delete(number: Number, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete a comparison and its points; its images stay."""
    from db import comparisons
    from flows.compare.cleaning import forget

    with system_store() as opened:
        found = comparisons.get(opened.database, opened.actor, number)
        if not yes:
            typer.confirm(f"Delete comparison {number} ({found.name}, {found.points_done:,} points)?", abort=True)
        forget(opened, found)
    say(f"Comparison {number} is deleted.")


def _day(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
