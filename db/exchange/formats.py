"""The formats by name: what a command, a page or the HTTP API can offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from db.errors import InvalidInput

What = Literal["labels", "votes"]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format.

    `suffix` is empty for folders; `stream` tells that it can be sent while it is made, `marks` that readers see of each
    row whether it is synthetic.
    """

    name: str
    description: str
    what: tuple[What, ...]
    suffix: str = ""
    media_type: str = ""
    stream: bool = False
    readable: bool = True
    marks: bool = False


_BOTH: tuple[What, ...] = ("labels", "votes")
_ALL = (
    Format(
        name="csv",
        description="A table for spreadsheets; cells cannot act as formulas.",
        what=_BOTH,
        suffix=".csv",
        media_type="text/csv; charset=utf-8",
        stream=True,
        marks=True,
    ),
    Format(
        name="jsonl",
        description="JSON Lines: one object a line, texts exactly as they are.",
        what=_BOTH,
        suffix=".jsonl",
        media_type="application/x-ndjson",
        stream=True,
        marks=True,
    ),
    Format(
        name="parquet",
        description="Parquet with typed columns, for pandas, Polars, DuckDB and Spark.",
        what=_BOTH,
        suffix=".parquet",
        media_type="application/vnd.apache.parquet",
        marks=True,
    ),
    Format(
        name="label-studio",
        description="Label Studio tasks with annotations and predictions, beside its labeling configuration.",
        what=_BOTH,
        suffix=".json",
        media_type="application/json",
        stream=True,
    ),
    Format(
        name="coco",
        description="COCO-style JSON with a category for each whole image (no boxes).",
        what=("labels",),
        suffix=".json",
        media_type="application/json",
    ),
    Format(
        name="imagefolder",
        description="A folder a split, a folder a class, the images in it: copied, linked or listed in a manifest.",
        what=("labels",),
    ),
    Format(
        name="huggingface",
        description="Hugging Face datasets layout: data/SPLIT with metadata, and a dataset card.",
        what=("labels",),
        marks=True,
    ),
)
FORMATS: Mapping[str, Format] = MappingProxyType({entry.name: entry for entry in _ALL})


def writable(what: str, name: str, *, synthetic: bool = False) -> Format:
    """Return the format.

    Raises:
        InvalidInput: if there is none of that name, it cannot hold labels or votes, or (with `synthetic`) it cannot
            mark images that a generator made.
    """
    if what not in _BOTH:
        raise InvalidInput(f"expected labels or votes to export, got {what!r:.40}; choose one")
    able = [entry.name for entry in _ALL if what in entry.what]
    if name not in able:
        raise InvalidInput(f"expected a format for {what} out of {', '.join(able)}, got {name!r:.40}; choose one")
    if synthetic and (what != "labels" or not FORMATS[name].marks):
        marking = ", ".join(entry.name for entry in _ALL if entry.marks)
        raise InvalidInput(
            f"expected labels in a format that marks generated images ({marking}), got {what} as {name}: there they "
            "would pass for photos; choose another format or leave them out"
        )
    return FORMATS[name]
