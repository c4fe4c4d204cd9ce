"""What goes into a report, beside the summary: how it was made, what was asked, and where that lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.statistics.charts import MapPoint
from pipeline.statistics.curves import Curve
from pipeline.statistics.published import PublishedTable
from pipeline.statistics.summary import Summary


@dataclass(frozen=True, kw_only=True, eq=False)
class AskedRound:
    """The images of one round.

    Attributes:
        round: 0 for the seed set.
        labels: Labels paid for when they had been asked.
        images: In the order of the ranking (N, H, W) or (N, H, W, C) with 1 or 3 channels, uint8.
        classes: Name of each (N,), shown on hover and counted; may be empty.

    Raises:
        DataError: The images are no such array, or classes do not go with them.
    """

    round: int
    labels: int
    images: NDArray[np.uint8]
    classes: Sequence[str] = ()

    def __post_init__(self) -> None:
        shape = self.images.shape
        if self.images.dtype != np.uint8 or len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
            raise DataError(f"expected uint8 images (N, H, W) or (N, H, W, C), got {self.images.dtype} {shape}")
        if len(self.classes) not in (0, len(self.images)):
            raise DataError(f"expected a class for each of {len(self.images)} images, got {len(self.classes)}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """What one arm asked with one seed, round by round."""

    arm: str
    seed: int
    rounds: Sequence[AskedRound]


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """Everything that a report shows.

    Attributes:
        title: Such as 'digits: dfal and five others'.
        summary: Of `summarize`.
        curves: The runs it was made of.
        settings: As typed, by name.
        recipe: Of the training in full, by name.
        tuning: What tuning tried and found, by name; empty without.
        tuning_labels: Labels spent on tuning; None if nothing was tuned.
        device: Where it trained, in words.
        machine: The computer, in words.
        versions: Of what it ran with, by name.
        command: That makes it again.
        made_at: When, in words.
        class_names: By position; empty if unknown.
        asked: Contact sheets: one seed of some arms.
        places: Queries and some of the pool on a map.
        published: A published table to stand beside ours; None if there is none.
        remarks: More sentences about what was not finished or differs.
    """

    title: str
    summary: Summary
    curves: Sequence[Curve]
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    tuning: Mapping[str, Any] = field(default_factory=dict)
    tuning_labels: int | None = None
    device: str = ""
    machine: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    made_at: str = ""
    class_names: Sequence[str] = ()
    asked: Sequence[Asked] = ()
    places: Sequence[MapPoint] = ()
    published: PublishedTable | None = None
    remarks: Sequence[str] = ()
