"""What is shown of synthetic samples: versions and classes with the gate's figures, images, and the history."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from db.access import authorize
from db.engine import Database
from db.errors import NotFound
from db.projects import load
from db.records import (
    Actor,
    Display,
    GateDecision,
    GeneratorVersion,
    Project,
    Role,
    SyntheticEvent,
    SyntheticGroup,
    SyntheticSample,
)
from db.synthetic_states import is_against
from db.tables import (
    FileRow,
    GateDecisionRow,
    GeneratorVersionRow,
    ProjectRow,
    RoundRow,
    SyntheticEventRow,
    SyntheticSampleRow,
    UserRow,
)


def groups(database: Database, actor: Actor, project_id: int) -> list[SyntheticGroup]:
    """Return each version's images of each class in use, the newest version first, classes by position.

    A class that the gate refused before anything was made is there with no images.

    Raises:
        PermissionDenied: below reviewer in the project.
    """

    def work(session: Session) -> list[SyntheticGroup]:
        authorize(session, actor, project_id, Role.reviewer)
        project = load(session, session.get_one(ProjectRow, project_id))
        versions = read_versions(session, GeneratorVersionRow.project_id == project_id)
        states, said = _states(session, project_id), _said(session, project)
        return [
            SyntheticGroup(
                version=version,
                class_id=item.id,
                class_name=item.name,
                **{state: states[key].get(state, 0) for state in ("candidate", "accepted", "rejected")},
                decision=said.get(key),
            )
            for version in reversed(versions)
            for item in project.classes
            if (key := (version.id, item.id)) in states or key in said
        ]

    return database.read(work)


def images(
    database: Database, actor: Actor, project_id: int, version_id: int, class_id: int, *, start: int = 0, most: int = 60
) -> list[SyntheticSample]:
    """Return a version's images of a class, by id: `most` of them from the `start`-th on.

    Raises:
        PermissionDenied: below reviewer in the project.
    """
    row = SyntheticSampleRow
    statement = (
        select(row, UserRow.name, GateDecisionRow)
        .outerjoin(UserRow, UserRow.id == row.decided_by_user)
        .outerjoin(
            GateDecisionRow,
            (GateDecisionRow.generator_version_id == row.generator_version_id)
            & (GateDecisionRow.class_id == row.class_id),
        )
        .where(row.project_id == project_id, row.generator_version_id == version_id, row.class_id == class_id)
        .order_by(row.id)
        .offset(start)
        .limit(most)
    )

    def work(session: Session) -> list[SyntheticSample]:
        authorize(session, actor, project_id, Role.reviewer)
        return [_image(*found) for found in session.execute(statement).tuples()]

    return database.read(work)


def events(
    database: Database, actor: Actor, project_id: int, *, version_id: int | None = None, class_id: int | None = None
) -> list[SyntheticEvent]:
    """Return the history of decisions, newest first, of all versions and classes or of one.

    Raises:
        PermissionDenied: below reviewer in the project.
    """
    where = [SyntheticEventRow.project_id == project_id]
    where += [] if version_id is None else [SyntheticEventRow.generator_version_id == version_id]
    where += [] if class_id is None else [SyntheticEventRow.class_id == class_id]

    def work(session: Session) -> list[SyntheticEvent]:
        authorize(session, actor, project_id, Role.reviewer)
        return read_events(session, *where)

    return database.read(work)


def display_of(database: Database, actor: Actor, project_id: int, synthetic_id: int) -> Display:
    """Return where the display image of a synthetic sample lies in its pack.

    Raises:
        PermissionDenied: below reviewer in the project.
        NotFound: if the project has no such image.
    """
    row = SyntheticSampleRow
    statement = (
        select(FileRow.path, FileRow.sha256, row.display_offset, row.display_length)
        .join(FileRow, FileRow.id == row.display_file_id)
        .where(row.id == synthetic_id, row.project_id == project_id)
    )

    def work(session: Session) -> Display:
        authorize(session, actor, project_id, Role.reviewer)
        found = session.execute(statement).tuples().one_or_none()
        if found is None:
            raise NotFound(f"expected a generated image of this project, got the id {synthetic_id}; reload the page")
        path, sha256, offset, length = found
        etag = f"{sha256[:16]}-{offset}-{length}"
        return Display(path=path, offset=offset, length=length, media_type="image/png", etag=etag)

    return database.read(work)


def read_versions(session: Session, *where: ColumnElement[bool]) -> list[GeneratorVersion]:
    """Read versions, oldest first, inside of a transaction."""
    statement = (
        select(GeneratorVersionRow, FileRow, RoundRow.number)
        .join(FileRow, FileRow.id == GeneratorVersionRow.file_id)
        .outerjoin(RoundRow, RoundRow.id == GeneratorVersionRow.round_id)
        .where(*where)
        .order_by(GeneratorVersionRow.number)
    )
    found = session.execute(statement).tuples().all()
    made = _made(session, [row.id for row, _, _ in found])
    return [_version(row, file, number, made[row.id]) for row, file, number in found]


def read_decision(row: GateDecisionRow) -> GateDecision:
    """Make the record of a decision's row."""
    return GateDecision(
        id=row.id,
        generator_version_id=row.generator_version_id,
        class_id=row.class_id,
        verdict=row.verdict,
        weight=row.weight,
        reason=row.reason,
        real=row.real_count,
        made=row.made_count,
        checks=tuple(row.checks),
        test=row.test,
        created_at=row.created_at,
    )


