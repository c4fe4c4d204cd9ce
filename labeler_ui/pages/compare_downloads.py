"""Everything to take along: the report as one file, tables, figures for programs, charts as pictures."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import streamlit as st

from db.records import Comparison, Project
from labeler_ui import compare_words as words
from labeler_ui.pages.compare_data import Found
from labeler_ui.pages.compare_report import report_of
from labeler_ui.pages.visit import Visit
from pipeline.reports import Report, areas_csv, figures, html_page, paired_csv, png, points_csv, svg, to_json
from pipeline.statistics import Summary


def show(here: Visit, comparison: Comparison, project: Project, found: Found, summary: Summary) -> None:
    """Draw one button a file; each is made when it is asked for.

    Args:
        here: Who looks.
        comparison: What it is about.
        project: The project that holds its images.
        found: All its curves.
        summary: With the verdict that is on the screen.
    """
    st.subheader("Take it with you", anchor=False)
    row = st.container(horizontal=True)
    offers = (
        ("Report (HTML)", "html", "text/html", lambda: html_page(report_of(here, comparison, project, found, summary))),
        ("Tables (CSV)", "csv.zip", "application/zip", lambda: tables(found, summary)),
        ("Figures (JSON)", "json", "application/json", lambda: figures_json(comparison, summary)),
        ("Charts (SVG)", "svg.zip", "application/zip", lambda: charts(found, summary, "svg")),
        ("Charts (PNG)", "png.zip", "application/zip", lambda: charts(found, summary, "png")),
    )
    for label, ending, mime, make in offers:
        row.download_button(
            label, make, words.file_name(comparison.name, ending), mime, key=f"get-{ending}-{comparison.id}",
            on_click="ignore", icon=":material/download:",
        )  # fmt: skip
    st.caption("The report is one file that needs nothing else; the tables are points, areas and paired differences.")


def tables(found: Found, summary: Summary) -> bytes:
    """Return points, areas and paired differences as CSV files in one archive."""
    curves = [curve for arm in found.curves.values() for curve in arm]
    made = {"points": points_csv(curves), "areas": areas_csv(summary), "differences": paired_csv(summary)}
    return zipped({f"{name}.csv": text.encode("utf-8-sig") for name, text in made.items()})


def figures_json(comparison: Comparison, summary: Summary) -> str:
    """Return all figures and how they were made, as JSON."""
    about = comparison.about
    versions: Mapping[str, Any] = about.get("versions") or {}
    told = to_json(summary, device=str(about.get("device", "")), versions={k: str(v) for k, v in versions.items()})
    told |= {"name": comparison.name, "settings": dict(comparison.settings), "about": dict(about)}
    return json.dumps(told, indent=2, ensure_ascii=False)


def charts(found: Found, summary: Summary, kind: str) -> bytes:
    """Return all charts as one archive; vl-convert is imported when the first is drawn."""
    every = [curve for arm in found.curves.values() for curve in arm]
    drawn = figures(Report(title="", summary=summary, curves=every))
    pictures = {figure.name: png(figure.spec) if kind == "png" else svg(figure.spec).encode() for figure in drawn}
    return zipped({f"{name}.{kind}": data for name, data in pictures.items()})


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return files as one archive; equal files give equal bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return made.getvalue()
