"""One turn of the loop: train, rank, ask. Plain functions, each safe to run twice; Prefect only calls them."""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from db import copies as copy_store
from db import model_versions, projects, samples
from db import rounds as round_store
from db.records import NewQuery, NewQueue, Project, Round
from flows.errors import UsageError
from flows.files import new_file
from flows.jobs import working
from flows.learning import device_of, load_version, open_pool, train_version
from flows.locks import file_lock
from flows.report import Reporter
from flows.store import Store
from pipeline.data.pool import ImagePool
from pipeline.files import atomic_write
from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.strategies.base import QueryContext, Selection
from pipeline.strategies.registry import get_strategy

logger = logging.getLogger(__name__)

FIRST_ROUND_PER_CLASS = 2


@dataclass(frozen=True, kw_only=True)
class RoundOutcome:
    """What a round did: ids for programs, a sentence for people."""

    finished: bool
    round_id: int | None
    number: int | None
    model_version_id: int | None
    queries: int
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Batch:
    """How many queries a round asks; the simulation sets its own.

    Attributes:
        first: Queries of a round that has no model yet.
        size: Queries of every other round.
        reserve: Next-ranked queries that are served while the next round trains.
    """

    first: int
    size: int
    reserve: int


def run_round(store: Store, project_id: int, reporter: Reporter, batch: Batch | None = None) -> RoundOutcome:
    """Run one round, or go on with the one that a killed process left.

    Raises:
        AlreadyRunning: Another process is at it.
    """
    if samples.counts(store.database, project_id).pool == 0:
        raise UsageError("expected images to choose from, got none; do: borderline ingest NAME FOLDER")
    with working(store, project_id, "round", reporter) as job:
        round_id = begin(store, project_id)
        if round_id is None:
            return RoundOutcome(
                finished=True, round_id=None, number=None, model_version_id=None, queries=0,
                sentence="Nothing is left to ask: every image of the pool has an answer.",
            )  # fmt: skip
        version = train(store, round_id, job)
        asked = ask(store, round_id, job, batch)
        number = round_store.get_round(store.database, round_id).number
        queries = f"with {asked} queries" if asked else "and waits for answers"
        sentence = f"Round {number} is open {queries}; answer them on the labeling page (borderline up)."
        return RoundOutcome(
            finished=False, round_id=round_id, number=number, model_version_id=version, queries=asked, sentence=sentence
        )


def begin(store: Store, project_id: int) -> int | None:
    """Close the round whose answers are in and return the id of the next (or the unfinished one); None: all asked."""
    samples.draw_holdout(store.database, store.actor, project_id)
    turn = round_store.begin_round(store.database, store.actor, project_id)
    return turn.id if isinstance(turn, Round) else None


def train(store: Store, round_id: int, reporter: Reporter) -> int | None:
    """Train this round's model, unless it is trained already; None while labels span fewer than two classes."""
    turn, project = _load(store, round_id)
    if turn.state != "preparing":
        return turn.model_version_id
    existing = model_versions.for_round(store.database, round_id)
    if existing is None:
        if len(np.unique(samples.labeled(store.database, project.id)[1])) < 2:
            return None
        with device_slot(store, reporter):
            existing = train_version(store, project, f"round-{turn.number}", reporter, round_id=round_id)
    round_store.set_model(store.database, store.actor, round_id, existing.id)
    return existing.id


def ask(store: Store, round_id: int, reporter: Reporter, batch: Batch | None = None) -> int:
    """Rank the pool with this round's model and enqueue the best, once; returns the number of queries."""
    turn, project = _load(store, round_id)
    if turn.state != "preparing":
        return 0
    batch = batch or default_batch(project)
    started = time.monotonic()
    selection, strategy, diagnostics = _select(store, project, turn, batch, reporter)
    diagnostics["query_seconds"] = time.monotonic() - started
    if selection is not None and selection.copies is not None:
        store_copies(store, turn, selection)
    wanted = batch.size if turn.model_version_id else batch.first
    holdout = pick_holdout(store, project, turn.number, wanted, pool_left=selection is not None)
    queries = build_queries(selection, holdout, wanted)
    queue = NewQueue(queries=queries, strategy=strategy, diagnostics=diagnostics)
    round_store.enqueue(store.database, store.actor, round_id, queue)
    return sum(not query.reserve for query in queries)


def _select(
    store: Store, project: Project, turn: Round, batch: Batch, reporter: Reporter
) -> tuple[Selection | None, str, dict[str, Any]]:
    """Rank the unlabeled pool; returns the selection (None: the pool is empty), the strategy's repr, its figures."""
    index = samples.pool_index(store.database, project.id, splits=("pool",), labeled=False)
    pool = open_pool(store, index)
    reporter.progress(0, 0, f"ranking {len(pool):,} images")
    has_model = turn.model_version_id is not None
    strategy = get_strategy(project.strategy if has_model else "random_sampling")
    diagnostics: dict[str, Any] = {"pool": len(pool), "strategy": strategy.name}
    if not has_model:
        diagnostics["reason"] = "labels span fewer than two classes, so there is no model yet: a random batch"
    k = min(len(pool), (batch.size if has_model else batch.first) + batch.reserve)
    if k == 0:
        return None, repr(strategy), diagnostics
    with device_slot(store, reporter):
        selection = strategy.select(_context(store, project, turn, pool, reporter), k)
    return selection, repr(strategy), {**selection.diagnostics, **diagnostics}


