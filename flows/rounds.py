"""One turn of the loop: augment, train, rank, ask. Plain functions, each safe to run twice; Prefect only calls them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from db import model_versions, projects, samples
from db import rounds as round_store
from db.crash_points import RANKED, reach
from db.records import NewQueue, Project, Round
from flows.confirm import confirm_queries, how_many
from flows.consensus import settle_ties
from flows.copy_checks import draw_as_shown, pick_checks, with_checks
from flows.devices import device_slot
from flows.errors import UsageError
from flows.jobs import working
from flows.learning import clear_checkpoints, train_version
from flows.outputs import in_todays_classes
from flows.pictures import store_pictures
from flows.promotion import settle
from flows.queries import build_queries
from flows.ranking import Ranking, rank
from flows.ranking_files import store_copies, store_pseudo_labels
from flows.report import Reporter
from flows.store import Store
from pipeline.randomness import per_sample_uniform

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
                sentence=_why_none(store, project_id),
            )  # fmt: skip
        made = augment(store, round_id, job)
        version = train(store, round_id, job)
        asked = ask(store, round_id, job, batch, made)
        number = round_store.get_round(store.database, round_id).number
        queries = f"with {asked} queries" if asked else "and waits for answers"
        sentence = f"Round {number} is open {queries}; answer them on the labeling page (borderline up)."
        sentence += _in_use(store, project_id, version)
        return RoundOutcome(
            finished=False, round_id=round_id, number=number, model_version_id=version, queries=asked, sentence=sentence
        )


def begin(store: Store, project_id: int) -> int | None:
    """Close the round whose answers are in and return the id of the next (or the unfinished one); None: all asked."""
    samples.draw_holdout(store.database, store.actor, project_id)
    turn = round_store.begin_round(store.database, store.actor, project_id)
    return turn.id if isinstance(turn, Round) else None


def _why_none(store: Store, project_id: int) -> str:
    """Say why no round begins."""
    project = projects.get_project(store.database, store.actor, project_id)
    labels = samples.counts(store.database, project_id).labels
    if project.label_budget is None or labels < project.label_budget:
        return "Nothing is left to ask: every image of the pool has an answer."
    return (
        f"The budget of {project.label_budget:,} labels is used ({labels:,} are there), so no round begins; "
        f"do: borderline project edit {project.name} --label-budget N, with a larger N (0: no limit)."
    )


def _in_use(store: Store, project_id: int, version_id: int | None) -> str:
    """Say it where the round's model is not the one in use."""
    current = model_versions.current(store.database, project_id)
    if version_id is None or current is None or current.id == version_id:
        return ""
    return f" Its model did not become the one in use: version {current.number} stays (borderline models)."


def augment(store: Store, round_id: int, reporter: Reporter) -> tuple[str, ...]:
    """Make images for classes with few labels, when the project wants any; returns what to tell about them.

    Run again it finds what it made, and says the same.
    """
    turn, project = _load(store, round_id)
    if turn.state != "preparing" or project.generate == "none":
        return ()
    settle_ties(store, project)
    from flows.augment import augment_round  # generators are imported only where one is wanted

    return augment_round(store, project, turn.number, turn.id, reporter)


def train(store: Store, round_id: int, reporter: Reporter) -> int | None:
    """Train this round's model, unless it is trained already; None while labels span fewer than two classes.

    The round ranks with it in any case; the project's rule decides whether it becomes the one in use.
    """
    turn, project = _load(store, round_id)
    if turn.state != "preparing":
        return turn.model_version_id
    name, existing = f"round-{turn.number}", model_versions.for_round(store.database, round_id)
    if existing is not None:
        clear_checkpoints(store, project, name)
    else:
        settle_ties(store, project)
        if len(np.unique(samples.labeled(store.database, project.id)[1])) < 2:
            return None
        with device_slot(store, reporter):
            existing = train_version(store, project, name, reporter, round_id=round_id)
    settle(store, project, existing, reporter)
    round_store.set_model(store.database, store.actor, round_id, existing.id)
    return existing.id


