"""What helps rare classes: balancing, adversarial copies, generators behind their gate; recall with intervals.

    python -m benchmarks.rare_classes [--datasets mnist,quickdraw] [--labels 20,50] [--arms plain,balanced,...]
        [--seeds 5] [--base balanced] [--device cuda] [--json FILE] [--quick]

Three classes, drawn by the seed, are rare: N labels each beside ten times as many of each other class, as far as the
data reach, and a tenth of a common class's images in the unlabeled pool. Copies and generators come on top of the base
(classes that take turns in the batches, which a project does by itself about uneven labels). Each generator's images
pass the gate, class by class, which measures on validation labels that no arm trains on; 'no gate' is what all of its
images would have done, and 'held-out labels train too' what the gate's labels would be worth in training. One recipe
serves all arms. The test images are the data set's own (quickdraw: a fifth of each class, the same for all seeds),
measure the models and decide nothing. Every finished cell is kept in the JSON file at once; the same command goes on
with what is missing.
"""

from __future__ import annotations

import hashlib
import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import arguments, report, save
from benchmarks.rare_arms import ARMS, NO_GATE, How, Point, Scene
from benchmarks.rare_data import HELD_OUT, REACH, Images, make_world, read_images
from benchmarks.rare_rows import rows_of
from pipeline.training.recipes import SupervisedRecipe, recipe_by_name

NETWORKS = {"clothing-small": "convnet"}  # lenet5 for the others
LABELS = (5, 20, 50, 150)
# Decided before anything was measured: all arms have these steps, with 50 labels and with 10,000.
RECIPE = replace(recipe_by_name("supervised"), least_steps=1000, most_steps=2000)
QUICK = replace(RECIPE, least_steps=60, most_steps=60, window=20)


@dataclass(frozen=True, order=True)
class Cell:
    """One training, or with a generator what belongs to it: a data set, labels of a rare class, a seed and an arm."""

    dataset: str
    labels: int
    seed: int
    arm: str


def cells(datasets: Sequence[str], labels: Sequence[int], seeds: Sequence[int], arms: Sequence[str]) -> Iterator[Cell]:
    """Give the cells in turn: all arms of a seed before the next seed, so that one cut short is paired all the same."""
    for dataset in datasets:
        for count in labels:
            for seed in seeds:
                yield from (Cell(dataset, count, seed, arm) for arm in arms)


class Kept:
    """The points that are there, in the JSON file that the benchmark writes.

    Args:
        path: The file; None keeps none.
        conditions: What decides all points: a file of other conditions is refused, not mixed with.
    """

    def __init__(self, path: Path | None, conditions: dict[str, Any]) -> None:
        self.conditions, self.points = conditions, list[Point]()
        if path is not None and path.exists():
            found = json.loads(path.read_text())
            if found.get("conditions") != conditions:
                raise SystemExit(f"expected points of the same conditions in {path}, got others; do: another --json")
            self.points = found["points"]

    def has(self, cell: Cell) -> bool:
        """Return whether a cell was finished before."""
        return any(_cell_of(point) == cell for point in self.points)

    def take(self, points: Sequence[Point], given: Namespace) -> None:
        """Keep the points of a cell, all or none of them, and write the file."""
        self.points += points
        save(rows_of(self.points), given, conditions=self.conditions, points=self.points)


def _cell_of(point: Point) -> Cell:
    return Cell(point["dataset"], point["rare_labels"], point["seed"], point["arm"])


def run_cell(images: Images, cell: Cell, how: How, scenes: dict[Cell, Scene], **sizes: int) -> list[Point]:
    """Run one cell; what its seed shares with other arms is made once and found in `scenes`."""
    key = replace(cell, arm="")
    if key not in scenes:
        scenes.clear()
        scenes[key] = Scene(images, make_world(images, cell.labels, cell.seed, **sizes), cell.seed, how)
    return [{**point, "rare_labels": cell.labels} for point in scenes[key].points(cell.arm)]


def how_of(dataset: str, given: Namespace) -> How:
    """Return how a data set's cells are run."""
    return How(
        network=NETWORKS.get(dataset, "lenet5"),
        recipe=_recipe(given),
        base=given.base,
        device=torch.device(given.device),
        maker_steps=given.maker_steps or (40 if given.quick else 0),
        told=_tell,
    )


def _recipe(given: Namespace) -> SupervisedRecipe:
    return QUICK if given.quick else RECIPE


def conditions_of(given: Namespace) -> dict[str, Any]:
    """Return all that decides a point beside its cell."""
    return {
        "recipe": {name: value for name, value in asdict(_recipe(given)).items() if name != "balance"},
        "base": given.base, "maker_steps": given.maker_steps, "quick": given.quick, "device": given.device,
        "held_out": given.held_out, "reach": given.reach,
    }  # fmt: skip


@lru_cache(maxsize=1)
def _images(name: str, folder: Path) -> Images:
    return read_images(name, folder)


def _tell(text: str) -> None:
    print(f"\r{text[:110]:<110}", end="", file=sys.stderr, flush=True)


def run(given: Namespace) -> list[Point]:
    """Run all cells that are missing, and return the points of all that were asked for."""
    names = [text.split(",") for text in (given.datasets, given.labels, given.arms)]
    wanted = list(cells(names[0], [int(count) for count in names[1]], range(given.seeds), names[2]))
    if unknown := sorted({cell.arm for cell in wanted} - set(ARMS)):
        raise SystemExit(f"expected arms out of {', '.join(ARMS)}, got {', '.join(unknown)}")
    kept = Kept(given.json, conditions_of(given))
    scenes: dict[Cell, Scene] = {}
    for number, cell in enumerate(wanted, 1):
        if kept.has(cell):
            continue
        how = how_of(cell.dataset, given)
        points = run_cell(
            _images(cell.dataset, given.data), cell, how, scenes, held_out=given.held_out, reach=given.reach
        )
        kept.take(points, given)
        _tell(f"{number} of {len(wanted)}: {cell.dataset}, {cell.labels} labels, seed {cell.seed}, {cell.arm}: "
              f"{points[0]['rare_recall']:.3f} in {points[0]['seconds']:.0f} s")  # fmt: skip
        print(file=sys.stderr)
    asked = {replace(cell, arm=arm) for cell in wanted for arm in (cell.arm, cell.arm + NO_GATE)}
    return [point for point in kept.points if _cell_of(point) in asked]


def digest(points: Sequence[Point]) -> str:
    """Return a hash of what was measured, without times: the same command gives it again on one kind of device."""
    plain = [{name: value for name, value in point.items() if not name.endswith("seconds")} for point in points]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]


def main() -> None:
    """Run what is missing and print the table."""
    given = arguments(
        __doc__,
        datasets="mnist,quickdraw,clothing-small",
        labels=",".join(map(str, LABELS)),
        arms=",".join(ARMS),
        seeds=5,
        base="balanced",
        maker_steps=0,
        held_out=HELD_OUT,
        reach=REACH,
        device="cuda" if torch.cuda.is_available() else "cpu",
    )
    points = run(given)
    kept = Kept(given.json, conditions_of(given)).points if given.json else points
    shown = rows_of(points)
    report(
        "Recall of three rare classes", shown, Namespace(json=None), recipe=repr(_recipe(given)), digest=digest(points),
        device=given.device, base=given.base,
    )  # fmt: skip
    save(rows_of(kept), given, conditions=conditions_of(given), points=kept)


if __name__ == "__main__":
    main()
