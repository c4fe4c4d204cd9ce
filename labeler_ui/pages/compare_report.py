"""The report of a comparison as one file, from what the store has: the same that `borderline compare --out` writes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db import samples
from db.errors import StoreError
from db.records import Comparison, ComparisonPoint, ComparisonRun, Project
from labeler_ui import compare_words as words
from labeler_ui.api.guards import Refusal
from labeler_ui.api.images import contained, read_slice
from labeler_ui.pages import compare_data, compare_map
from labeler_ui.pages.compare_images import classes_of
from labeler_ui.pages.visit import Visit
from labeler_ui.query_map import map_points
from pipeline.reports import Asked, AskedRound, Report
from pipeline.statistics import Summary
from pipeline.statistics.charts import MapPoint

SIDE = 40  # pixels of an image in the report
MOST_ARMS, MOST_ROUNDS, MOST_IMAGES = 4, 6, 12


def report_of(
    here: Visit, comparison: Comparison, project: Project, found: compare_data.Found, summary: Summary
) -> Report:
    """Return all that a report shows, with the images that a few arms asked with the first seed."""
    about, runs = comparison.about, compare_data.runs(here, comparison)
    shown, tuning = _some(runs, summary), _mapping(about.get("tuning"))
    return Report(
        title=comparison.name,
        summary=summary,
        curves=[curve for arm in found.curves.values() for curve in arm],
        settings=dict(comparison.settings),
        recipe=_mapping(about.get("recipe")),
        tuning=tuning,
        tuning_labels=words.labels_on_tuning(comparison),
        device=str(about.get("device_name") or about.get("device") or ""),
        machine=str(about.get("machine", "")),
        versions={name: str(value) for name, value in _mapping(about.get("versions")).items()},
        command=words.command(comparison.settings, about),
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        class_names=project.output_names,
        asked=[_asked(here, project, run) for run in shown],
        places=_on_map(here, comparison, project, shown),
        remarks=[] if comparison.state == "done" else [words.state_words(comparison), *words.failures(runs)],
    )


def _mapping(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _some(runs: Sequence[ComparisonRun], summary: Summary) -> list[ComparisonRun]:
    """Return one run of a few arms, all of the first seed: the reference, random sampling, then the others."""
    seed = min((run.seed for run in runs if run.points), default=0)
    there = {run.arm: run for run in runs if run.seed == seed and run.points}
    wanted = dict.fromkeys([summary.reference, "random_sampling", *there])
    return [there[arm] for arm in wanted if arm in there][:MOST_ARMS]


def _asked(here: Visit, project: Project, run: ComparisonRun) -> Asked:
    places = np.unique(np.linspace(0, len(run.points) - 1, min(len(run.points), MOST_ROUNDS)).astype(int))
    rounds = [_round(here, project, int(place), run.points[place]) for place in places]
    return Asked(arm=run.arm, seed=run.seed, rounds=[entry for entry in rounds if entry is not None])


def _round(here: Visit, project: Project, place: int, point: ComparisonPoint) -> AskedRound | None:
    """Return the first images of one round; those whose file is gone are left out."""
    known = classes_of(here, project, point.queried)
    found = [(sample, _picture(here, project, sample)) for sample in point.queried[:MOST_IMAGES]]
    kept = [(sample, picture) for sample, picture in found if picture is not None]
    if not kept:
        return None
    names = [known.get(sample, "") for sample, _ in kept]
    images = np.stack([picture for _, picture in kept])
    return AskedRound(round=place, labels=point.labels, images=images, classes=names)


def _picture(here: Visit, project: Project, sample: int) -> NDArray[np.uint8] | None:
    """Return a display image, small: uint8 (S, S, C)."""
    from PIL import Image

    try:
        place = samples.display_of(here.database, here.actor, project.id, sample)
        data = read_slice(contained(here.database.home, place.path), place.offset, place.length)
    except (StoreError, Refusal):
        return None
    mode = "L" if project.channels == 1 else "RGB"
    small = Image.open(io.BytesIO(data)).convert(mode).resize((SIDE, SIDE))
    return np.asarray(small, dtype=np.uint8).reshape(SIDE, SIDE, -1)


def _on_map(here: Visit, comparison: Comparison, project: Project, runs: Sequence[ComparisonRun]) -> list[MapPoint]:
    try:
        places = compare_map.places_of(here, comparison, project)
    except (ValueError, Refusal):
        return []
    if places is None:
        return []
    points = [point for run in runs for point in map_points(places, run.points, run.arm, len(run.points))]
    background = [point for point in points if point.arm is None]
    return background[: len(background) // max(1, len(runs))] + [point for point in points if point.arm is not None]
