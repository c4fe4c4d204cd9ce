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
from pipeline.reports import areas_csv, paired_csv, points_csv, to_json
from pipeline.statistics import Summary, charts


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
        ("Report (HTML)", "html", "text/html", lambda: report_of(here, comparison, project, found, summary)),
        ("Tables (CSV)", "csv.zip", "application/zip", lambda: _tables(found, summary)),
        ("Figures (JSON)", "json", "application/json", lambda: _figures(comparison, summary)),
        ("Charts (SVG)", "svg.zip", "application/zip", lambda: _charts(summary, "svg")),
        ("Charts (PNG)", "png.zip", "application/zip", lambda: _charts(summary, "png")),
    )
    for label, ending, mime, make in offers:
        row.download_button(
            label, make, words.file_name(comparison.name, ending), mime, key=f"get-{ending}-{comparison.id}",
            on_click="ignore", icon=":material/download:",
        )  # fmt: skip
    st.caption("The report is one file that needs nothing else; the tables are points, areas and paired differences.")


def _tables(found: Found, summary: Summary) -> bytes:
    curves = [curve for arm in found.curves.values() for curve in arm]
    tables = {"points": points_csv(curves), "areas": areas_csv(summary), "differences": paired_csv(summary)}
    return zipped({f"{name}.csv": text.encode("utf-8-sig") for name, text in tables.items()})


def _figures(comparison: Comparison, summary: Summary) -> str:
    about = comparison.about
    versions: Mapping[str, Any] = about.get("versions") or {}
    told = to_json(summary, device=str(about.get("device", "")), versions={k: str(v) for k, v in versions.items()})
    told |= {"name": comparison.name, "settings": dict(comparison.settings), "about": dict(about)}
    return json.dumps(told, indent=2, ensure_ascii=False)


def charts_of(summary: Summary) -> dict[str, dict[str, Any]]:
    """Return all charts of a comparison that can be drawn, by what their file is called."""
    drawn = {
        "learning-curves": charts.learning_curves(summary),
        "differences": charts.difference_plot(summary),
        "differences-over-labels": charts.differences_over_labels(summary),
        "wins-and-losses": charts.win_loss(summary),
        "classes-covered": charts.class_coverage(summary),
        "rare-class-recall": charts.rare_class_recall(summary),
        "times": charts.seconds_per_round(summary),
    }
    return {name: spec for name, spec in drawn.items() if spec is not None}


def _charts(summary: Summary, kind: str) -> bytes:
    """Return all charts as one archive; vl-convert is imported here, when somebody asks."""
    from pipeline.reports.drawing import png, svg

    found = charts_of(summary)
    pictures = {name: png(spec) if kind == "png" else svg(spec).encode() for name, spec in found.items()}
    return zipped({f"{name}.{kind}": data for name, data in pictures.items()})


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return files as one archive; equal files give equal bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return made.getvalue()
