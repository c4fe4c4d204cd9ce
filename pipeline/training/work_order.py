"""What processes that train together are told: a folder with a JSON file, arrays to map, and first weights.

The one who gives the order (a flow) writes it and holds a lock in the folder; the processes read it, and leave
progress, weights and a report there. Plain files only: nothing here can run code, and no array is sent to a process.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import FileDamaged, TrainingError
from pipeline.files import FileRecord, atomic_write_bytes
from pipeline.models.base import Classifier
from pipeline.models.store import load_model, save_model
from pipeline.training.labeled import LabeledImages, TrainingReport
from pipeline.training.recipes import SupervisedRecipe

Kind = Literal["labeled", "copies", "pseudo", "validation", "synthetic"]
_ORDER, _RESULT, _ERROR, _PROGRESS = "order.json", "result.json", "error.txt", "progress.json"
_START, _TRAINED = "start.safetensors", "trained.safetensors"
OWNER_LOCK = "owner.lock"  # held by the one who gave the order for as long as anybody wants the result


@dataclass(frozen=True, kw_only=True)
class WorkOrder:
    """One training for several processes.

    Attributes:
        model: With the weights it starts from.
        recipe: Without adversarial training.
        seed: Of order, augmentation and dropout.
        accelerator: 'cpu' or 'cuda'.
        checkpoint: The file to take up from and to write to.
        checkpoint_seconds: Least time between two writes.
        images: What it learns from and is validated on, by kind; 'labeled' at least.
    """

    model: Classifier
    recipe: SupervisedRecipe
    seed: int
    accelerator: Literal["cpu", "cuda"]
    checkpoint: Path
    checkpoint_seconds: float = 10.0
    images: dict[Kind, LabeledImages]


def write_order(folder: Path, order: WorkOrder, launch: dict[str, Any] | None = None) -> None:
    """Write an order; `order.json` comes last, so that it is there only when all the rest is.

    Args:
        folder: Where; made if missing.
        order: What to do.
        launch: What other hosts need to know to start their processes; None where there are none.

    Raises:
        TrainingError: The recipe makes adversarial images, which one device does alone.
    """
    if order.recipe.adversarial is not None:
        raise TrainingError(
            "expected a recipe without adversarial training for several devices, got one with it; train it on 1 device"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for kind, images in order.images.items():
        for part, tensor in _parts(images).items():
            np.save(folder / f"{kind}.{part}.npy", tensor.detach().cpu().numpy(), allow_pickle=False)
    plain = {
        "recipe": {name: value for name, value in asdict(order.recipe).items() if name != "adversarial"},
        "seed": order.seed,
        "accelerator": order.accelerator,
        "checkpoint": str(order.checkpoint),
        "checkpoint_seconds": order.checkpoint_seconds,
        "images": sorted(order.images),
        "start": save_model(order.model, folder / _START, {}).sha256,
        "launch": launch,
    }
    atomic_write_bytes(folder / _ORDER, json.dumps(plain, indent=1).encode())


def read_order(folder: Path) -> WorkOrder:
    """Read an order; its images are mapped, not read.

    Raises:
        FileDamaged: There is none, or it is not whole.
    """
    plain = _read_json(folder / _ORDER)
    model, _ = load_model(folder / _START, plain["start"])
    return WorkOrder(
        model=model,
        recipe=SupervisedRecipe(**plain["recipe"]),
        seed=plain["seed"],
        accelerator=plain["accelerator"],
        checkpoint=Path(plain["checkpoint"]),
        checkpoint_seconds=plain["checkpoint_seconds"],
        images={kind: _mapped(folder, kind) for kind in get_args(Kind) if kind in plain["images"]},
    )


def read_launch(folder: Path) -> dict[str, Any] | None:
    """Return what other hosts need to know to start their processes; None without an order for several hosts."""
    try:
        launch: dict[str, Any] | None = _read_json(folder / _ORDER)["launch"]
    except FileDamaged:
        return None
    return launch


def write_result(folder: Path, model: Classifier, report: TrainingReport) -> None:
    """Write the trained weights, and then the report, which tells that all is there."""
    record: FileRecord = save_model(model, folder / _TRAINED, {})
    plain = {"sha256": record.sha256, "report": asdict(report)}
    atomic_write_bytes(folder / _RESULT, json.dumps(plain).encode())


def read_result(folder: Path) -> tuple[Classifier, TrainingReport]:
    """Return the trained network and the report.

    Raises:
        FileDamaged: They are not there, or not whole.
    """
    plain = _read_json(folder / _RESULT)
    model, _ = load_model(folder / _TRAINED, plain["sha256"])
    return model, TrainingReport(**plain["report"])


def write_error(folder: Path, text: str) -> None:
    """Leave word of what is wrong with the order itself; trying again would not help."""
    atomic_write_bytes(folder / _ERROR, text.encode())


def read_error(folder: Path) -> str | None:
    """Return what is wrong with the order; None if nothing is."""
    path = folder / _ERROR
    return path.read_text() if path.exists() else None


def write_progress(folder: Path, done: int, total: int) -> None:
    """Say how many steps are done; replaced whole, but not flushed to disk: it is only to look at."""
    temporary = folder / f"{_PROGRESS}.tmp"
    temporary.write_text(json.dumps([done, total]))
    temporary.replace(folder / _PROGRESS)


def read_progress(folder: Path) -> tuple[int, int]:
    """Return the steps done and planned; (0, 0) before the first ones."""
    path = folder / _PROGRESS
    if not path.exists():
        return 0, 0
    done, total = json.loads(path.read_text())
    return int(done), int(total)


def _parts(images: LabeledImages) -> dict[str, Tensor]:
    parts = {"images": images.images, "targets": images.targets, "ids": images.ids}
    return parts if images.weights is None else {**parts, "weights": images.weights}


def _mapped(folder: Path, kind: Kind) -> LabeledImages:
    """Map a set of images; copy-on-write, for torch wants to be able to write."""
    found = {part: folder / f"{kind}.{part}.npy" for part in ("images", "targets", "ids", "weights")}
    try:
        arrays = {
            part: np.load(path, mmap_mode="c", allow_pickle=False) for part, path in found.items() if path.exists()
        }
    except (OSError, ValueError, EOFError) as error:
        raise FileDamaged(f"expected the arrays of a work order in {folder}, got: {error}") from error
    return LabeledImages(**{part: torch.from_numpy(array) for part, array in arrays.items()})


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise FileDamaged(f"expected a work order's file at {path}, got: {error}") from error
    return found
