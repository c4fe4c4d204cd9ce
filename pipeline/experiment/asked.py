"""What a round leaves for the training that follows it: its queries and their adversarial copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Ids = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Adversarial copies of one round.

    Attributes:
        turn: The round in which their originals were asked, from 1.
        ids: int64 (n,), their originals.
        images: float32 (n, C, S, S).
    """

    turn: int
    ids: Ids
    images: Tensor


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the newest round asked.

    Attributes:
        ids: int64 (k,), best first.
        seconds: Time of the ranking; None where nothing was ranked.
        figures: Diagnostics of the ranking.
    """

    ids: Ids
    seconds: float | None = None
    figures: Mapping[str, float | int | str] = field(default_factory=dict)