def _context(store: Store, project: Project, turn: Round, pool: ImagePool, reporter: Reporter) -> QueryContext:
    ids, targets = samples.labeled(store.database, project.id)
    model = None
    if turn.model_version_id is not None:
        version = model_versions.get(store.database, store.actor, project.id, turn.model_version_id)
        model = load_version(store, version).to(device_of(store)).eval()
    return QueryContext(
        pool=pool,
        labeled_ids=ids,
        labeled_targets=targets,
        model=model,
        classes=len(project.classes),
        seed=derive_seed(project.seed, "query", turn.number),
        device=device_of(store),
        on_progress=reporter.progress,
    )


def store_copies(store: Store, turn: Round, selection: Selection) -> None:
    """Keep the adversarial copies as float32: eight bits would undo the step."""
    if selection.copies is None or selection.copy_distances is None:
        return
    copies = selection.copies.to("cpu", torch.float32).numpy()  # (k, C, S, S)
    folder = store.settings.project_folder(turn.project_id, "copies")
    name = f"round-{turn.number}-{secrets.token_hex(4)}.npy"  # an interrupted attempt keeps the file that its rows name
    record = atomic_write(folder / name, lambda file: np.save(file, copies, allow_pickle=False))
    rows = [
        (int(sample_id), row, float(distance))
        for row, (sample_id, distance) in enumerate(zip(selection.ids, selection.copy_distances, strict=True))
        if np.isfinite(distance)
    ]
    copy_store.record_copies(store.database, store.actor, turn.id, new_file(store, record), rows)


def pick_holdout(store: Store, project: Project, number: int, wanted: int, *, pool_left: bool) -> list[int]:
    """Return the holdout images that a round asks, until all of them are labeled.

    Args:
        store: The open store.
        project: Whose holdout.
        number: Of the round: shares of less than an image add up from round to round.
        wanted: Queries of the round.
        pool_left: Whether the pool has anything to ask; when it has not, the rest of the holdout is asked.
    """
    ids = samples.pool_index(store.database, project.id, splits=("holdout",), labeled=False).ids
    order = np.argsort(per_sample_uniform(project.seed, ids, "holdout"), kind="stable")
    so_far, before = (math.floor(round(project.holdout_share * wanted * turns, 9)) for turns in (number, number - 1))
    share = so_far - before if pool_left else wanted
    return [int(sample_id) for sample_id in ids[order][:share]]


def build_queries(selection: Selection | None, holdout: Sequence[int], wanted: int) -> list[NewQuery]:
    """Mix the holdout evenly into the best-ranked images; what is left of the ranking is the reserve.

    Args:
        selection: The ranked images, best first; None when the pool is empty.
        holdout: Sample ids of the holdout to ask.
        wanted: Queries of the round, holdout and learn together.
    """
    learn = _learn_queries(selection)
    count = max(wanted - len(holdout), 1)  # a round always asks something to learn from
    main, reserve = learn[:count], learn[count:]
    asked = [NewQuery(sample_id=sample_id, kind="holdout", rank=0) for sample_id in holdout]
    mixed = sorted(
        [((place + 0.5) / len(main), query) for place, query in enumerate(main)]
        + [((place + 1.0) / len(asked), query) for place, query in enumerate(asked)],
        key=lambda item: item[0],
    )
    ordered = [query for _, query in mixed] + [replace(query, reserve=True) for query in reserve]
    return [replace(query, rank=rank) for rank, query in enumerate(ordered)]


def _learn_queries(selection: Selection | None) -> list[NewQuery]:
    if selection is None:
        return []
    return [
        NewQuery(
            sample_id=int(selection.ids[row]),
            rank=row,
            score=float(selection.scores[row]) if np.isfinite(selection.scores[row]) else None,
            predicted=_position(selection.predicted[row]),
            nearest=_position(selection.nearest[row]),
            copy_row=row
            if selection.copy_distances is not None and np.isfinite(selection.copy_distances[row])
            else None,
            details={"place": row + 1},
        )
        for row in range(len(selection.ids))
    ]


def _position(value: Any) -> int | None:
    return int(value) if int(value) >= 0 else None


def default_batch(project: Project) -> Batch:
    """Return the project's batch; a first round without a model asks at least two images a class."""
    first = max(project.batch_size, FIRST_ROUND_PER_CLASS * len(project.classes))
    return Batch(first=first, size=project.batch_size, reserve=project.reserve_size)


def _load(store: Store, round_id: int) -> tuple[Round, Project]:
    turn = round_store.get_round(store.database, round_id)
    return turn, projects.get_project(store.database, store.actor, turn.project_id)


def device_slot(store: Store, reporter: Reporter) -> AbstractContextManager[bool]:
    """Hold the one slot of this machine's device: the lock is the kernel's, so a killed holder frees it."""

    def waiting() -> None:
        reporter.progress(0, 0, "waiting for the device")

    return file_lock(store.settings.run_folder / "device.lock", while_waiting=waiting)
