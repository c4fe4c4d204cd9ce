"""COCO-style JSON. COCO has no record for the class of a whole image: an annotation without a box stands for it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from db.exchange.cells import iso_time
from db.exchange.tables import json_text
from db.records import LabelEntry

INFO = {
    "description": "Image classification: each annotation gives the category of a whole image, so it has no bbox.",
    "version": "1.0",
    "contributor": "Borderline",
}
_SPOOL = 8 << 20


def write_coco(rows: Iterable[LabelEntry], classes: Sequence[str], out: Path) -> int:
    """Write the file and return how many labels are in it; annotations wait in a temporary file, not in memory."""
    numbers = {name: number for number, name in enumerate(classes, start=1)}
    count, comma = 0, ""
    with (
        out.open("w", encoding="utf-8") as file,
        tempfile.SpooledTemporaryFile(_SPOOL, "w+", encoding="utf-8") as later,
    ):
        file.write(f'{{"info": {json_text(INFO)},\n"images": [')
        for row in rows:
            file.write(f"{comma}\n{json_text(_image(row))}")
            later.write(f"{comma}\n{json_text(_annotation(row, numbers.setdefault(row.class_name, len(numbers) + 1)))}")
            count, comma = count + 1, ","
        file.write('],\n"annotations": [')
        later.seek(0)
        shutil.copyfileobj(later, file)
        categories = [{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()]
        file.write(f'],\n"categories": {json_text(categories)}}}\n')
    return count


def _image(row: LabelEntry) -> dict[str, Any]:
    return {
        "id": row.sample_id,
        "file_name": row.name,
        "width": row.width,
        "height": row.height,
        "sha256": row.sha256,
        "split": row.split,
    }


def _annotation(row: LabelEntry, category: int) -> dict[str, Any]:
    return {
        "id": row.sample_id,
        "image_id": row.sample_id,
        "category_id": category,
        "origin": row.origin,
        "votes": row.votes,
        "agreement": row.agreement,
        "updated_at": iso_time(row.updated_at),
    }
