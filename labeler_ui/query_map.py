"""Where the queries lie among all images: the stored map of a comparison as a chart, a panel an arm.

The map is a file of the comparison (kind 'map'), JSON with lists of one length: `ids` (of samples), `x` and `y` (a 2-D
projection of embeddings, any unit); `about` may say how it was made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.records import ComparisonFile, ComparisonPoint

MOST_DOTS = 3000  # of those never asked: more make the drawing slow and show nothing new
INK = {"light": "#1c1d2b", "dark": "#eceef6"}
FAINT = {"light": "#c3c7d6", "dark": "#4a4d63"}
EARLY = {"light": "#b9b4f8", "dark": "#4338ca"}
LATE = {"light": "#312e81", "dark": "#c7d2fe"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """Where images lie.

    Attributes:
        ids: Sample ids (N,).
        xy: Places (N, 2), float.
        about: How the map was made; may be empty.
        class_names: Of each image (N,); '' where it is not known.
    """

    ids: NDArray[np.int64]
    xy: NDArray[np.float64]
    about: str = ""
    class_names: Sequence[str] = ()


def read_map(path: Path, file: ComparisonFile) -> Places:
    """Read a map.

    Raises:
        ValueError: The file is gone, damaged, or no map; the text is for people.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError("The map's file is gone.") from error
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise ValueError("The map's file was changed since it was made.")
    try:
        told = json.loads(data)
        ids = np.asarray(told["ids"], dtype=np.int64)
        xy = np.column_stack([np.asarray(told[axis], dtype=np.float64) for axis in ("x", "y")])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("The map's file is none that this page can read.") from error
    if len(ids) != len(xy) or not np.isfinite(xy).all():
        raise ValueError("The map's file does not fit together.")
    return Places(ids=ids, xy=xy, about=str(told.get("about", "")))


def rounds_on(places: Places, points: Sequence[ComparisonPoint], last: int) -> dict[int, int]:
    """Return the round in which each image of the map was asked, by its row; those of later rounds are left out."""
    row_of = {int(sample): row for row, sample in enumerate(places.ids)}
    asked: dict[int, int] = {}
    for turn, point in enumerate(points[: last + 1]):
        asked |= {row_of[sample]: turn for sample in point.queried if sample in row_of}
    return asked


def map_chart(places: Places, asked: Mapping[int, int], title: str, *, last: int, theme: str) -> dict[str, Any]:
    """Return the map with what was asked, by round, as a Vega-Lite spec.

    Args:
        places: Of all images.
        asked: Round by row, from `rounds_on`.
        title: Of the panel.
        last: The newest round that is shown.
        theme: 'light' or 'dark'.
    """
    others = np.setdiff1d(np.arange(len(places.ids)), np.fromiter(asked, dtype=np.int64, count=len(asked)))
    step = max(1, -(-len(others) // MOST_DOTS))
    faint = [_dot(places, int(row), None) for row in others[::step]]
    dots = [_dot(places, row, turn) for row, turn in asked.items()]
    axis = {"type": "quantitative", "axis": None, "scale": {"zero": False, "nice": False, "padding": 8}}
    place = {"x": {"field": "x", **axis}, "y": {"field": "y", **axis}}
    shades = {"domain": [0, max(1, last)], "range": [EARLY[theme], LATE[theme]]}
    color = {"field": "round", "type": "quantitative", "title": "Round", "scale": shades}
    color["legend"] = {"tickMinStep": 1, "format": "d", "orient": "bottom", "gradientLength": 160}
    tips = [("round", "Round"), ("class", "Class"), ("image", "Image")]
    known = [{"field": field, "type": "nominal", "title": name} for field, name in tips]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": {"text": title, "anchor": "start", "color": INK[theme], "fontSize": 14},
        "height": 340,
        "background": "transparent",
        "layer": [
            {"data": {"values": faint}, "mark": {"type": "circle", "size": 14, "color": FAINT[theme], "aria": False},
             "encoding": place},
            {"data": {"values": dots}, "mark": {"type": "circle", "size": 60, "opacity": 0.95, "aria": False},
             "encoding": {**place, "color": color, "tooltip": known}},
        ],
        "config": {"view": {"stroke": None}, "legend": {"labelColor": INK[theme], "titleColor": INK[theme]}},
    }  # fmt: skip


def _dot(places: Places, row: int, turn: int | None) -> dict[str, Any]:
    x, y = places.xy[row]
    dot: dict[str, Any] = {"x": round(float(x), 4), "y": round(float(y), 4)}
    if turn is not None:
        name = places.class_names[row] if row < len(places.class_names) else ""
        dot |= {"round": turn, "image": int(places.ids[row]), "class": name or "–"}
    return dot
