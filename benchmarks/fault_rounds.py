"""Faults of the flows: a round's process killed at every step and at random, and several at one round.

The same project lives in two stores. In one a round is killed again and again, in the other never; both must end with
the same queries, scores, models and files.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fault_compared import compared
from benchmarks.fault_table import POSTGRESQL, SQLITE, Outcome, Stand, fault, stand
from benchmarks.fault_writers import kill, start_process
from benchmarks.journal import Journal, Tried
from db import access, annotations, claims, crash_points, projects, samples
from db.records import Answer, Project, ProjectSpec
from flows.errors import AlreadyRunning
from flows.ingest import IngestOptions, ingest_source
from flows.report import SilentReporter
from flows.rounds import Batch, run_round
from flows.settings import Settings
from flows.store import Store, open_store
from pipeline.data.sources import SourceItem, open_source, with_test_split

TOLD = 3  # exit code of a process that found another at work
IMAGES, BATCH = 150, Batch(first=20, size=6, reserve=4)
BEFORE_RENAME, AFTER_RENAME = "before_rename", "after_rename"
MOMENTS = (  # in the order in which a round comes by
    "job_progress:1", "job_progress:40", f"{BEFORE_RENAME}.checkpoint", f"{AFTER_RENAME}.checkpoint",
    f"{BEFORE_RENAME}.safetensors", f"{AFTER_RENAME}.safetensors", crash_points.MODEL_ON_DISK,
    crash_points.MODEL_RECORDED, crash_points.RANKED, f"{BEFORE_RENAME}.npy", f"{AFTER_RENAME}.npy",
    crash_points.MID_ENQUEUE,
)  # fmt: skip


class FewDigits:
    """The first digits of scikit-learn's, a quarter of them for test."""

    def __init__(self) -> None:
        source = with_test_split(open_source("digits"), 0.25, seed=0)
        self.classes, self.description = source.classes, source.description
        self._items = [item for place, item in enumerate(source) if place < IMAGES]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Any:
        items: list[SourceItem] = self._items
        return iter(items)


def settings_of(place: Stand) -> Settings:
    """Return the settings of a stand's store."""
    return Settings(home=place.home, database_url=place.url, device="cpu", workers=1)


def prepare(place: Stand) -> Project:
    """Make a project of digits whose first answers are in: its next round trains and ranks."""
    with open_store(settings_of(place), system=True) as store:
        spec = ProjectSpec(
            name="digits", classes=tuple("0123456789"), image_size=16, channels=1, model="lenet5", recipe="quick",
            strategy="dfal", cold_start="random_sampling", batch_size=BATCH.size, reserve_size=BATCH.reserve,
        )  # fmt: skip
        project = projects.create_project(store.database, store.actor, spec)
        ingest_source(store, project.id, FewDigits(), IngestOptions(labels="hide"), SilentReporter())
        run_round(store, project.id, SilentReporter(), BATCH)
        answer_round(store, project)
        return project


def answer_round(store: Store, project: Project) -> None:
    """Answer all that is asked with what is true, as one annotator with a journal."""
    ana = access.local_user(store.database, "ana")
    class_ids = {entry.position: entry.id for entry in project.classes}
    journal = Journal(store.settings.home / "ana.journal")
    while window := claims.claim(store.database, ana, project.id, 20):
        ids = np.array([query.sample_id for query in window], dtype=np.int64)
        truth = samples.known_classes(store.database, project.id, ids)
        for query in window:
            entry = Tried(str(uuid.uuid4()), query.query_id, query.token, class_ids[truth[query.sample_id]])
            journal.tried(entry)
            given = {"outcome": "class", "class_id": entry.class_id, "token": entry.token}
            answer = Answer(answer_id=entry.answer_id, query_id=entry.query_id, **given)
            annotations.submit(store.database, ana, project.id, answer)
            journal.acknowledged(entry.answer_id)
    journal.close()


