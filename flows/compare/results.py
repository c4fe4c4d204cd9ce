"""A comparison as people and programs take it away: its summary, JSON, and the report with tables and pictures."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from db import comparisons, projects
from db.records import Comparison, ComparisonFile, ComparisonRun, Project
from flows.compare.extras import MAP
from flows.compare.images import open_index, write_index
from flows.compare.options import settings_of
from flows.errors import UsageError
from flows.store import Store
from pipeline.experiment.augmentations import NONE
from pipeline.experiment.planning import arms
from pipeline.files import check_file
from pipeline.reports import to_json
from pipeline.statistics import Curve, Summary, summarize

if TYPE_CHECKING:
    from pipeline.experiment.data import ExperimentData
    from pipeline.reports import Asked, Report
    from pipeline.statistics.charts import MapPoint


def curves_of(store: Store, found: Comparison) -> list[Curve]:
    """Return the learning curves of all runs that have points, the arms in the order in which they were typed."""
    trains = {arm.name: arm.trains for arm in arms(settings_of(found.settings))}
    place = {name: position for position, name in enumerate(trains)}
    runs = [run for run in comparisons.runs(store.database, store.actor, found.id) if run.points]
    in_order = sorted(runs, key=lambda run: (place[run.arm], run.seed))
    return [Curve.of(run.arm, run.seed, run.points, trains=trains[run.arm]) for run in in_order]


def summary_of(store: Store, found: Comparison) -> Summary:
    """Return everything that can be said about a comparison, finished or not.

    Raises:
        UsageError: There is no point yet.
    """
    curves = curves_of(store, found)
    if not curves:
        raise UsageError("expected a comparison with points, got one without any yet; do: wait, or let it go on")
    return summarize(curves)


def result_of(store: Store, found: Comparison) -> dict[str, Any]:
    """Return what ``--json`` writes: arms, paired differences, verdict, device, versions, and how it was made."""
    about = found.about
    found_json = to_json(
        summary_of(store, found), device=str(about.get("device", "")), versions=dict(about.get("versions", {}))
    )
    made = {name: about[name] for name in ("device_name", "machine", "recipe", "tuning") if name in about}
    state = {"state": found.state, "points": found.points_done, "points_wanted": found.points_wanted}
    return {**found_json, "comparison": found.id, **state, "settings": dict(found.settings), **made}


def report_of(store: Store, found: Comparison) -> Report:
    """Return all that a report shows: figures, the images that were asked with the first seed, and their map.

    Raises:
        UsageError: There is no point yet.
        FileDamaged: The map's file is not the one that was written.
    """
    from pipeline.reports import Report

    project = projects.get_project(store.database, store.actor, found.project_id)
    runs = comparisons.runs(store.database, store.actor, found.id)
    data = open_index(write_index(store, project))
    about, tuning = found.about, dict(found.about.get("tuning", {}))
    shown = _first_seed(runs)
    return Report(
        title=found.name,
        summary=summary_of(store, found),
        curves=curves_of(store, found),
        settings=found.settings,
        recipe=about.get("recipe", {}),
        tuning=tuning,
        tuning_labels=tuning.get("labels_spent") if found.settings.get("recipe") == "tuned" else None,
        device=" ".join(dict.fromkeys([str(about.get("device", "")), str(about.get("device_name", ""))])),
        machine=str(about.get("machine", "")),
        versions=about.get("versions", {}),
        command=command_of(found),
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        class_names=data.classes,
        asked=[_asked(data, run) for run in shown],
        places=_places(store, project, found, data, shown),
        remarks=_remarks(found),
    )


def write_report(store: Store, found: Comparison, out: Path) -> Path:
    """Write the report: an HTML file (where `out` ends in .html), or a folder with that, charts, tables and JSON.

    Returns:
        The HTML file.

    Raises:
        UsageError: There is no point yet.
    """
    from pipeline.reports import write_report as write

    return write(out, report_of(store, found))[0]


def command_of(found: Comparison) -> str:
    """Return the command that makes a comparison, or goes on with it."""
    settings, first = settings_of(found.settings), min(settings_of(found.settings).seeds)
    given: dict[str, object] = {
        "dataset": found.settings.get("dataset", ""),
        "data": found.about.get("data_dir"),
        "strategies": ",".join(settings.strategies),
        **{name: getattr(settings, name) for name in ("model", "labels", "batch", "seed_labels")},
        "seeds": len(settings.seeds),
        "seed_start": first or None,
        "imbalance": settings.imbalance,
        "augment": None if settings.augment == (NONE,) else ",".join(settings.augment),
        **{name: getattr(settings, name) for name in ("recipe", "protocol", "cold_start", "copy_rounds")},
        "transfer": None if settings.transfer is None else ":".join(settings.transfer),
        **{name: found.settings.get(name) for name in ("image_size", "channels")},
    }
    parts = [(f"--{name.replace('_', '-')}", str(value)) for name, value in given.items() if value is not None]
    return shlex.join(["borderline", "compare", *(word for part in parts for word in part)])


def _remarks(found: Comparison) -> list[str]:
    if found.state == "done":
        return []
    said = f"The comparison is {found.state} at {found.points_done:,} of {found.points_wanted:,} models."
    return [said, found.note] if found.note else [said]


def _first_seed(runs: list[ComparisonRun]) -> list[ComparisonRun]:
    """Return the runs of the first seed that choose themselves."""
    first = min((run.seed for run in runs if run.points), default=None)
    return [run for run in runs if run.seed == first and run.points and " to " not in run.arm]


def _asked(data: ExperimentData, run: ComparisonRun) -> Asked:
    from pipeline.reports import Asked, AskedRound

    rounds = []
    for turn, point in enumerate(run.points):
        ids = np.array(point.queried, dtype=np.int64)
        images = data.pool.take(ids).permute(0, 2, 3, 1).numpy()  # (N, S, S, C)
        names = [data.classes[place] for place in data.targets_of(ids)]
        rounds.append(AskedRound(round=turn, labels=point.labels, images=images, classes=names))
    return Asked(arm=run.arm, seed=run.seed, rounds=rounds)


def _places(
    store: Store, project: Project, found: Comparison, data: ExperimentData, shown: list[ComparisonRun]
) -> list[MapPoint]:
    from pipeline.statistics.charts import MapPoint

    file = next((one for one in comparisons.files_of(store.database, store.actor, found.id) if one.kind == MAP), None)
    if file is None:
        return []
    told = _read_map(store, file)
    known = dict(zip(told["ids"], zip(told["x"], told["y"], strict=True), strict=True))
    names = dict(zip(data.pool.ids.tolist(), (data.classes[place] for place in data.targets), strict=True))
    asked = [
        MapPoint(x=known[item][0], y=known[item][1], class_name=names[item], arm=run.arm, round=turn)
        for run in shown
        for turn, point in enumerate(run.points)
        for item in point.queried
        if item in known
    ]
    return [MapPoint(x=x, y=y, class_name=names[item]) for item, (x, y) in known.items()] + asked


def _read_map(store: Store, file: ComparisonFile) -> dict[str, list[Any]]:
    path = store.path(file.path)
    check_file(path, file.sha256)
    told: dict[str, list[Any]] = json.loads(path.read_bytes())
    return told
