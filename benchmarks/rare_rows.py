"""The rows of `benchmarks.rare_classes`: means over seeds with 95 % intervals, and the section of docs/results.md.

python -m benchmarks.rare_rows FILE.json     prints the section, in Markdown
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.statistics.intervals import Estimate, t_interval

FREE = ("plain", "balanced", "logit_adjustment", "balanced+logit_adjustment", "copies")
Point = dict[str, Any]
Row = dict[str, Any]


def rows_of(points: Sequence[Point]) -> list[Row]:
    """Return one row for each data set, number of labels and arm, in the order in which they came.

    Differences are paired by seed, to the arm without a generator that has the best mean recall. It is chosen by the
    very test results that it is compared on, which makes it hard to beat: nothing else is chosen by them.
    """
    groups: dict[tuple[str, int], dict[str, list[Point]]] = {}
    for point in points:
        arms = groups.setdefault((point["dataset"], point["rare_labels"]), {})
        arms.setdefault(point["arm"], []).append(point)
    return [_row(arm, arms) for arms in groups.values() for arm in arms]


def _row(arm: str, arms: dict[str, list[Point]]) -> Row:
    points, first = arms[arm], arms[arm][0]
    recall = t_interval([point["rare_recall"] for point in points], within=(0, 1))
    best = _best(arms)
    return {
        "dataset": first["dataset"], "imbalance": round(sum(p["imbalance"] for p in points) / len(points), 1),
        "rare_labels": first["rare_labels"], "arm": arm, "seeds": len(points), "rare_recall": recall.mean,
        "low": recall.low, "high": recall.high, "balanced_accuracy": _mean(points, "balanced_accuracy"),
        "calibration_error": _mean(points, "calibration_error"), "gate": _gate(arm, points), "best_free": best,
        **_difference(points, arms[best] if best else []), "seconds": _mean(points, "seconds"),
        "processor_seconds": _mean(points, "processor_seconds"),
    }  # fmt: skip


def _mean(points: Sequence[Point], name: str) -> float:
    return float(sum(point[name] for point in points) / len(points))


def _best(arms: dict[str, list[Point]]) -> str | None:
    """Return the arm without a generator that has the highest mean recall of the rare classes."""
    free = [arm for arm in arms if arm in FREE]
    return max(free, key=lambda arm: _mean(arms[arm], "rare_recall"), default=None)


def _difference(points: Sequence[Point], best: Sequence[Point]) -> dict[str, float | None]:
    """Return the paired difference of rare recall to the best arm, over the seeds that both have."""
    theirs = {point["seed"]: point["rare_recall"] for point in best}
    pairs = [point["rare_recall"] - theirs[point["seed"]] for point in points if point["seed"] in theirs]
    found = t_interval(pairs) if pairs else Estimate(mean=0.0, low=None, high=None, seeds=0)
    return {"difference": found.mean if pairs else None, "difference_low": found.low, "difference_high": found.high}


def _gate(arm: str, points: Sequence[Point]) -> str:
    """Return how often the gate let a class in, and why it mostly did not; empty where there is no generator."""
    words = [word for point in points for word in point.get("gate", ())]
    if not words:
        return ""
    if arm.endswith("no gate"):
        return "off"
    accepted = sum(word["verdict"] == "accepted" for word in words)
    refusals = [_short(word["reason"]) for word in words if word["verdict"] == "refused"]
    common = max(refusals, key=refusals.count, default="")
    why = f"; mostly: {common}" if common else ""
    return f"accepted {accepted} of {len(words)}{why}"


def _short(reason: str) -> str:
    """Return a reason without its figures, so that equal ones can be counted."""
    return " ".join("N" if any(letter.isdigit() for letter in word) else word for word in reason.split()).split(".")[0]


def section(found: dict[str, Any]) -> str:
    """Return the section 'Rare classes' of docs/results.md, from what the benchmark wrote."""
    rows, conditions, machine = rows_of(found["points"]), found["conditions"], found["machine"]
    lines = [
        "## Rare classes: what helps, and what the gate lets in", "", _about(rows, conditions), "",
        f"`{machine['command']}`, {machine['gpu'] or machine['processor']}.",
    ]  # fmt: skip
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        for labels in dict.fromkeys(row["rare_labels"] for row in rows if row["dataset"] == dataset):
            some = [row for row in rows if (row["dataset"], row["rare_labels"]) == (dataset, labels)]
            lines += ["", f"### {dataset}, {labels} labels of each rare class", "", *_table(some), "", _answer(some)]
    return "\n".join(lines) + "\n"


def _about(rows: Sequence[Row], conditions: dict[str, Any]) -> str:
    seeds = sorted({row["seeds"] for row in rows})
    return (
        "Three classes, drawn by the seed, have few labels beside ten times as many of each other class as far as the "
        "data reach, and a tenth of a common class's images in the unlabeled pool. Copies and generators come on top "
        f"of {conditions['base']}; all arms train by one recipe, and those of a seed share labels and first weights. "
        f"The gate measures on validation labels ({conditions['held_out']} a class where the data have no validation "
        "split) that no other arm trains on. Test images decide nothing. Means over "
        f"{' or '.join(map(str, seeds))} seeds with 95 % intervals; differences are paired by seed, to the best arm "
        "without a generator, in points."
    )


def _table(rows: Sequence[Row]) -> list[str]:
    header = ("arm", "rare recall (%)", "difference", "balanced accuracy (%)", "calibration error (%)", "gate")
    body = [
        (
            row["arm"], _percent(row["rare_recall"], row["low"], row["high"]), _points(row),
            f"{100 * row['balanced_accuracy']:.1f}", f"{100 * row['calibration_error']:.1f}", row["gate"] or "–",
        )
        for row in rows
    ]  # fmt: skip
    return [f"| {' | '.join(cells)} |" for cells in (header, ("---", *["---:"] * 4, "---"), *body)]


def _answer(rows: Sequence[Row]) -> str:
    """Say whether a gated generator is ahead, by its interval."""
    gated = [row for row in rows if row["gate"] and row["gate"] != "off" and row["difference"] is not None]
    if not gated:
        return "No generator was tried here."
    best = max(gated, key=lambda row: row["difference"])
    sure = best["difference_low"] is not None and best["difference_low"] > 0
    said = "is ahead of" if sure else "cannot be told from" if _around(best) else "is behind"
    return f"The best gated generator, {best['arm']}, {said} {best['best_free']}: {_points(best)} points."


def _around(row: Row) -> bool:
    return row["difference_high"] is None or row["difference_high"] >= 0


def _points(row: Row) -> str:
    if row["difference"] is None or row["arm"] == row["best_free"]:
        return "the best" if row["arm"] == row["best_free"] else "–"
    low, high = row["difference_low"], row["difference_high"]
    interval = "" if low is None else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{100 * row['difference']:+.1f}{interval}".replace("-", "−")


def _percent(mean: float, low: float | None, high: float | None) -> str:
    return f"{100 * mean:.1f}" + ("" if low is None or high is None else f" [{100 * low:.1f}, {100 * high:.1f}]")


def main() -> None:
    """Print the section."""
    print(section(json.loads(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
