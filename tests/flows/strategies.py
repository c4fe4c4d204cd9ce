"""Strategies of one's own, by import path, that show what a flow gives them and does with what they return."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pipeline.strategies.base import QueryContext, Selection

HERE = "tests.flows.strategies"


@dataclass(frozen=True, kw_only=True)
class SmallestIds:
    """Asks the images with the smallest ids, and remembers what it was given."""

    name: ClassVar[str] = "smallest_ids"
    needs_model: ClassVar[bool] = False
    makes_copies: ClassVar[bool] = False
    contexts: ClassVar[list[QueryContext]] = []

    def select(self, context: QueryContext, k: int) -> Selection:
        self.contexts.append(context)
        ids = np.sort(context.pool.ids)[:k]
        return Selection(ids=ids, scores=ids.astype(float), predicted=ids * 0 - 1, nearest=ids * 0 - 1)


@dataclass(frozen=True, kw_only=True)
class Sure(SmallestIds):
    """Is sure that all of the pool, the asked images too, is of classes 0, 1, 2 by turns."""

    name: ClassVar[str] = "sure"
    needs_model: ClassVar[bool] = True

    def select(self, context: QueryContext, k: int) -> Selection:
        ids = np.sort(context.pool.ids)
        return replace(super().select(context, k), pseudo_ids=ids, pseudo_targets=ids % 3)
