"""A run's own file, written after every ranking and every training, so that a kill at any time costs one of them.

It holds the points, the queries of a round that has not trained yet, the adversarial copies and pseudo-labels that
train, and the newest model's weights: safetensors with JSON, written whole or not at all. Weights are kept rather than
trained anew, for that would need the copies and pseudo-labels of the round before, and on a GPU all seeds of the unit.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from pipeline.errors import FileDamaged, ModelError
from pipeline.experiment.asked import Asked, Copies
from pipeline.experiment.records import Point
from pipeline.experiment.run import ArmRun
from pipeline.files import atomic_write_bytes, sha256_file
from pipeline.models.registry import put_state

_KEY = "borderline.run"
_WEIGHTS = "weights."
_FORMAT = 1

_log = logging.getLogger(__name__)


class StateFile:
    """The file of one run.

    Args:
        path: Where.
        key: Hash of all that decides the run's points; a file with another key is not this run's.
        scratch: Folder of its learned embedders, without which it could not go on as before.
    """

    def __init__(self, path: Path, key: str, scratch: Path | None = None) -> None:
        self.path, self.key, self.scratch = path, key, scratch

    def save(self, run: ArmRun) -> None:
        """Write down where a run stands."""
        record = {
            "format": _FORMAT,
            "key": self.key,
            "points": [point_to_dict(point) for point in run.points],
            "asked": None if run.asked is None else [run.asked.seconds, dict(run.asked.figures)],
            "copies": [item.turn for item in run.copies],
            "scratch": self._scratch_files(),
        }
        data = save(_tensors(run), {_KEY: json.dumps(record)})
        atomic_write_bytes(self.path, data)

    def restore(self, run: ArmRun) -> bool:
        """Bring a fresh run to where the file says it stood.

        Returns:
            False where the file is missing, damaged, or of another run; the run is then as it was.
        """
        try:
            data = self.path.read_bytes()
            record, tensors = _record(data), load(data)
            if record["format"] != _FORMAT or record["key"] != self.key or not self._has(record["scratch"]):
                return False
            points = [point_from_dict(item) for item in record["points"]]
            _fill(run, points, record, tensors)
        except FileNotFoundError:
            return False
        except (SafetensorError, KeyError, ValueError, TypeError, OSError, ModelError, FileDamaged) as error:
            _log.warning("%s cannot be used (%s): the run starts from its beginning", self.path, error)
            return False
        return True

    def _has(self, wanted: Mapping[str, str]) -> bool:
        """Return whether all learned embedders are there; a ranking that was cut short may have left one more."""
        return wanted.items() <= self._scratch_files().items()

    def _scratch_files(self) -> dict[str, str]:
        if self.scratch is None or not self.scratch.is_dir():
            return {}
        return {path.name: sha256_file(path) for path in sorted(self.scratch.glob("*.safetensors"))}


def point_to_dict(point: Point) -> dict[str, Any]:
    """Return a point as plain values, for JSON."""
    return asdict(point)


def point_from_dict(values: Mapping[str, Any]) -> Point:
    """Return the point of `point_to_dict`.

    Raises:
        KeyError, TypeError: The values are not of a point.
    """
    lists = {name: tuple(values[name]) for name in ("class_recall", "class_labels", "queried")}
    return Point(**{**values, **lists})


def _tensors(run: ArmRun) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    if run.asked is not None:
        tensors["asked"] = torch.from_numpy(run.asked.ids.copy())
    for place, item in enumerate(run.copies):
        tensors[f"copies.{place}.ids"] = torch.from_numpy(item.ids.copy())
        tensors[f"copies.{place}.images"] = item.images.contiguous()
    if run.pseudo is not None:
        tensors["pseudo"] = torch.from_numpy(np.stack(run.pseudo))  # (2, P)
    if run.model is not None and run.asks_with_model:
        state = run.model.state_dict()
        tensors |= {_WEIGHTS + name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    return tensors


def _record(data: bytes) -> dict[str, Any]:
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    record: dict[str, Any] = json.loads(header["__metadata__"][_KEY])
    return record


def _fill(run: ArmRun, points: list[Point], record: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Put what was read into a run, once all of it could be read."""
    asked = None
    if record["asked"] is not None:
        seconds, figures = record["asked"]
        asked = Asked(ids=tensors["asked"].numpy(), seconds=seconds, figures=figures)
    copies = tuple(
        Copies(turn=turn, ids=tensors[f"copies.{place}.ids"].numpy(), images=tensors[f"copies.{place}.images"])
        for place, turn in enumerate(record["copies"])
    )
    weights = {name.removeprefix(_WEIGHTS): value for name, value in tensors.items() if name.startswith(_WEIGHTS)}
    model = None
    if weights:
        model = run.first_model()
        put_state(model, weights, run.network)
        model.to(run.device).eval()
    pseudo = tensors.get("pseudo")
    run.points, run.asked, run.copies, run.model = points, asked, copies, model
    run.pseudo = None if pseudo is None else (pseudo[0].numpy().copy(), pseudo[1].numpy().copy())
