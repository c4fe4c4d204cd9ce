"""Random images: the yardstick, and the first round of a project without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.randomness import per_sample_uniform
from pipeline.strategies.base import QueryContext, Selection, check_request, take_best
from pipeline.strategies.ranking import classes_of


@dataclass(frozen=True, kw_only=True)
class RandomSampling:
    """The k images with the smallest random number; each image's number depends on the seed and its id alone."""

    name: ClassVar[str] = "random_sampling"
    needs_model: ClassVar[bool] = False
    makes_copies: ClassVar[bool] = False
    mergeable: ClassVar[bool] = True
    spreads: ClassVar[bool] = True  # it looks at no image: there is nothing to give away

    def select(self, context: QueryContext, k: int) -> Selection:
        """Return k random images, with the model's classes where there is a model."""
        check_request(self, context, k)
        ids = np.asarray(context.pool.ids)
        scores = per_sample_uniform(context.seed, ids, "random_sampling")
        best = take_best(ids, scores, k)
        predicted, nearest = classes_of(context, ids[best])
        return Selection(ids=ids[best], scores=scores[best], predicted=predicted, nearest=nearest)
