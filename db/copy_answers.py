"""What annotators said of adversarial copies that they saw among the images, held against what the copies train with.

Such an answer makes no label, is no vote and counts for no progress (`db.votes`). A copy trains with its original's
label, so that it is compared with the label as of now: what is not labeled does not train, and is not counted.
"""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from db.access import authorize
from db.engine import Database
from db.errors import NotFound
from db.labels import live_class
from db.records import Actor, CopyChecks, Display, Role
from db.samples import find_display
from db.tables import AnnotationRow, ClaimRow, FileRow, LabelTableRow, QueryRow, RoundRow


def results(database: Database, actor: Actor, project_id: int) -> CopyChecks:
    """Return how many copies got the class that they train with.

    Raises:
        PermissionDenied: below reviewer in the project.
    """

    def work(session: Session) -> CopyChecks:
        authorize(session, actor, project_id, Role.reviewer)
        return _counted(session, project_id, None)

    return database.read(work)


def checks_of_round(session: Session, round_id: int) -> dict[str, int]:
    """Return what the diagnostics of a round say of its copies that were checked; empty for a round without any."""
    asked = QueryRow.round_id == round_id, QueryRow.kind == "copy_check"
    if session.scalars(select(QueryRow.id).where(*asked).limit(1)).first() is None:
        return {}
    found = _counted(session, session.get_one(RoundRow, round_id).project_id, round_id)
    return {"copies_checked": found.checked, "copies_agreed": found.agreed, "copies_passed": found.passed}


def _counted(session: Session, project_id: int, round_id: int | None) -> CopyChecks:
    label = aliased(LabelTableRow)
    key = AnnotationRow.outcome, AnnotationRow.class_id, label.class_id
    statement = (
        select(*key, func.count())
        .join(QueryRow, QueryRow.id == AnnotationRow.query_id)
        .outerjoin(label, label.sample_id == AnnotationRow.sample_id)
        .where(QueryRow.project_id == project_id, QueryRow.kind == "copy_check", AnnotationRow.withdrawn_at.is_(None))
        .group_by(*key)
    )
    if round_id is not None:
        statement = statement.where(QueryRow.round_id == round_id)
    checked = agreed = passed = 0
    live = live_class(session, project_id)
    for outcome, given, trains_with, many in session.execute(statement):
        if outcome != "class":
            passed += many
        elif trains_with is not None and (said := live(given)) is not None:
            checked += many
            agreed += many if said == live(trains_with) else 0
    return CopyChecks(checked=checked, agreed=agreed, passed=passed)


def picture_to_label(database: Database, actor: Actor, project_id: int, query_id: int) -> Display:
    """Return where the picture lies that a query asks about: its image's, or that of an adversarial copy.

    Raises:
        PermissionDenied: below annotator in the project.
        NotFound: if the project has no such query, or an annotator was never handed it.
    """

    def work(session: Session) -> Display:
        role = authorize(session, actor, project_id, Role.annotator)
        query = session.get(QueryRow, query_id)
        mine = ClaimRow.query_id == query_id, ClaimRow.user_id == actor.user_id
        held = session.scalars(select(ClaimRow.id).where(*mine).limit(1)).first() is not None
        if query is None or query.project_id != project_id or not (held or role >= Role.reviewer):
            raise NotFound(f"expected a query that you were handed, got the id {query_id}; claim again")
        display = find_display(session, project_id, query.sample_id)
        return display if query.kind != "copy_check" else _copy(session, query)

    return database.read(work)


def _copy(session: Session, query: QueryRow) -> Display:
    lies = (query.details or {}).get("shown")
    named = lies if isinstance(lies, dict) else {}
    mine = FileRow.id == named.get("file"), FileRow.project_id == query.project_id, FileRow.kind == "display"
    file = session.scalars(select(FileRow).where(*mine, FileRow.deleted_at.is_(None))).one_or_none()
    place = named.get("place")
    if file is None or not isinstance(place, list) or len(place) != 2:
        raise NotFound(f"expected a picture for the query {query.id}, got none; skip it")
    offset, length = int(place[0]), int(place[1])
    etag = f"{file.sha256[:16]}-{offset}-{length}"
    return Display(path=file.path, offset=offset, length=length, media_type=str(named.get("media_type")), etag=etag)
