"""A comparison as something to read, send and keep: an HTML file, pictures, tables for spreadsheets and programs."""

from __future__ import annotations

from pipeline.reports.exports import areas_csv, paired_csv, points_csv, to_json

__all__ = ["areas_csv", "paired_csv", "points_csv", "to_json"]