def round_process(place: Stand, project_id: int, moment: str = "") -> None:
    """What a worker's process does: one round, to die at a moment, or to be told that another is at it."""
    if moment.startswith((BEFORE_RENAME, AFTER_RENAME)):
        _die_at_rename(*moment.split(".", 1))
    elif moment:
        os.environ[crash_points.CRASH_AT] = moment
    with open_store(settings_of(place), system=True) as store:
        try:
            run_round(store, project_id, SilentReporter(), BATCH)
        except AlreadyRunning:
            sys.exit(TOLD)


def _die_at_rename(when: str, suffix: str) -> None:
    """Die at the rename that puts a file of a kind in its place."""
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        hit = str(target).endswith(f".{suffix}")
        if hit and when == BEFORE_RENAME:
            os.kill(os.getpid(), signal.SIGKILL)
        done = real(self, target)
        if hit:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    Path.replace = replace


def finish_round(place: Stand, project: Project) -> None:
    """Run the round to its end, without any fault, and answer it."""
    process = start_process(round_process, place, project.id)
    process.join(600)
    if process.exitcode != 0:
        raise RuntimeError(f"expected a round that ends well, got exit code {process.exitcode}")
    with open_store(settings_of(place), system=True) as store:
        answer_round(store, project)


def moments(times: int) -> list[Sequence[str]]:
    """Return for each round the moments to die at: all of them, round after round; a spread of them for a few."""
    if times < len(MOMENTS):
        return [MOMENTS[len(MOMENTS) // times - 1 :: len(MOMENTS) // times][:times]]
    return [MOMENTS[: min(len(MOMENTS), times - done)] for done in range(0, times, len(MOMENTS))]


@fault(
    "round killed at named moments",
    "SIGKILL of the process that trains, ranks and asks: in training and ranking, "
    "around the rename of checkpoint, model and copies, before and after their rows, in the middle of the enqueue",
    count=3 * len(MOMENTS),
    small=3,
    tested=(POSTGRESQL,),
)
def round_killed_at_moments(place: Stand, times: int) -> Outcome:
    """Kill a round at each moment in turn; it must end as one that never was killed."""
    injected = 0
    with stand(SQLITE) as whole:
        project, _ = prepare(place), prepare(whole)
        for kills in moments(times):
            for moment in kills:
                process = start_process(round_process, place, project.id, moment)
                process.join(600)
                injected += process.exitcode == -signal.SIGKILL
            finish_round(place, project)
            finish_round(whole, project)
        return compared(place, whole, injected)


@fault("round killed at random", "SIGKILL of that process at a random moment", count=40, small=2, tested=())
def round_killed_at_random(place: Stand, times: int) -> Outcome:
    """Kill rounds whenever it falls, five times each."""
    choose, injected = np.random.default_rng(6), 0
    with stand(SQLITE) as whole:
        project, _ = prepare(place), prepare(whole)
        while injected < times:
            started = time.monotonic()
            finish_round(whole, project)
            seconds = time.monotonic() - started
            for _ in range(min(5, times - injected)):
                process = start_process(round_process, place, project.id)
                process.join(choose.uniform(0.05, 0.8) * seconds)
                injected += kill(process)
            finish_round(place, project)
        return compared(place, whole, injected)


@fault(
    "several workers at one round",
    "three processes begin the same round at the same moment: one does it, the "
    "others are told, the queries are those of one",
    count=8,
    small=1,
    tested=(POSTGRESQL,),
)
def several_at_one_round(place: Stand, times: int) -> Outcome:
    """Start three workers on the same round."""
    with stand(SQLITE) as whole:
        project, _ = prepare(place), prepare(whole)
        strange: list[str] = []
        for _ in range(times):
            crew: list[BaseProcess] = [start_process(round_process, place, project.id) for _ in range(3)]
            for process in crew:
                process.join(600)
            codes = [process.exitcode for process in crew]
            if 0 not in codes or set(codes) - {0, TOLD}:
                strange.append(f"exit codes {codes}")
            finish_round(place, project)
            finish_round(whole, project)
        outcome = compared(place, whole, 2 * times)
        outcome.found.what += strange
        outcome.found.not_rebuilt += len(strange)
        return outcome
