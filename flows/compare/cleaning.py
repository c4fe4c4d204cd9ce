"""Takes away what a comparison no longer needs: the files of its runs when it is done, all of it when it is deleted."""

from __future__ import annotations

import shutil

from db import comparisons
from db.records import Comparison
from flows.compare.images import folder_of
from flows.store import Store

_OF_RUNS = ("runs", "embedders", "recipes")


def forget(store: Store, found: Comparison) -> None:
    """Delete a comparison, then its files: a kill in between leaves files that nobody knows, never the other way.

    Raises:
        Conflict: It runs.
    """
    comparisons.delete(store.database, store.actor, found.id)
    shutil.rmtree(folder_of(store, found.project_id) / str(found.id), ignore_errors=True)


def clear_runs(store: Store, found: Comparison) -> None:
    """Remove the weights and states that runs of a finished comparison would go on from."""
    for name in _OF_RUNS:
        shutil.rmtree(folder_of(store, found.project_id) / str(found.id) / name, ignore_errors=True)
