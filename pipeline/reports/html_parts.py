"""Pieces of the report's HTML; every text goes through `text`, so that no name can become markup."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.reports.contents import Asked, AskedRound
from pipeline.reports.drawing import svg
from pipeline.reports.figures import Figure
from pipeline.reports.pictures import contact_sheet, data_uri, png_bytes
from pipeline.reports.tables import Table

MOST_IMAGES = 96  # of a round on its sheet; the rest is told in words


def text(value: object) -> str:
    """Return a value as text that HTML shows as it is, in elements and in attributes.

    >>> text("<b>'&")
    '&lt;b&gt;&#x27;&amp;'
    """
    return html.escape(str(value), quote=True)


def figure_html(figure: Figure) -> str:
    """Return a chart with its title and caption."""
    drawn = svg(figure.spec, prefix=f"{figure.name}-")
    return (
        f'<figure id="{text(figure.name)}"><h3>{text(figure.title)}</h3><figcaption>{text(figure.caption)}</figcaption>'
        f'<div class="scroll">{drawn}</div></figure>'
    )


def table_html(table: Table, *, strong: str = "") -> str:
    """Return a table; the row that is about `strong` stands out."""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in table.header)
    rows = "".join(
        f'<tr{_class(row[0] == strong)}><th scope="row" title="{text(row[0])}">{text(row[0])}</th>'
        + "".join(f"<td>{text(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in table.rows
    )
    note = f'<p class="note">{text(table.note)}</p>' if table.note else ""
    return (
        f'<h3>{text(table.title)}</h3><div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{note}"
    )


def facts_html(facts: Mapping[str, Any]) -> str:
    """Return names and values as a list; nested values are written out."""
    return (
        f"<dl>{''.join(f'<dt>{text(name)}</dt><dd>{text(_words(value))}</dd>' for name, value in facts.items())}</dl>"
    )


def list_html(lines: Sequence[str]) -> str:
    """Return sentences as a list."""
    return f"<ul>{''.join(f'<li>{text(line)}</li>' for line in lines)}</ul>"


def asked_html(asked: Asked, *, opened: bool) -> str:
    """Return what one arm asked, round by round, as pictures."""
    rounds = "".join(_round(turn) for turn in asked.rounds if len(turn.images))
    return (
        f"<details{' open' if opened else ''}><summary>{text(asked.arm)}, seed {asked.seed}</summary>{rounds}</details>"
    )


def _round(turn: AskedRound) -> str:
    name = "Seed set" if turn.round == 0 else f"Round {turn.round}"
    shown = turn.images[:MOST_IMAGES]
    more = f"; the first {len(shown)} of {len(turn.images)}" if len(shown) < len(turn.images) else ""
    counts = ", ".join(f"{name} ×{count}" for name, count in Counter(turn.classes).most_common())
    sheet = contact_sheet(shown)
    height, width, _ = sheet.shape
    known = text(f"{name}: {counts or len(turn.images)}")
    return (
        f'<div class="round"><div><b>{name}</b><span>{turn.labels} labels{more}</span><span>{text(counts)}</span></div>'
        f'<img alt="{known}" width="{width}" height="{height}" src="{data_uri(png_bytes(sheet))}"></div>'
    )


def _class(strong: bool) -> str:
    return ' class="hero"' if strong else ""


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_words(part) for part in value)
    return "none" if value is None else str(value)
