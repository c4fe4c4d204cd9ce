"""Where the queries lie among all images: the stored map of a comparison as a chart, a panel an arm.

The map is a file of the comparison (kind 'map'), JSON with lists of one length: `ids` (of samples), `x` and `y` (a 2-D
projection of embeddings, any unit); `about` may say how it was made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from db.records import ComparisonFile, ComparisonPoint
from pipeline.statistics.charts import MapPoint

MOST_DOTS = 2000  # of those never asked: more make the drawing slow and show nothing new


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


def map_points(places: Places, points: Sequence[ComparisonPoint], arm: str, last: int) -> list[MapPoint]:
    """Return what the map of one arm shows: what it asked up to a round, over some of all other images.

    Args:
        places: Of all images.
        points: Of one run.
        arm: What the run is called.
        last: The newest round to show; 0 is the seed set.
    """
    asked = {sample: turn for turn, point in enumerate(points[: last + 1]) for sample in point.queried}
    others = [row for row, sample in enumerate(places.ids.tolist()) if sample not in asked]
    step = max(1, -(-len(others) // MOST_DOTS))
    found = [_dot(places, row) for row in others[::step]]
    row_of = {sample: row for row, sample in enumerate(places.ids.tolist())}
    return found + [
        replace(_dot(places, row_of[sample]), arm=arm, round=turn) for sample, turn in asked.items() if sample in row_of
    ]


def _dot(places: Places, row: int) -> MapPoint:
    name = places.class_names[row] if row < len(places.class_names) else ""
    return MapPoint(x=float(places.xy[row, 0]), y=float(places.xy[row, 1]), class_name=name or "class not known")
