"""Import and export: labels and votes in the formats that other tools speak."""

from __future__ import annotations

from db.exchange.formats import FORMATS, Format
from db.exchange.reading import import_file, read_labels
from db.exchange.writing import config_path, export_file, stream

__all__ = ["FORMATS", "Format", "config_path", "export_file", "import_file", "read_labels", "stream"]