def ask(store: Store, round_id: int, reporter: Reporter, batch: Batch | None = None, made: Sequence[str] = ()) -> int:
    """Rank the pool with this round's model and enqueue the best, once; returns the number of queries.

    Args:
        store: The open store.
        round_id: The round.
        reporter: Receives the progress; may raise to cancel.
        batch: How many; None takes the project's.
        made: What to tell about images that were made for rare classes, kept with the round.
    """
    turn, project = _load(store, round_id)
    if turn.state != "preparing":
        return 0
    batch = batch or within_budget(store, project, default_batch(project))
    started = time.monotonic()
    wanted = batch.size if turn.model_version_id else batch.first
    ranking = rank(store, project, turn, wanted + batch.reserve, reporter)
    diagnostics = {**ranking.diagnostics, "query_seconds": time.monotonic() - started}
    reach(RANKED)
    if ranking.selection is not None:
        store_copies(store, turn, ranking.selection, ranking.again)
    store_pseudo_labels(store, turn, ranking.selection)
    holdout = pick_holdout(store, project, turn.number, wanted, pool_left=ranking.selection is not None)
    main = max(wanted - len(holdout), 1)  # a round always asks something to learn from
    checks = pick_checks(project, turn.number, ranking.selection, main) if ranking.originals is not None else []
    shown = {}
    if ranking.selection is not None and ranking.originals is not None:
        shown = draw_as_shown(store, project, ranking.selection, ranking.originals, checks)
    pictures = store_pictures(store, turn, ranking.selection, ranking.originals, shown)
    asked = build_queries(ranking, holdout, wanted, pictures)
    queries = with_checks(asked, _places_of_checks(ranking, pictures))
    learn = sum(query.kind == "learn" and not query.reserve for query in queries)
    grid = confirm_queries(ranking.sure, how_many(project, learn), turn.number, first_rank=len(queries))
    if made:
        diagnostics |= {"synthetic": list(made)}
    if checks:
        diagnostics["copy_checks"] = len(checks)
    if project.confirm_share > 0:
        diagnostics |= {"to_confirm": len(grid), "confirm_groups": len({query.group for query in grid})}
    queue = NewQueue(queries=[*queries, *grid], strategy=ranking.strategy, diagnostics=diagnostics)
    round_store.enqueue(store.database, store.actor, round_id, in_todays_classes(project, queue))
    return sum(not query.reserve for query in asked)


def _places_of_checks(ranking: Ranking, pictures: Mapping[int, Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    """Return where the pictures of copies to check lie, by sample id."""
    if ranking.selection is None:
        return {}
    found = {row: entry for row, entry in pictures.items() if "shown" in entry}
    return {int(ranking.selection.ids[row]): {"file": entry["file"], **entry["shown"]} for row, entry in found.items()}


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


def default_batch(project: Project) -> Batch:
    """Return the project's batch; a first round without a model asks at least two images a class."""
    first = max(project.batch_size, FIRST_ROUND_PER_CLASS * len(project.classes))
    return Batch(first=first, size=project.batch_size, reserve=project.reserve_size)


def within_budget(store: Store, project: Project, batch: Batch) -> Batch:
    """Return a batch that asks no more labels than the project's budget has left, reserve and all, but one at least."""
    if project.label_budget is None:
        return batch
    left = max(1, project.label_budget - samples.counts(store.database, project.id).labels)
    first, size = min(batch.first, left), min(batch.size, left)
    return Batch(first=first, size=size, reserve=min(batch.reserve, left - max(first, size)))


def _load(store: Store, round_id: int) -> tuple[Round, Project]:
    turn = round_store.get_round(store.database, round_id)
    return turn, projects.get_project(store.database, store.actor, turn.project_id)