def read_events(session: Session, *where: ColumnElement[bool]) -> list[SyntheticEvent]:
    """Read events, newest first, inside of a transaction."""
    statement = select(SyntheticEventRow, UserRow.name).join(UserRow, UserRow.id == SyntheticEventRow.user_id)
    found = session.execute(statement.where(*where).order_by(SyntheticEventRow.id.desc())).tuples()
    return [_event(row, name) for row, name in found]


def _states(session: Session, project_id: int) -> dict[tuple[int, int], dict[str, int]]:
    row = SyntheticSampleRow
    place = row.generator_version_id, row.class_id, row.state
    found: dict[tuple[int, int], dict[str, int]] = defaultdict(dict)
    for version_id, class_id, state, count in session.execute(
        select(*place, func.count()).where(row.project_id == project_id).group_by(*place)
    ).tuples():
        found[version_id, class_id][state] = count
    return found


def _said(session: Session, project: Project) -> dict[tuple[int, int], GateDecision]:
    """Decisions by version and class of today; one made for a class that was merged counts only if no other does."""
    live = {item.id: item.live_id for item in project.retired}
    rows = session.scalars(select(GateDecisionRow).where(GateDecisionRow.project_id == project.id)).all()
    own = {(row.generator_version_id, row.class_id): read_decision(row) for row in rows if row.class_id not in live}
    moved = {
        (row.generator_version_id, into): read_decision(row)
        for row in rows
        if (into := live.get(row.class_id)) is not None
    }
    return moved | own


def _made(session: Session, version_ids: list[int]) -> dict[int, dict[int, int]]:
    row = SyntheticSampleRow
    statement = select(row.generator_version_id, row.class_id, func.count())
    mine = statement.where(row.generator_version_id.in_(version_ids)).group_by(row.generator_version_id, row.class_id)
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for version_id, class_id, count in session.execute(mine).tuples():
        found[version_id][class_id] = count
    return found


def _version(row: GeneratorVersionRow, file: FileRow, number: int | None, made: dict[int, int]) -> GeneratorVersion:
    return GeneratorVersion(
        id=row.id,
        project_id=row.project_id,
        number=row.number,
        key=row.key,
        kind=row.kind,
        round_id=row.round_id,
        round_number=number,
        path=file.path,
        sha256=file.sha256,
        size=file.size,
        recipe=row.recipe,
        seed=row.seed,
        labels_used=row.labels_used,
        pool_count=row.pool_count,
        pool_sha256=row.pool_sha256,
        metrics=row.metrics,
        made=made,
        created_at=row.created_at,
    )


def _image(row: SyntheticSampleRow, decider: str | None, said: GateDecisionRow | None) -> SyntheticSample:
    by_hand = row.decided_by in ("class review", "image review")
    return SyntheticSample(
        id=row.id,
        generator_version_id=row.generator_version_id,
        class_id=row.class_id,
        row=row.row,
        state=row.state,
        weight=row.weight,
        decided_by=row.decided_by,
        decider=decider if by_hand else None,
        decided_at=row.decided_at,
        against_gate=by_hand and is_against(said, row.state),
        nearest_sample_id=row.nearest_sample_id,
        nearest_distance=row.nearest_distance,
    )


def _event(row: SyntheticEventRow, user: str) -> SyntheticEvent:
    return SyntheticEvent(
        id=row.id,
        generator_version_id=row.generator_version_id,
        class_id=row.class_id,
        verdict=row.verdict,
        decided_by=row.decided_by,
        user=user,
        against_gate=row.against_gate,
        weight=row.weight,
        changed=row.changed,
        sample_ids=None if row.sample_ids is None else tuple(row.sample_ids),
        note=row.note,
        created_at=row.created_at,
    )
