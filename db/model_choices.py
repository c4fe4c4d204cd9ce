"""Which model version is in use: chosen by the project's rule or by a person; every choice is kept with its reason."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db import inputs
from db.access import authorize
from db.clock import now
from db.engine import Database
from db.files import require_intact
from db.holdout import holdout_accuracy
from db.model_versions import all_of, current_of, get, one_of
from db.records import Actor, ModelChoice, ModelVersion, Role, VersionSummary
from db.tables import ModelChoiceRow, ModelVersionRow, ProjectRow, UserRow

BY_HAND = "chosen by hand"


def choose(database: Database, actor: Actor, project_id: int, model_version_id: int, reason: str = "") -> ModelVersion:
    """Make a version the one in use because a person says so; an older one, too.

    Its file is read and checked first: a model that cannot be loaded is never made the one in use. One that is in use
    already stays, and nothing is noted.

    Args:
        database: the store.
        actor: the acting user.
        project_id: the project.
        model_version_id: the version.
        reason: why, in a line; kept with the choice.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if the project has no such version.
        FileDamaged: if its file is missing or not the one that was written.
        InvalidInput: for a reason that cannot be stored.
    """
    told = inputs.name(reason, "a reason", longest=500) if reason.strip() else ""
    _check_file(database, actor, project_id, model_version_id)

    def work(session: Session) -> ModelVersion:
        _lock(session, actor, project_id)
        _set(session, actor, project_id, model_version_id, f"{BY_HAND}: {told}" if told else BY_HAND)
        return one_of(session, project_id, model_version_id)

    return database.write(work, idempotent=True)


def promote(
    database: Database, actor: Actor, project_id: int, model_version_id: int, reason: str, *, instead_of: int | None
) -> bool:
    """Make a version the one in use because the project's rule says so.

    Args:
        database: the store.
        actor: the acting user.
        project_id: the project.
        model_version_id: the version.
        reason: why, with its figures.
        instead_of: id of the version that it was compared with, None if there was none.

    Returns:
        False if another version is in use by now, so that the comparison is about nothing; nothing changes then.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if the project has no such version.
        FileDamaged: if its file is missing or not the one that was written.
    """
    _check_file(database, actor, project_id, model_version_id)

    def work(session: Session) -> bool:
        _lock(session, actor, project_id)
        found = current_of(session, project_id)
        if (None if found is None else found.id) not in (instead_of, model_version_id):
            return False
        _set(session, actor, project_id, model_version_id, reason)
        return True

    return database.write(work, idempotent=True)


def choices(database: Database, actor: Actor, project_id: int) -> list[ModelChoice]:
    """Return every time that a version became the one in use, newest first.

    Raises:
        PermissionDenied: below viewer in the project.
    """

    def work(session: Session) -> list[ModelChoice]:
        authorize(session, actor, project_id, Role.viewer)
        return _choices(session, project_id)

    return database.read(work)


def versions(database: Database, actor: Actor, project_id: int) -> list[VersionSummary]:
    """Return all versions with their figures and why they were last chosen, newest first.

    Raises:
        PermissionDenied: below viewer in the project.
    """

    def work(session: Session) -> list[VersionSummary]:
        authorize(session, actor, project_id, Role.viewer)
        held = holdout_accuracy(session, project_id)
        chosen = {choice.model_version_id: choice for choice in reversed(_choices(session, project_id))}
        return [
            VersionSummary(version=version, holdout=held.get(version.id), choice=chosen.get(version.id))
            for version in all_of(session, project_id)
        ]

    return database.read(work)


def _check_file(database: Database, actor: Actor, project_id: int, model_version_id: int) -> None:
    """Read the file outside of any transaction: a large one takes seconds."""
    database.read(lambda session: authorize(session, actor, project_id, Role.administrator))
    version = get(database, actor, project_id, model_version_id)
    require_intact(database.home, version.path, version.sha256)


def _lock(session: Session, actor: Actor, project_id: int) -> None:
    authorize(session, actor, project_id, Role.administrator)
    session.execute(select(ProjectRow.id).where(ProjectRow.id == project_id).with_for_update(key_share=True))


def _set(session: Session, actor: Actor, project_id: int, model_version_id: int, reason: str) -> None:
    """Move the mark and note the choice in one transaction; a repeat of it finds the mark there and notes nothing."""
    found = current_of(session, project_id)
    if found is not None and found.id == model_version_id:
        return
    mine = ModelVersionRow.project_id == project_id
    session.execute(update(ModelVersionRow).where(mine, ModelVersionRow.is_current).values(is_current=False))
    session.execute(update(ModelVersionRow).where(mine, ModelVersionRow.id == model_version_id).values(is_current=True))
    session.add(
        ModelChoiceRow(
            project_id=project_id,
            model_version_id=model_version_id,
            reason=reason,
            chosen_by=actor.user_id,
            chosen_at=now(session),
        )
    )
    session.flush()


def _choices(session: Session, project_id: int) -> list[ModelChoice]:
    statement = (
        select(ModelChoiceRow, ModelVersionRow.number, UserRow.name)
        .join(ModelVersionRow, ModelVersionRow.id == ModelChoiceRow.model_version_id)
        .join(UserRow, UserRow.id == ModelChoiceRow.chosen_by)
        .where(ModelChoiceRow.project_id == project_id)
        .order_by(ModelChoiceRow.id.desc())
    )
    return [
        ModelChoice(model_version_id=row.model_version_id, number=number, reason=row.reason, by=name, at=row.chosen_at)
        for row, number, name in session.execute(statement)
    ]
