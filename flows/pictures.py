"""Keeps pictures of a round's adversarial copies, so that the page can show them without any model or array."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from torch import Tensor

from db import why
from db.records import Round
from flows.copy_checks import Shown
from flows.files import new_file
from flows.store import Store
from pipeline.data.pictures import encode_copy, encode_difference
from pipeline.files import atomic_write
from pipeline.strategies.base import Selection


def store_pictures(
    store: Store,
    turn: Round,
    selection: Selection | None,
    originals: Tensor | None,
    shown: Mapping[int, Shown] | None = None,
) -> dict[int, dict[str, Any]]:
    """Write two PNGs for each query with a copy into one file of the round, and register it.

    Args:
        store: The open store.
        turn: The round.
        selection: The ranked images; only some, or none, may have copies.
        originals: uint8 (k, C, S, S) in the selection's order; None if nobody will look.
        shown: By row, copies as annotators see images: those that they are to check.

    Returns:
        By row of the selection: the file's id, where in it both pictures lie (offset and length), and how many times
        the difference is amplified; for a copy that is checked also `shown`, its picture's place and media type.
    """
    if selection is None or selection.copies is None or selection.copy_distances is None or originals is None:
        return {}
    made = [int(row) for row in np.flatnonzero(np.isfinite(selection.copy_distances))]
    if not made:
        return {}
    copies, places = selection.copies, {}

    def write(file: BinaryIO) -> None:
        for row in made:
            copy = copies[row]
            difference, amplified = encode_difference(copy, originals[row])
            lies = {"copy": _append(file, encode_copy(copy)), "difference": _append(file, difference)}
            places[row] = {**lies, "amplified": amplified}
            if shown is not None and row in shown:
                places[row]["shown"] = {"place": _append(file, shown[row].data), "media_type": shown[row].media_type}

    folder = store.settings.project_folder(turn.project_id, "pictures")
    record = atomic_write(folder / f"round-{turn.number}-{secrets.token_hex(4)}.pack", write)
    file_id = why.record_pictures(store.database, store.actor, turn.id, new_file(store, record))
    return {row: {"file": file_id, **place} for row, place in places.items()}


def _append(file: BinaryIO, data: bytes) -> list[int]:
    offset = file.tell()
    file.write(data)
    return [offset, len(data)]
