"""Samples. (Signatures; the bodies follow.)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from db.engine import Database
from db.records import Actor, Counts, Display, NewSample, NewShard, PoolIndex, Registered

LabelUse = Literal["use", "hide", "ignore"]
Ids = NDArray[np.int64]


def register_shard(
    database: Database,
    actor: Actor,
    project_id: int,
    shard: NewShard,
    samples: Sequence[NewSample],
    labels: LabelUse = "use",
) -> Registered:
    raise NotImplementedError


def known_hashes(database: Database, actor: Actor, project_id: int, hashes: Sequence[str]) -> set[str]:
    raise NotImplementedError


def label_known(database: Database, actor: Actor, project_id: int, known: Sequence[tuple[str, str]]) -> int:
    raise NotImplementedError


def pool_index(
    database: Database,
    project_id: int,
    *,
    splits: Sequence[str] = ("pool",),
    labeled: bool | None = None,
    set_aside: bool = False,
) -> PoolIndex:
    raise NotImplementedError


def labeled(database: Database, project_id: int) -> tuple[Ids, Ids]:
    raise NotImplementedError


def labeled_holdout(database: Database, project_id: int) -> tuple[Ids, Ids]:
    raise NotImplementedError


def split_truth(database: Database, project_id: int, split: str) -> tuple[Ids, Ids]:
    raise NotImplementedError


def known_classes(database: Database, project_id: int, ids: Ids) -> dict[int, int]:
    """Sample id -> class position, for those whose class is known (hidden or not)."""
    raise NotImplementedError


def draw_holdout(database: Database, actor: Actor, project_id: int) -> int:
    raise NotImplementedError


def display_of(database: Database, actor: Actor, project_id: int, sample_id: int) -> Display:
    raise NotImplementedError


def delete_sample(database: Database, actor: Actor, project_id: int, sample_id: int) -> None:
    raise NotImplementedError


def counts(database: Database, project_id: int) -> Counts:
    raise NotImplementedError
