"""`mixed(...)`: shares of several strategies in one batch, such as a random tenth that audits the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.errors import StrategyError
from pipeline.strategies.base import QueryContext, Selection, Strategy, check_request
from pipeline.strategies.one_pass import Collector, OnePass, collected
from pipeline.strategies.reorder import pseudo_labels
from pipeline.strategies.shards import select


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """Deal a batch among strategies: whoever is furthest behind its share takes its best image that is not taken.

    Strategies that read the pool once share one look. Scores are each strategy's own and do not compare.

    Attributes:
        parts: Strategies and their shares, which add up to 1.
    """

    parts: tuple[tuple[Strategy, float], ...]

    makes_copies: ClassVar[bool] = False
    spreads: ClassVar[bool] = True

    def __post_init__(self) -> None:
        shares = [share for _, share in self.parts]
        if not shares or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
            raise StrategyError(f"expected shares above 0 that add up to 1, got {shares}; such as 0.9 and 0.1")
        for part, _ in self.parts:
            if part.makes_copies:
                raise StrategyError(f"expected strategies without copies, got {part.name}; write mixed(...)+copies")

    @property
    def name(self) -> str:
        """The parts' names with their shares."""
        return f"mixed({', '.join(f'{part.name}={share:g}' for part, share in self.parts)})"

    @property
    def needs_model(self) -> bool:
        """Whether one of the parts needs one."""
        return any(part.needs_model for part, _ in self.parts)

    def select(self, context: QueryContext, k: int) -> Selection:
        """Return k images."""
        check_request(self, context, k)
        found = self._of_each(context, k)
        turns = self._deal([selection.ids.tolist() for selection in found], k)
        names = [f"asked_{self.parts[part][0].name}" for part, _ in turns]
        ids = np.array([found[part].ids[place] for part, place in turns])
        sure = next((selection for selection in found if selection.pseudo_ids is not None), found[0])
        pseudo_ids, pseudo_targets = pseudo_labels(sure, ids)
        return Selection(
            ids=ids,
            scores=np.array([found[part].scores[place] for part, place in turns]),
            predicted=np.array([found[part].predicted[place] for part, place in turns]),
            nearest=np.array([found[part].nearest[place] for part, place in turns]),
            pseudo_ids=pseudo_ids,
            pseudo_targets=pseudo_targets,
            diagnostics={**Counter(names), **self._figures(found)},
        )

    def _figures(self, found: list[Selection]) -> dict[str, float | int | str]:
        """Return the parts' figures, each under its part's name."""
        return {
            f"{part.name}: {name}": value
            for (part, _), selection in zip(self.parts, found, strict=True)
            for name, value in selection.diagnostics.items()
        }

    def _of_each(self, context: QueryContext, k: int) -> list[Selection]:
        """Return k images of each part; those that read the pool once read it together."""
        together: dict[int, OnePass] = {}
        if context.model is not None:
            together = {
                place: part
                for place, (part, _) in enumerate(self.parts)
                if isinstance(part, OnePass) and getattr(part, "features", "auto") in ("auto", "model")
            }
        collectors: dict[int, Collector] = {}
        if together:
            collectors = dict(zip(together, collected(context, list(together.values()), k), strict=True))
        return [
            collectors[place].selection() if place in collectors else select(part, context, k)
            for place, (part, _) in enumerate(self.parts)
        ]

    def _deal(self, ranked: list[list[int]], k: int) -> list[tuple[int, int]]:
        """Return (part, place in its ranking) for each query."""
        shares = [share for _, share in self.parts]
        given, next_ = [0] * len(shares), [0] * len(shares)
        taken: set[int] = set()
        turns: list[tuple[int, int]] = []
        for turn in range(1, k + 1):
            part = max(range(len(shares)), key=lambda place: (shares[place] * turn - given[place], -place))
            while ranked[part][next_[part]] in taken:
                next_[part] += 1
            taken.add(ranked[part][next_[part]])
            turns.append((part, next_[part]))
            given[part] += 1
        return turns
