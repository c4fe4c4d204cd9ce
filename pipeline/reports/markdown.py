"""The tables of a comparison as Markdown, for documents such as docs/results.md."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.reports.cells import markdown_text
from pipeline.reports.contents import Report
from pipeline.reports.tables import (
    Table,
    balance_table,
    budgets_table,
    overview_table,
    paired_table,
    published_rows,
    targets_table,
    widths,
)


def markdown(report: Report) -> str:
    """Return title, verdict, command, device, seeds and every table; the published table beside ours where given."""
    summary = report.summary
    tables = [
        overview_table(summary),
        balance_table(summary),
        budgets_table(summary),
        targets_table(summary),
        paired_table(summary, only=summary.reference),
        paired_table(summary),
        published_rows(summary, report.published) if report.published else None,
    ]
    seeds = ", ".join(map(str, summary.seeds))
    facts = [("Command", report.command), ("Device", report.device), ("Machine", report.machine), ("Seeds", seeds)]
    lines = [f"## {markdown_text(report.title)}", "", f"**{markdown_text(summary.verdict)}**", ""]
    lines += [f"- {name}: {_code(value)}" for name, value in facts if value]
    lines += [f"- {markdown_text(note)}" for note in (*summary.notes, *report.remarks)]
    return "\n".join([*lines, "", *(line for table in tables if table is not None for line in _table(table))])


def _table(table: Table) -> list[str]:
    cells = [[markdown_text(cell) or " " for cell in row] for row in (table.header, *table.rows)]
    wide = [max(3, width) for width in widths(cells)]
    head, *rows = ([cell.ljust(width) for cell, width in zip(row, wide, strict=True)] for row in cells)
    rule = ["-" * wide[0], *("-" * (width - 1) + ":" for width in wide[1:])]
    note = ["", markdown_text(table.note)] if table.note else []
    return [f"### {markdown_text(table.title)}", "", *map(_row, (head, rule, *rows)), *note, ""]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    """Return text between backticks, more of them than it holds in a row."""
    one_line = " ".join(text.split())
    fence = "`"
    while fence in one_line:
        fence += "`"
    return f"{fence} {one_line} {fence}" if "`" in one_line else f"`{one_line}`"
