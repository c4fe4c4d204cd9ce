"""Files whose bytes changed: one flipped bit is refused by hash, with a sentence, and never becomes a wrong number."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sqlalchemy import select

from benchmarks.fault_compared import compared
from benchmarks.fault_rounds import BATCH, finish_round, prepare, round_process, settings_of
from benchmarks.fault_table import SQLITE, Outcome, Stand, fault, stand
from benchmarks.fault_writers import start_process
from db import crash_points
from db.tables import FileRow
from flows.report import SilentReporter
from flows.rounds import run_round
from flows.store import open_store
from pipeline.errors import FileDamaged

Damage = Callable[[], None]


def flip_a_bit(path: Path, choose: np.random.Generator) -> None:
    """Turn one bit of a file, anywhere."""
    data = bytearray(path.read_bytes())
    data[int(choose.integers(len(data)))] ^= 1 << int(choose.integers(8))
    path.write_bytes(data)


def _refused(place: Stand, project_id: int, path: Path, choose: np.random.Generator) -> str:
    """Damage a file, see the round refuse it by name, and put the file back; returns what went wrong, if anything."""
    kept = path.with_suffix(".kept")
    shutil.copy2(path, kept)
    flip_a_bit(path, choose)
    try:
        with open_store(settings_of(place), system=True) as store:
            run_round(store, project_id, SilentReporter(), BATCH)
    except FileDamaged as error:
        return "" if path.name in str(error) and "restore" in str(error) else f"it said: {error}"
    else:
        return f"{path.name} was used although a bit of it had turned"
    finally:
        shutil.copy2(kept, path)
        kept.unlink()


def _files_of(place: Stand, kind: str) -> list[Path]:
    with place.open() as database:
        statement = select(FileRow.path).where(FileRow.kind == kind).order_by(FileRow.id)
        return [place.home / path for path in database.read(lambda session: session.scalars(statement).all())]


def _any(paths: list[Path], choose: np.random.Generator) -> Path:
    return paths[int(choose.integers(len(paths)))]


def _damaged(place: Stand, times: int, kind: str, *, moment: str = "", warm_up: int = 0) -> Outcome:
    """Damage files of a kind, one after the other; at the end the round must be as an undamaged one's."""
    choose = np.random.default_rng(8)
    with stand(SQLITE) as whole:
        project, _ = prepare(place), prepare(whole)
        for _ in range(warm_up):
            finish_round(place, project)
            finish_round(whole, project)
        if moment:  # the file that is damaged is one of the round under way
            start_process(round_process, place, project.id, moment).join(600)
        chosen = [_any(_files_of(place, kind), choose) for _ in range(times)]
        strange = [_refused(place, project.id, path, choose) for path in chosen]
        finish_round(place, project)
        finish_round(whole, project)
        outcome = compared(place, whole, times)
    broken = [said for said in strange if said]
    outcome.found.what += broken
    outcome.found.bad_hashes += len(broken)
    return outcome


@fault(
    "a bit of the images turned",
    "one bit of a memory-mapped shard: the round stops with a sentence that names the "
    "file; put back from a backup, it goes on",
    count=40,
    small=2,
    tested=(SQLITE,),
)
def shard_damaged(place: Stand, times: int) -> Outcome:
    """Flip a bit in the pixels that training and ranking read."""
    return _damaged(place, times, "pixels")


@fault(
    "a bit of the model turned",
    "one bit of the round's model, between training and ranking: the same",
    count=40,
    small=2,
    tested=(SQLITE,),
)
def model_damaged(place: Stand, times: int) -> Outcome:
    """Flip a bit in the weights that rank."""
    return _damaged(place, times, "model", moment=crash_points.MODEL_RECORDED)


@fault(
    "a bit of adversarial copies turned",
    "one bit of a file of copies before the next training: the same",
    count=20,
    small=1,
    tested=(),
)
def copies_damaged(place: Stand, times: int) -> Outcome:
    """Flip a bit in the copies that train the next model."""
    return _damaged(place, times, "copies", warm_up=1)


@fault(
    "a bit of a checkpoint turned",
    "one bit of the checkpoint that a killed training left: it is not taken up, training starts anew and ends the same",
    count=10,
    small=1,
    tested=(),
)
def checkpoint_damaged(place: Stand, times: int) -> Outcome:
    """Kill a training right after its checkpoint, flip a bit in that, and let the round go on."""
    choose, injected = np.random.default_rng(9), 0
    with stand(SQLITE) as whole:
        project, _ = prepare(place), prepare(whole)
        for _ in range(times):
            start_process(round_process, place, project.id, "after_rename.checkpoint").join(600)
            for path in (place.home / "projects" / str(project.id) / "models").glob("*.checkpoint"):
                flip_a_bit(path, choose)
                injected += 1
            finish_round(place, project)
            finish_round(whole, project)
        return compared(place, whole, injected)
