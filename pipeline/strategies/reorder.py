"""What wrappers do with the selection that they wrap: keep some of it, in another order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.strategies.base import Selection


def taken(selection: Selection, places: NDArray[np.int64], figures: dict[str, float | int | str]) -> Selection:
    """Return some places of a selection, in their order; an image that is asked loses its pseudo-label.

    Args:
        selection: Best first.
        places: int64 (k,).
        figures: Are added to the diagnostics.
    """
    ids = selection.ids[places]
    pseudo_ids, pseudo_targets = pseudo_labels(selection, ids)
    return replace(
        selection,
        ids=ids,
        scores=selection.scores[places],
        predicted=selection.predicted[places],
        nearest=selection.nearest[places],
        pseudo_ids=pseudo_ids,
        pseudo_targets=pseudo_targets,
        diagnostics={**selection.diagnostics, **figures},
    )


def pseudo_labels(
    selection: Selection, asked: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | tuple[None, None]:
    """Return a selection's pseudo-labels, ids and classes, without the images that are asked."""
    if selection.pseudo_ids is None or selection.pseudo_targets is None:
        return None, None
    free = ~np.isin(selection.pseudo_ids, asked)
    return selection.pseudo_ids[free], selection.pseudo_targets[free]
