"""One arm with one seed, as steps: ask, say what to train on, and turn the trained model into a point.

The seed set, the first weights, and the order, augmentation and dropout of the training follow from the seed, the
round and the network; which arm it is never enters. So all arms of a seed are paired: they start from one model, and
differ only by what they ask. First weights are drawn anew each round, so that one unlucky start does not follow a seed
along its whole curve.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.errors import ExperimentError
from pipeline.experiment.asked import Asked, Copies
from pipeline.experiment.data import ExperimentData
from pipeline.experiment.measuring import measure
from pipeline.experiment.planning import label_counts, network_of, strategy_spec
from pipeline.experiment.protocols import copy_rounds_of, strategy_of
from pipeline.experiment.records import Arm, Point, Settings
from pipeline.models.base import Classifier
from pipeline.models.registry import build_model
from pipeline.randomness import derive_seed
from pipeline.strategies.base import QueryContext, Selection, Strategy
from pipeline.strategies.copies import WithCopies, copy_rounds
from pipeline.strategies.registry import get_strategy
from pipeline.training.batched import Lesson
from pipeline.training.labeled import LabeledImages, TrainingReport

Ids = NDArray[np.int64]
Progress = Callable[[int, int, str], None]


class ArmRun:
    """An arm with a seed, wherever it stands.

    Args:
        data: What to ask from and to be measured on, thinned already where the settings say so.
        settings: The comparison.
        arm: Which line of it.
        seed: Of everything random.
        device: Where to rank and to measure.
        scratch: (of the seed sets, of this run): folders for learned embedders. The first may be shared by all runs:
            what is learned there comes from the whole pool.
        source: Points of the arm that chooses, for a transfer.

    Attributes:
        points: Made so far.
        asked: The round's queries; None before they are chosen.
        copies: Those that still train.
        pseudo: Images (P,) that the newest ranking was sure of, with the model's classes; None without any.
        noted: What the next point tells about its training beside the usual.
        model: Of the newest point; None once it has been asked, and before there is one.
    """

    def __init__(
        self,
        data: ExperimentData,
        settings: Settings,
        arm: Arm,
        seed: int,
        *,
        device: torch.device,
        scratch: tuple[Path | None, Path | None] = (None, None),
        source: Sequence[Point] | None = None,
    ) -> None:
        self.data, self.settings, self.arm, self.seed, self.device = data, settings, arm, seed, device
        self.counts = label_counts(settings)
        self.points: list[Point] = []
        self.asked: Asked | None = None
        self.copies: tuple[Copies, ...] = ()
        self.pseudo: tuple[Ids, Ids] | None = None
        self.model: nn.Module | None = None
        self.noted: Mapping[str, float | int | str] = {}
        self._scratch = scratch
        self._source = self._check_source(source)

    def _check_source(self, source: Sequence[Point] | None) -> Sequence[Point] | None:
        if not self.arm.trains:
            return None
        found = [] if source is None else [point.labels for point in source]
        if found != list(self.counts):
            raise ExperimentError(
                f"expected all {len(self.counts)} points of {self.arm.strategy!r} with seed {self.seed}, on which the "
                f"transfer {self.arm.name!r} trains, got {len(found)}; run that arm first and hand over its points"
            )
        return source

    def forget(self) -> None:
        """Go back to before the first round."""
        self.points, self.asked, self.copies, self.pseudo, self.model = [], None, (), None, None

    @property
    def finished(self) -> bool:
        """Whether all points are there."""
        return len(self.points) == len(self.counts)

    @property
    def asks_with_model(self) -> bool:
        """Whether the newest model is still needed: a transfer reads its queries, and a finished run asks no more."""
        return self._source is None and not self.finished

    @property
    def turn(self) -> int:
        """The round whose queries are (or were last) known, from 1; 0 before the first."""
        return len(self.points) + (self.asked is not None)

    @property
    def network(self) -> str:
        """The network that trains."""
        return network_of(self.arm, self.settings)

    def ask(self, on_progress: Progress | None = None) -> None:
        """Choose the next images: the first by the cold start, later ones by the strategy; a transfer reads them.

        Raises:
            StrategyError: The strategy cannot work with the model or the pool.
        """
        turn = len(self.points) + 1
        if self._source is not None:
            self.asked = Asked(ids=np.array(self._source[turn - 1].queried, dtype=np.int64))
            return
        if turn > 1 and self.model is None:
            raise ExperimentError(f"expected the model of point {turn - 1} to ask with, got none; train it first")
        known = self._known()
        count = self.counts[turn - 1] - len(known)
        started = time.perf_counter()
        strategy, context = self._strategy(turn), self._context(turn, known, on_progress)
        chosen = strategy.select(context, count)
        anew = self._keep(turn, chosen, strategy, context)
        seconds = time.perf_counter() - started if turn > 1 else None
        self.asked = Asked(ids=chosen.ids, seconds=seconds, figures={**chosen.diagnostics, **anew})
        self.model = None

    def _strategy(self, turn: int) -> Strategy:
        if turn == 1:
            return get_strategy(self.settings.cold_start)
        return strategy_of(strategy_spec(self.arm), self.settings.protocol)

    def _known(self) -> Ids:
        """Return the ids of all points so far, and of the round's queries, in the order in which they were asked."""
        asked = [np.array(point.queried, dtype=np.int64) for point in self.points]
        return (
            np.concatenate([*asked, self.asked.ids]) if self.asked else np.concatenate([*asked, np.empty(0, np.int64)])
        )

    def _context(self, turn: int, known: Ids, on_progress: Progress | None) -> QueryContext:
        purpose = "seed set" if turn == 1 else "query"
        everything, scratch = self.data.pool, self._scratch[turn > 1]
        if scratch is not None:
            scratch.mkdir(parents=True, exist_ok=True)
        return QueryContext(
            pool=everything.subset(everything.ids[~np.isin(everything.ids, known)]) if len(known) else everything,
            model=self.model,
            classes=len(self.data.classes),
            seed=derive_seed(self.seed, purpose, turn),
            labeled_ids=known,
            labeled_targets=self.data.targets_of(known),
            labeled_images=everything.subset(known) if len(known) else None,
            device=self.device,
            on_progress=on_progress,
            round_number=turn,
            scratch=scratch,
        )

    def _keep(self, turn: int, chosen: Selection, strategy: Strategy, context: QueryContext) -> Mapping[str, int]:
        """Keep the copies of the last rounds, and the pseudo-labels of this one alone; return figures about it."""
        last = copy_rounds(strategy, copy_rounds_of(self.settings))
        kept = [item for item in self.copies if last is None or item.turn > turn - last]
        figures: Mapping[str, int] = {}
        if isinstance(strategy, WithCopies) and strategy.made == "anew" and context.model is not None:
            kept, figures = self._anew(kept, strategy, context)
        if chosen.copies is not None and chosen.copy_distances is not None:
            made = np.flatnonzero(np.isfinite(chosen.copy_distances))
            kept.append(Copies(turn=turn, ids=chosen.ids[made], images=chosen.copies[torch.from_numpy(made)].clone()))
        self.copies = tuple(kept)
        self.pseudo = None
        forgets = self.settings.protocol == "paper"  # the CEAL of its authors threw them away
        if chosen.pseudo_ids is not None and chosen.pseudo_targets is not None and len(chosen.pseudo_ids):
            self.pseudo = None if forgets else (chosen.pseudo_ids, chosen.pseudo_targets)
        return figures

    def _anew(
        self, kept: list[Copies], strategy: WithCopies, context: QueryContext
    ) -> tuple[list[Copies], Mapping[str, int]]:
        """Push what was asked in earlier rounds again with the newest model: it trains in place of the old copies."""
        again, rejected = [], 0
        for item in kept:
            ids = np.array(self.points[item.turn - 1].queried, dtype=np.int64)
            made = strategy.push(context, self.data.pool.take(ids))
            there = np.isfinite(made.distances)
            again.append(Copies(turn=item.turn, ids=ids[there], images=made.images[torch.from_numpy(there)]))
            rejected += made.rejected
        return again, {"copies_anew": sum(len(item.ids) for item in again), "copies_anew_rejected": rejected}

    def lesson(self) -> Lesson:
        """Return what the round's model learns: the same until the next round is asked."""
        known = self._known()
        return Lesson(
            model=self.first_model(),
            labeled=self._labeled(known, self.data.targets_of(known)),
            seed=derive_seed(self.seed, "train", self.network, self.turn),
            copies=self._copies_to_learn(),
            pseudo=self._labeled(*self.pseudo) if self.pseudo is not None else None,
        )

    def first_model(self) -> Classifier:
        """Return the round's network as its training starts: by the seed, the round and the network alone."""
        channels, _, side = self.data.pool.image_shape
        return build_model(
            self.network,
            classes=len(self.data.classes),
            channels=channels,
            image_size=side,
            seed=derive_seed(self.seed, "first weights", self.network, max(1, self.turn)),
        )

    def _labeled(self, ids: Ids, targets: Ids) -> LabeledImages:
        return LabeledImages(
            images=self.data.pool.take(ids), targets=torch.from_numpy(targets.copy()), ids=torch.from_numpy(ids.copy())
        )

    def _copies_to_learn(self) -> LabeledImages | None:
        if not sum(len(item.ids) for item in self.copies):
            return None
        ids = np.concatenate([item.ids for item in self.copies])
        return LabeledImages(
            images=torch.cat([item.images for item in self.copies]),
            targets=torch.from_numpy(self.data.targets_of(ids)),
            ids=torch.from_numpy(ids),
        )

    def finish(self, model: nn.Module, report: TrainingReport) -> Point:
        """Measure a trained model on the whole test set and keep it for the next ranking.

        Args:
            model: The lesson's, trained.
            report: Of its training.

        Returns:
            The point, which is also kept.
        """
        if self.asked is None:
            raise ExperimentError("expected a round that was asked, got none; call ask first")
        known = self._known()
        found = measure(model, self.data, self.device)
        point = Point(
            labels=len(known),
            accuracy=found.accuracy,
            balanced_accuracy=found.balanced_accuracy,
            class_recall=found.class_recall,
            class_labels=tuple(np.bincount(self.data.targets_of(known), minlength=len(self.data.classes)).tolist()),
            queried=tuple(self.asked.ids.tolist()),
            query_seconds=self.asked.seconds,
            train_seconds=report.seconds,
            figures={
                **self.asked.figures,
                **self._training_figures(report),
                "calibration_error": found.calibration_error,
            },
        )
        self.points.append(point)
        self.asked = None
        self.model = model if self.asks_with_model else None
        return point

    def _training_figures(self, report: TrainingReport) -> dict[str, float | int | str]:
        return {
            "steps": report.steps,
            "epochs": report.epochs,
            "train_loss": report.train_loss,
            "copies_trained": sum(len(item.ids) for item in self.copies),
            "pseudo_trained": 0 if self.pseudo is None else len(self.pseudo[0]),
            **self.noted,
        }
