"""The report as one HTML file: no network, no script, light and dark, the verdict first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.reports.contents import Report
from pipeline.reports.figures import Figure, figures
from pipeline.reports.html_parts import asked_html, facts_html, figure_html, list_html, table_html, text
from pipeline.reports.tables import (
    Table,
    balance_table,
    budgets_table,
    is_rows,
    overview_table,
    paired_table,
    published_rows,
    rows_table,
    targets_table,
)

_STYLE = Path(__file__).with_name("style.css")
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_METHOD = (
    "A run is one arm with one seed; runs of one seed share seed set, first weights, test set and recipe, so arms are "
    "compared seed by seed. Every accuracy is that of the model at that label count.",
    "Area: mean accuracy under the learning curve by the trapezoid rule. Bands: expanded percentile bootstrap of the "
    "mean, whole runs drawn with replacement (Hesterberg 2015). Other intervals: Student's t over the seeds.",
    "Decisions: paired t test on the areas, p-values corrected by Holm over all pairs of arms that train the same "
    "network; fewer than 5 seeds decide nothing. The exact sign-flip test stands beside it; it cannot go below "
    "2^(1 - seeds), so it cannot decide alone after correction for many pairs.",
    "Unfinished runs: two arms are compared on the largest block of seeds and label counts that both have; what is "
    "left out is said above. Nothing is filled in.",
)


def html_page(report: Report) -> str:
    """Return the report as the text of a self-contained HTML file."""
    drawn = {figure.name: figure for figure in figures(report)}
    parts = [(name, title, made) for name, title, make in _PARTS if (made := make(report, drawn))]
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title, _ in parts if title)
    body = "".join(
        f'<section id="{name}">{f"<h2>{title}</h2>" if title else ""}{made}</section>' for name, title, made in parts
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(report.title)}</title><style>{_STYLE.read_text(encoding='utf-8')}</style></head><body>"
        f'<header><div><div class="brand">Borderline comparison</div><h1>{text(report.title)}</h1>{_made(report)}'
        f"</div></header><nav><div>{links}</div></nav><main>{body}"
        "<footer>Made by Borderline. This file needs no network and runs no script.</footer></main></body></html>\n"
    )


Figures = dict[str, Figure]


def _made(report: Report) -> str:
    known = [part for part in (report.made_at, report.device, report.machine) if part]
    return f'<p class="quiet">{text(" · ".join(known))}</p>' if known else ""


def _verdict(report: Report, _: Figures) -> str:
    sentences = text(report.summary.verdict).replace(". Points are of", ".</p><p>Points are of")
    notes = [*report.summary.notes, *report.remarks]
    warned = f'<div class="notes"><b>Not finished, or left out</b>{list_html(notes)}</div>' if notes else ""
    return f'<div class="verdict"><p>{sentences}</p></div>{warned}{_tiles(report)}'


def _tiles(report: Report) -> str:
    summary = report.summary
    last = max(arm.labels[1] for arm in summary.arms)
    hero = summary.arm(summary.reference)
    runs = sum(len(arm.runs) for arm in summary.arms)
    tiles = [
        (str(len(summary.arms)), "arms"),
        (str(len(summary.seeds)), f"seeds, {runs} runs"),
        (str(last), "labels at the end"),
        (f"{100 * hero.final.mean:.1f} %", f"{hero.name}: mean accuracy at {hero.labels[1]} labels"),
    ]
    if report.tuning_labels is not None:
        tiles.append((str(report.tuning_labels), "labels spent on tuning, on top"))
    shown = (f'<div class="tile"><b>{text(value)}</b><span>{text(name)}</span></div>' for value, name in tiles)
    return f'<div class="tiles">{"".join(shown)}</div>'


def _curves(_: Report, drawn: Figures) -> str:
    return _figures(drawn, "learning_curves", "differences", "differences_over_labels")


def _tables(report: Report, _: Figures) -> str:
    summary = report.summary
    hero = summary.reference
    plain = [overview_table(summary), balance_table(summary), budgets_table(summary), targets_table(summary)]
    against = paired_table(summary, only=hero)
    shown = "".join(table_html(table, strong=hero) for table in plain if table is not None)
    shown += table_html(against) if against is not None else ""
    return shown + _folded(paired_table(summary), f"All {len(summary.pairs)} pairs")


def _pairs(_: Report, drawn: Figures) -> str:
    return _figures(drawn, "win_loss", "share_ahead")


def _along(_: Report, drawn: Figures) -> str:
    return _figures(drawn, "classes_covered", "rare_recall", "seconds")


def _asked(report: Report, drawn: Figures) -> str:
    opened = next((part.arm for part in report.asked if part.arm == report.summary.reference), None)
    sheets = "".join(
        asked_html(part, opened=part.arm == opened if opened else place == 0) for place, part in enumerate(report.asked)
    )
    words = '<p class="quiet">In the order of the ranking, the most wanted first.</p>' if sheets else ""
    return words + sheets + _figures(drawn, "queries_map")


def _published(report: Report, _: Figures) -> str:
    return table_html(published_rows(report.summary, report.published)) if report.published else ""


def _how(report: Report, _: Figures) -> str:
    facts = {"Device": report.device, "Machine": report.machine, "Versions": report.versions}
    facts |= {"Seeds": ", ".join(map(str, report.summary.seeds))}
    parts = [f"<h3>Run it again</h3><pre>{text(report.command)}</pre>" if report.command else ""]
    for title, values in (("Settings", report.settings), ("Recipe", report.recipe), ("Tuning", report.tuning)):
        said = {name: value for name, value in values.items() if not is_rows(value)}
        parts.append(f"<h3>{title}</h3>{facts_html(said)}" if values else "")
        parts += [table_html(rows_table(name.capitalize(), value)) for name, value in values.items() if is_rows(value)]
    shown = {name: value for name, value in facts.items() if value}
    return "".join(parts) + f"<h3>Made with</h3>{facts_html(shown)}<h3>How it was computed</h3>{list_html(_METHOD)}"


def _folded(table: Table | None, title: str) -> str:
    return f"<details><summary>{text(title)}</summary>{table_html(table)}</details>" if table is not None else ""


def _figures(drawn: Figures, *names: str) -> str:
    return "".join(figure_html(drawn[name]) for name in names if name in drawn)


_PARTS: tuple[tuple[str, str, Callable[[Report, Figures], str]], ...] = (
    ("verdict", "", _verdict),
    ("curves", "Curves", _curves),
    ("tables", "Tables", _tables),
    ("pairs", "All pairs", _pairs),
    ("along", "Along the way", _along),
    ("asked", "What was asked", _asked),
    ("published", "Published", _published),
    ("how", "How it was made", _how),
)
