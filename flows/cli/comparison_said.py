"""A comparison in the terminal: the verdict first, then the tables that back it."""

from __future__ import annotations

from flows.cli.console import say, table
from pipeline.reports.tables import Table, balance_table, budgets_table, overview_table, paired_table, targets_table
from pipeline.statistics import Summary


def show_summary(summary: Summary) -> None:
    """Print what a comparison came to."""
    shown = [overview_table(summary), balance_table(summary), budgets_table(summary), targets_table(summary)]
    shown.append(paired_table(summary, only=summary.reference))
    for entry in shown:
        if entry is not None:
            _show(entry)
    for note in summary.notes:
        say(note)
    say(f"\n{summary.verdict}")


def _show(entry: Table) -> None:
    table(entry.title, entry.header, entry.rows)
    if entry.note:
        say(entry.note)
    say()
