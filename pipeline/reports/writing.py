"""Puts a report on disk: the HTML file, and beside it everything in it as pictures and tables."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from pipeline.reports.contents import Report
from pipeline.reports.drawing import png, svg
from pipeline.reports.exports import areas_csv, paired_csv, points_csv, to_json
from pipeline.reports.figures import figures
from pipeline.reports.html_page import html_page
from pipeline.reports.markdown import markdown

_INK = "#1c1d2b"


def write_report(place: Path, report: Report) -> list[Path]:
    """Write a report.

    Args:
        place: A path that ends in .html for that file alone; else a folder for the HTML file, charts as SVG and PNG,
            tables as CSV, Markdown and JSON. Missing folders are made, files of the same names replaced.
        report: What is in it.

    Returns:
        The files, the HTML file first.
    """
    if place.suffix.lower() == ".html":
        return [_write(place, html_page(report).encode())]
    return [_write(place / name, content) for name, content in report_files(report).items()]


def report_files(report: Report) -> dict[str, bytes]:
    """Return the files of a report by name, the HTML file first, as `write_report` puts them into a folder."""
    summary = report.summary
    written = {
        "report.html": html_page(report).encode(),
        "report.md": markdown(report).encode(),
        "comparison.json": _json(report),
        "points.csv": points_csv(report.curves).encode(),
        "areas.csv": areas_csv(summary).encode(),
        "paired.csv": paired_csv(summary).encode(),
    }
    for figure in figures(report):
        written[f"{figure.name}.svg"] = svg(figure.spec, ink=_INK).encode()
        written[f"{figure.name}.png"] = png(figure.spec)
    return written


def _json(report: Report) -> bytes:
    content = to_json(report.summary, device=report.device, versions=report.versions)
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()


def _write(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all, by way of a temporary one; what can be made again needs no flush to disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:80]}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path
