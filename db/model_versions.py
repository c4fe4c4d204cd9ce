"""Model versions: what was trained, from what, how good it is. Which one is in use: `db.model_choices`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from db import files, inputs
from db.access import authorize
from db.clock import now
from db.engine import Database
from db.errors import NotFound
from db.records import Actor, ModelVersion, NewModelVersion, Role
from db.sql import chunks, insert_rows
from db.tables import FileRow, ModelVersionRow, PredictionRow, ProjectRow, RoundModelRow, RoundRow


def record(database: Database, actor: Actor, project_id: int, new: NewModelVersion) -> ModelVersion:
    """Record a trained model whose file is on disk; the same file for the same round again gives the stored one.

    It is not made the one in use. With a `round_id` it becomes the model that ranks this round.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if the round is not of this project.
        InvalidInput: for NaN in the metrics.
    """
    metrics = inputs.plain(new.metrics, "metrics")

    def work(session: Session) -> ModelVersion:
        authorize(session, actor, project_id, Role.administrator)
        session.execute(select(ProjectRow.id).where(ProjectRow.id == project_id).with_for_update(key_share=True))
        _require_round(session, project_id, new.round_id)
        file_id = next(iter(files.register(session, project_id, "model", [new.file]).values()))
        row = session.scalars(select(ModelVersionRow).where(ModelVersionRow.file_id == file_id)).first()
        if row is None or row.round_id != new.round_id:
            row = ModelVersionRow(
                project_id=project_id,
                number=_next_number(session, project_id),
                round_id=new.round_id,
                file_id=file_id,
                architecture=new.architecture,
                recipe=new.recipe,
                strategy=new.strategy,
                seed=int(new.seed),
                labels_used=int(new.labels_used),
                copies_used=int(new.copies_used),
                synthetic_used=int(new.synthetic_used),
                metrics=metrics,
                is_current=False,
                created_at=now(session),
            )
            session.add(row)
            session.flush()
            _predict(session, row.id, new.predictions)
        if new.round_id is not None:
            session.merge(RoundModelRow(round_id=new.round_id, model_version_id=row.id))
            session.flush()
        return _one(session, select(ModelVersionRow, FileRow).where(ModelVersionRow.id == row.id))

    return database.write(work, idempotent=True)


def current(database: Database, project_id: int) -> ModelVersion | None:
    """Return the model version in use, or None before the first."""
    return database.read(lambda session: current_of(session, project_id))


def current_of(session: Session, project_id: int) -> ModelVersion | None:
    """Return the model version in use, inside of a transaction."""
    mine = ModelVersionRow.project_id == project_id, ModelVersionRow.is_current
    return _first(session, select(ModelVersionRow, FileRow).where(*mine))


def one_of(session: Session, project_id: int, model_version_id: int) -> ModelVersion:
    """Return a version inside of a transaction.

    Raises:
        NotFound: if the project has no such version.
    """
    wanted = ModelVersionRow.project_id == project_id, ModelVersionRow.id == model_version_id
    return _one(session, select(ModelVersionRow, FileRow).where(*wanted))


def get(database: Database, actor: Actor, project_id: int, model_version_id: int) -> ModelVersion:
    """Return a version.

    Raises:
        PermissionDenied: below viewer in the project.
        NotFound: if the project has no such version.
    """

    def work(session: Session) -> ModelVersion:
        authorize(session, actor, project_id, Role.viewer)
        return one_of(session, project_id, model_version_id)

    return database.read(work)


def for_round(database: Database, round_id: int) -> ModelVersion | None:
    """Return the model version that ranks the round, or None before it has one."""
    statement = (
        select(ModelVersionRow, FileRow)
        .join(RoundModelRow, RoundModelRow.model_version_id == ModelVersionRow.id)
        .where(RoundModelRow.round_id == round_id)
    )
    return database.read(lambda session: _first(session, statement))


def list_versions(database: Database, actor: Actor, project_id: int) -> list[ModelVersion]:
    """Return all versions, newest first.

    Raises:
        PermissionDenied: below viewer in the project.
    """

    def work(session: Session) -> list[ModelVersion]:
        authorize(session, actor, project_id, Role.viewer)
        return all_of(session, project_id)

    return database.read(work)


def all_of(session: Session, project_id: int) -> list[ModelVersion]:
    """Return all versions, newest first, inside of a transaction."""
    statement = select(ModelVersionRow, FileRow).where(ModelVersionRow.project_id == project_id)
    return _all(session, statement.order_by(ModelVersionRow.number.desc()))


def _require_round(session: Session, project_id: int, round_id: int | None) -> None:
    if round_id is None:
        return
    turn = session.get(RoundRow, round_id)
    if turn is None or turn.project_id != project_id:
        raise NotFound(f"expected a round of this project, got the id {round_id}; begin one first")


def _next_number(session: Session, project_id: int) -> int:
    newest = select(func.max(ModelVersionRow.number)).where(ModelVersionRow.project_id == project_id)
    return (session.scalars(newest).one() or 0) + 1


def _predict(session: Session, version_id: int, predictions: Sequence[tuple[int, int, float]]) -> None:
    for part in chunks(list(predictions)):
        rows = [
            {
                "model_version_id": version_id,
                "sample_id": int(sample_id),
                "position": int(position),
                "probability": min(1.0, max(0.0, float(probability))),
            }
            for sample_id, position, probability in part
        ]
        insert_rows(session, PredictionRow, rows)


def _all(session: Session, statement: Select[tuple[ModelVersionRow, FileRow]]) -> list[ModelVersion]:
    joined = statement.join(FileRow, FileRow.id == ModelVersionRow.file_id)
    rows = session.execute(joined, execution_options={"populate_existing": True}).tuples()
    return [_version(row, file) for row, file in rows]


def _first(session: Session, statement: Select[tuple[ModelVersionRow, FileRow]]) -> ModelVersion | None:
    found = _all(session, statement)
    return found[0] if found else None


def _one(session: Session, statement: Select[tuple[ModelVersionRow, FileRow]]) -> ModelVersion:
    found = _first(session, statement)
    if found is None:
        raise NotFound("expected a model version of this project, got the id of none; see the list of versions")
    return found


def _version(row: ModelVersionRow, file: FileRow) -> ModelVersion:
    return ModelVersion(
        id=row.id,
        project_id=row.project_id,
        number=row.number,
        round_id=row.round_id,
        path=file.path,
        sha256=file.sha256,
        size=file.size,
        architecture=row.architecture,
        recipe=row.recipe,
        strategy=row.strategy,
        seed=row.seed,
        labels_used=row.labels_used,
        copies_used=row.copies_used,
        synthetic_used=row.synthetic_used,
        metrics=row.metrics,
        current=row.is_current,
        created_at=row.created_at,
    )
