"""Keeps what a ranking made beside ids and scores: adversarial copies and pseudo-labels, as files with rows."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from db import copies as copy_store
from db import pseudo_labels as pseudo_store
from db.records import Round
from flows.files import new_file
from flows.store import Store
from pipeline.files import FileRecord, atomic_write
from pipeline.strategies.base import Selection
from pipeline.strategies.copies import MadeCopies


def store_copies(
    store: Store, turn: Round, selection: Selection, again: tuple[NDArray[np.int64], MadeCopies] | None = None
) -> None:
    """Keep the adversarial copies as float32: eight bits would undo the step. Those made again come after the new."""
    if selection.copies is None or selection.copy_distances is None:
        return
    images, ids, distances = selection.copies.float().cpu(), selection.ids, selection.copy_distances
    if again is not None:
        images, ids = torch.cat([images, again[1].images]), np.concatenate([ids, again[0]])
        distances = np.concatenate([distances, again[1].distances])
    record = _write(store, turn, "copies", images.numpy())  # (k + A, C, S, S)
    rows = [
        (int(sample_id), row, float(distance))
        for row, (sample_id, distance) in enumerate(zip(ids, distances, strict=True))
        if np.isfinite(distance)
    ]
    copy_store.record_copies(store.database, store.actor, turn.id, new_file(store, record), rows)


def store_pseudo_labels(store: Store, turn: Round, selection: Selection | None) -> None:
    """Keep the pseudo-labels for the next training; a selection without any clears those of an interrupted attempt."""
    file, count = None, 0
    if selection is not None and selection.pseudo_ids is not None and selection.pseudo_targets is not None:
        count = len(selection.pseudo_ids)
        if count:
            pairs = np.stack([selection.pseudo_ids, selection.pseudo_targets], axis=1).astype(np.int64)  # (P, 2)
            file = new_file(store, _write(store, turn, "pseudo_labels", pairs))
    pseudo_store.record(store.database, store.actor, turn.id, file, count)


def _write(store: Store, turn: Round, kind: str, array: NDArray[Any]) -> FileRecord:
    """Write an array of a round under a name of its own: an interrupted attempt keeps the file that its rows name."""
    name = f"round-{turn.number}-{secrets.token_hex(4)}.npy"
    folder = store.settings.project_folder(turn.project_id, kind)
    return atomic_write(folder / name, lambda file: np.save(file, array, allow_pickle=False))
