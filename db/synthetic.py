"""Synthetic samples: record a generator with what it made and the gate's decisions, and read what may train.

What flows call. An attempt that is run again finds what an interrupted one recorded and doubles nothing. Decisions by
hand are in `db.synthetic_review`, what the page shows in `db.synthetic_lists`, the guard in `db.synthetic_guard`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db import files, inputs
from db.access import authorize
from db.clock import now
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound
from db.projects import load
from db.records import (
    Actor,
    GateDecision,
    GeneratorVersion,
    NewCandidate,
    NewCandidates,
    NewGateDecision,
    NewGeneratorVersion,
    Project,
    Role,
    SyntheticCounts,
)
from db.sql import chunks, insert_rows
from db.synthetic_guard import known_synthetic
from db.synthetic_lists import display_of, events, groups, images, read_decision, read_versions
from db.synthetic_review import judge_class, judge_images
from db.synthetic_states import HAND_WEIGHT, decide, gate_said
from db.synthetic_training import for_training
from db.tables import (
    GateDecisionRow,
    GeneratorVersionRow,
    ProjectRow,
    RoundRow,
    SampleRow,
    SyntheticEventRow,
    SyntheticSampleRow,
)

__all__ = [
    "HAND_WEIGHT",
    "counts",
    "display_of",
    "events",
    "find",
    "for_training",
    "groups",
    "images",
    "judge_class",
    "judge_images",
    "known_synthetic",
    "record",
    "record_decision",
]

KINDS = ("gan", "translation", "custom")


def record(database: Database, actor: Actor, project_id: int, new: NewGeneratorVersion) -> GeneratorVersion:
    """Record a generator version and its candidates in one transaction; what is stored under its key already stays.

    Args:
        database: the store.
        actor: the acting user.
        project_id: the project.
        new: the version, whose files are safely on disk.

    Returns:
        The version as stored: another attempt's, whose files are then to be used, if that came first.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if the round is not of this project.
        InvalidInput: for a value out of range, a class or a nearest image that is none of the project's.
        Conflict: if the key is that of another kind, recipe, seed or round.
    """
    key, kind = inputs.name(new.key, "a generator's key"), _kind(new.kind)
    metrics = inputs.plain(new.metrics, "metrics")

    def work(session: Session) -> GeneratorVersion:
        project = _locked(session, actor, project_id)
        row = _keyed(session, project_id, key)
        if row is None:
            _require_round(session, project_id, new.round_id)
            file_id = next(iter(files.register(session, project_id, "generator", [new.file]).values()))
            row = GeneratorVersionRow(
                project_id=project_id,
                number=_next_number(session, project_id),
                key=key,
                kind=kind,
                round_id=new.round_id,
                file_id=file_id,
                recipe=new.recipe,
                seed=int(new.seed),
                labels_used=int(new.labels_used),
                pool_count=int(new.pool_count),
                pool_sha256=None if new.pool_sha256 is None else inputs.sha256(new.pool_sha256),
                metrics=metrics,
                created_at=now(session),
            )
            session.add(row)
            session.flush()
            for given in new.candidates:
                _insert(session, project, row.id, given)
        if (row.kind, row.recipe, row.seed, row.round_id) != (kind, new.recipe, int(new.seed), new.round_id):
            raise Conflict(f"expected the attempt {key!r} as it was begun, got another recipe or seed; name it anew")
        return read_versions(session, GeneratorVersionRow.id == row.id)[0]

    return database.write(work, idempotent=True)


def find(database: Database, actor: Actor, project_id: int, key: str) -> GeneratorVersion | None:
    """Return what an attempt of that key recorded, None if none did: look before training anew.

    Raises:
        PermissionDenied: below viewer in the project.
    """

    def work(session: Session) -> GeneratorVersion | None:
        authorize(session, actor, project_id, Role.viewer)
        mine = GeneratorVersionRow.project_id == project_id, GeneratorVersionRow.key == key
        return next(iter(read_versions(session, *mine)), None)

    return database.read(work)


def record_decision(
    database: Database, actor: Actor, project_id: int, version_id: int, new: NewGateDecision
) -> GateDecision:
    """Record the gate's decision on a class; its candidates are accepted or rejected in the same transaction.

    What a person decided before stays, and so does a decision that is there: the gate decides once.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if the project has no such version.
        InvalidInput: for a verdict that does not fit the weight, a NaN, or a position of no class.
    """
    checks = inputs.plain({"checks": [dict(check) for check in new.checks]}, "the gate's figures")["checks"]
    test = None if new.test is None else inputs.plain(new.test, "the paired test")
    weight, reason = _weight(new), inputs.body(new.reason, "the gate's reason", longest=2000)

    def work(session: Session) -> GateDecision:
        project = _locked(session, actor, project_id)
        _require_version(session, project_id, version_id)
        class_id = _class_id(project, new.position)
        row = gate_said(session, version_id, class_id)
        if row is None:
            base = {"project_id": project_id, "generator_version_id": version_id, "class_id": class_id}
            row = GateDecisionRow(
                **base, verdict=new.verdict, weight=weight, reason=reason, checks=checks, test=test,
                real_count=int(new.real), made_count=int(new.made), created_at=now(session),
            )  # fmt: skip
            session.add(row)
            verdict = "accepted" if new.verdict == "accepted" else "rejected"
            event = SyntheticEventRow(
                **base, verdict=verdict, decided_by="gate", user_id=actor.user_id, against_gate=False, weight=weight,
                sample_ids=None, note=reason, request_id=None,
            )  # fmt: skip
            decide(session, event, SyntheticSampleRow.state == "candidate")
        return read_decision(row)

    return database.write(work, idempotent=True)


def counts(database: Database, actor: Actor, project_id: int) -> SyntheticCounts:
    """Count a project's synthetic samples by state; they are no labels.

    Raises:
        PermissionDenied: below viewer in the project.
    """

    def work(session: Session) -> SyntheticCounts:
        authorize(session, actor, project_id, Role.viewer)
        mine = select(SyntheticSampleRow.state, func.count()).where(SyntheticSampleRow.project_id == project_id)
        return SyntheticCounts(**dict(session.execute(mine.group_by(SyntheticSampleRow.state)).tuples().all()))

    return database.read(work)


def _insert(session: Session, project: Project, version_id: int, given: NewCandidates) -> None:
    _require_samples(session, project.id, {row.nearest_sample_id for row in given.rows} - {None})
    file_id = next(iter(files.register(session, project.id, "synthetic", [given.file]).values()))
    display_id = next(iter(files.register(session, project.id, "synthetic", [given.display]).values()))
    base = {
        "project_id": project.id,
        "generator_version_id": version_id,
        "file_id": file_id,
        "display_file_id": display_id,
        "state": "candidate",
        "weight": 0.0,
        "created_at": now(session),
    }
    for part in chunks(given.rows):
        insert_rows(session, SyntheticSampleRow, [{**base, **_columns(project, row)} for row in part])


def _columns(project: Project, row: NewCandidate) -> Mapping[str, object]:
    distance = row.nearest_distance
    if distance is not None and not math.isfinite(distance):
        raise InvalidInput(f"expected a finite distance to the nearest image, got {distance}; leave it out")
    return {
        "class_id": _class_id(project, row.position),
        "file_row": inputs.integer(row.row, "a row", 0, 2**31 - 1),
        "sha256": inputs.sha256(row.sha256),
        "pixels_sha256": inputs.sha256(row.pixels_sha256),
        "display_offset": inputs.integer(row.display_offset, "display_offset", 0, 2**62),
        "display_length": inputs.integer(row.display_length, "display_length", 1, 2**31),
        "nearest_sample_id": row.nearest_sample_id,
        "nearest_distance": distance,
    }


def _require_samples(session: Session, project_id: int, ids: set[int | None]) -> None:
    wanted = sorted(item for item in ids if item is not None)
    found = 0
    for part in chunks(wanted):
        mine = SampleRow.project_id == project_id, SampleRow.id.in_(part)
        found += len(session.scalars(select(SampleRow.id).where(*mine)).all())
    if found != len(wanted):
        raise InvalidInput(
            f"expected {len(wanted)} nearest images of this project, got {found} of them; use ids of its samples"
        )


def _class_id(project: Project, position: int) -> int:
    """The class in use that a position of a model or maker means today."""
    live = project.live_position(int(position))
    found = [item.id for item in project.classes if item.position == live]
    if not found:
        raise InvalidInput(f"expected the position of a class in use, got {position}; see the project's classes")
    return found[0]


def _weight(new: NewGateDecision) -> float:
    if new.verdict not in ("accepted", "refused"):
        raise InvalidInput(f"expected the verdict 'accepted' or 'refused', got {new.verdict!r:.40}; name one of them")
    weight = inputs.share(new.weight, "a weight")
    if (new.verdict == "accepted") != (weight > 0):
        raise InvalidInput(f"expected a weight above 0 if accepted and 0 if refused, got {weight:g}; see the gate")
    return weight


def _kind(kind: str) -> str:
    if kind not in KINDS:
        raise InvalidInput(f"expected a generator's kind out of {', '.join(KINDS)}, got {kind!r:.40}; choose one")
    return kind


def _locked(session: Session, actor: Actor, project_id: int) -> Project:
    """Hold the project's row: numbers are given out and decisions are made one at a time."""
    authorize(session, actor, project_id, Role.administrator)
    session.execute(select(ProjectRow.id).where(ProjectRow.id == project_id).with_for_update(key_share=True))
    return load(session, session.get_one(ProjectRow, project_id))


def _keyed(session: Session, project_id: int, key: str) -> GeneratorVersionRow | None:
    mine = GeneratorVersionRow.project_id == project_id, GeneratorVersionRow.key == key
    return session.scalars(select(GeneratorVersionRow).where(*mine)).one_or_none()


def _next_number(session: Session, project_id: int) -> int:
    newest = select(func.max(GeneratorVersionRow.number)).where(GeneratorVersionRow.project_id == project_id)
    return (session.scalars(newest).one() or 0) + 1


def _require_round(session: Session, project_id: int, round_id: int | None) -> None:
    turn = None if round_id is None else session.get(RoundRow, round_id)
    if round_id is not None and (turn is None or turn.project_id != project_id):
        raise NotFound(f"expected a round of this project, got the id {round_id}; begin one first")


def _require_version(session: Session, project_id: int, version_id: int) -> None:
    row = session.get(GeneratorVersionRow, version_id)
    if row is None or row.project_id != project_id:
        raise NotFound(f"expected a generator version of this project, got the id {version_id}; record it first")
