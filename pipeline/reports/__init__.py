"""A comparison as something to read, send and keep: an HTML file, pictures, tables for spreadsheets and programs.

Knows arrays and `pipeline.statistics`, no torch and no store, so that the page can offer all of it for download.
"""

from __future__ import annotations

from pipeline.reports.contents import Asked, AskedRound, Report
from pipeline.reports.drawing import png, svg
from pipeline.reports.exports import areas_csv, paired_csv, points_csv, to_json
from pipeline.reports.figures import Figure, figures
from pipeline.reports.html_page import html_page
from pipeline.reports.markdown import markdown
from pipeline.reports.writing import report_files, write_report

__all__ = [
    "Asked",
    "AskedRound",
    "Figure",
    "Report",
    "areas_csv",
    "figures",
    "html_page",
    "markdown",
    "paired_csv",
    "png",
    "points_csv",
    "report_files",
    "svg",
    "to_json",
    "write_report",
]
