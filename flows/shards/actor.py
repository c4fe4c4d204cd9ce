"""The worker's side of a ranking on Ray: loads the model once, then does its task on one shard after the other."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flows.shards.parcels import pack, pool_of
from pipeline.data.pool import ImagePool
from pipeline.errors import PipelineError
from pipeline.models.store import load_model
from pipeline.strategies.base import Ids, QueryContext, ShardTask


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A model version's file: its path and its hash, which is checked before it is read."""

    path: Path
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What an actor is told once.

    Attributes:
        task: What to do on each shard.
        weights: The model; None before there is one.
        classes: Number of classes.
        seed: Of everything random.
        labeled_ids: int64 (L,), samples with labels.
        labeled_targets: int64 (L,), their classes.
        labeled_images: Where their images lie.
        batch_size: Images at a time; None lets the image size decide.
        round_number: Which round this is.
        scratch: Folder of learned embedders.
        folder: Where large arrays are written.
        device: 'cpu' or 'cuda'.
        threads: That it computes with.
        attempts: How often a shard may be begun.
    """

    task: ShardTask
    weights: Weights | None
    classes: int
    seed: int
    labeled_ids: Ids
    labeled_targets: Ids
    labeled_images: ImagePool | None
    batch_size: int | None
    round_number: int
    scratch: Path | None
    folder: Path
    device: str
    threads: int
    attempts: int

    def context(self, pool: ImagePool) -> QueryContext:
        """Load the model and return what a strategy may look at."""
        device = torch.device(self.device)
        model = None if self.weights is None else load_model(self.weights.path, self.weights.sha256)[0].to(device)
        return QueryContext(
            pool=pool, model=model, classes=self.classes, seed=self.seed, labeled_ids=self.labeled_ids,
            labeled_targets=self.labeled_targets, labeled_images=self.labeled_images, device=device,
            batch_size=self.batch_size, round_number=self.round_number, scratch=self.scratch,
        )  # fmt: skip


class ShardLost(Exception):
    """Each actor that began a shard was killed; the parent says it as an error of the flow."""


@dataclass
class ShardActor:
    """Does shards for Ray Data: called with one row of `shard_rows`, returns one row."""

    assignment: Assignment
    _context: QueryContext | None = field(default=None, init=False)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the shard's number, its seconds, and the packed arrays or what went wrong, as JSON."""
        began = time.perf_counter()
        row = {name: values[0] for name, values in batch.items()}
        parcel, error = b"", ""
        try:
            self._note_attempt(int(row["number"]))
            parcel = self._do(pool_of(row))
        except (PipelineError, ShardLost) as problem:
            error = json.dumps([type(problem).__name__, str(problem)])
        answer = {"number": row["number"], "seconds": time.perf_counter() - began, "parcel": parcel, "error": error}
        return {name: np.array([value], dtype=object) for name, value in answer.items()}

    def _note_attempt(self, number: int) -> None:
        """Leave a file that says that the shard was begun: an actor that is killed can leave nothing afterwards."""
        folder, attempts = self.assignment.folder, self.assignment.attempts
        if len(list(folder.glob(f"begun-{number}-*"))) >= attempts:
            raise ShardLost(
                f"expected an actor to rank shard {number}, got {attempts} that were killed at it; do: look at the "
                "workers' memory, then run the round again"
            )
        (folder / f"begun-{number}-{secrets.token_hex(4)}").touch()

    def _do(self, pool: ImagePool) -> bytes:
        if self._context is None:
            torch.set_num_threads(self.assignment.threads)
            self._context = self.assignment.context(pool)
        return pack(self.assignment.task.run(replace(self._context, pool=pool)), self.assignment.folder)
