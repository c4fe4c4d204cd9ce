"""What people decide about synthetic samples: a whole class of a version, or single images. It wins over the gate.

The gate's decision stays beside it, and every decision stays in history with who, when and whether it was against
the gate. Images that were decided on singly are left as they are by a decision on their class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from db import inputs
from db.access import authorize
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound
from db.records import Actor, Role, SyntheticEvent, SyntheticVerdict
from db.synthetic_lists import read_events
from db.synthetic_states import HAND_WEIGHT, decide, gate_said, is_against
from db.tables import ProjectRow, SyntheticEventRow, SyntheticSampleRow

MOST_IMAGES = 1000


def judge_class(
    database: Database,
    actor: Actor,
    project_id: int,
    version_id: int,
    class_id: int,
    verdict: SyntheticVerdict,
    *,
    request_id: str,
    note: str = "",
    weight: float | None = None,
) -> SyntheticEvent:
    """Accept or reject a version's images of a class, but for those that were decided on singly.

    Args:
        database: the store.
        actor: the acting user.
        project_id: the project.
        version_id: the generator version.
        class_id: a class in use.
        verdict: 'accepted' or 'rejected'.
        request_id: a UUID made when the page was drawn; the same again changes nothing.
        note: why, for others.
        weight: what an accepted image counts beside a real one, above 0; None takes the gate's weight, or half where
            it refused or said nothing.

    Raises:
        PermissionDenied: below reviewer in the project.
        NotFound: if the version has no images of that class.
        Conflict: if the id was used for another decision.
    """

    def work(session: Session) -> SyntheticEventRow:
        mine = (
            SyntheticSampleRow.project_id == project_id,
            SyntheticSampleRow.generator_version_id == version_id,
            SyntheticSampleRow.class_id == class_id,
        )
        if session.scalars(select(SyntheticSampleRow.id).where(*mine).limit(1)).first() is None:
            raise NotFound(f"expected images of this class by version {version_id}, got none; reload the page")
        event = _event(session, actor, (project_id, version_id, class_id), verdict, weight)
        event.decided_by, event.sample_ids = "class review", None
        event.note, event.request_id = kept, request
        alone = or_(SyntheticSampleRow.decided_by.is_(None), SyntheticSampleRow.decided_by != "image review")
        return decide(session, event, alone)

    kept, request = _checked(verdict, note), inputs.answer_id(request_id, "a request's id")
    same = (version_id, class_id, verdict, None)
    return _once(database, actor, project_id, request, same, work)


def judge_images(
    database: Database,
    actor: Actor,
    project_id: int,
    synthetic_ids: Sequence[int],
    verdict: SyntheticVerdict,
    *,
    request_id: str,
    note: str = "",
    weight: float | None = None,
) -> SyntheticEvent:
    """Accept or reject single images, all of one class by one version; see `judge_class`.

    Raises:
        PermissionDenied: below reviewer in the project.
        NotFound: if an image is none of the project's.
        InvalidInput: for no image, more than a thousand, or images of more than one class or version.
        Conflict: if the id was used for another decision.
    """
    ids = sorted({int(item) for item in synthetic_ids})
    if not 1 <= len(ids) <= MOST_IMAGES:
        raise InvalidInput(f"expected 1 to {MOST_IMAGES} images, got {len(ids)}; choose some")

    def work(session: Session) -> SyntheticEventRow:
        version_id, class_id = _home_of(session, project_id, ids)
        event = _event(session, actor, (project_id, version_id, class_id), verdict, weight)
        event.decided_by, event.sample_ids = "image review", ids
        event.note, event.request_id = kept, request
        return decide(session, event, SyntheticSampleRow.id.in_(ids))

    kept, request = _checked(verdict, note), inputs.answer_id(request_id, "a request's id")
    return _once(database, actor, project_id, request, (None, None, verdict, ids), work)


def _once(
    database: Database,
    actor: Actor,
    project_id: int,
    request_id: str,
    same: tuple[int | None, int | None, str, list[int] | None],
    work: Callable[[Session], SyntheticEventRow],
) -> SyntheticEvent:
    """Do it unless the request was heard before; the project's row is held, so that decisions come one at a time."""

    def whole(session: Session) -> SyntheticEvent:
        authorize(session, actor, project_id, Role.reviewer)
        session.execute(select(ProjectRow.id).where(ProjectRow.id == project_id).with_for_update(key_share=True))
        stored = select(SyntheticEventRow).where(SyntheticEventRow.request_id == request_id)
        row = session.scalars(stored).one_or_none()
        if row is None:
            row = work(session)
        version_id, class_id, verdict, ids = same
        given = (version_id or row.generator_version_id, class_id or row.class_id, verdict, ids)
        if (row.generator_version_id, row.class_id, row.verdict, row.sample_ids) != given:
            raise Conflict("expected the same decision under one request id, got another; reload the page")
        if (row.project_id, row.user_id) != (project_id, actor.user_id):
            raise Conflict("expected a request id of one's own, got somebody else's; reload the page")
        return read_events(session, SyntheticEventRow.id == row.id)[0]

    return database.write(whole, idempotent=True)


def _event(
    session: Session, actor: Actor, place: tuple[int, int, int], verdict: str, weight: float | None
) -> SyntheticEventRow:
    project_id, version_id, class_id = place
    said = gate_said(session, version_id, class_id)
    return SyntheticEventRow(
        project_id=project_id,
        generator_version_id=version_id,
        class_id=class_id,
        verdict=verdict,
        user_id=actor.user_id,
        against_gate=is_against(said, verdict),
        weight=_weight(verdict, weight, said.weight if said is not None else 0.0),
    )


def _weight(verdict: str, given: float | None, of_gate: float) -> float:
    if verdict == "rejected":
        return 0.0
    if given is None:
        return of_gate or HAND_WEIGHT
    weight = inputs.share(given, "a weight")
    if weight == 0:
        raise InvalidInput("expected a weight above 0 for images to accept, got 0; reject them instead")
    return weight


def _home_of(session: Session, project_id: int, ids: Sequence[int]) -> tuple[int, int]:
    """Return the one (version id, class id) of the images."""
    row = SyntheticSampleRow
    statement = (
        select(row.generator_version_id, row.class_id, func.count())
        .where(row.project_id == project_id, row.id.in_(ids))
        .group_by(row.generator_version_id, row.class_id)
    )
    found = session.execute(statement).tuples().all()
    if sum(count for _, _, count in found) != len(ids):
        raise NotFound(f"expected {len(ids)} generated images of this project, got fewer; reload the page")
    if len(found) != 1:
        raise InvalidInput(f"expected images of one class by one version, got {len(found)}; decide on each apart")
    return found[0][0], found[0][1]


def _checked(verdict: str, note: str) -> str:
    if verdict not in ("accepted", "rejected"):
        raise InvalidInput(f"expected 'accepted' or 'rejected', got {verdict!r:.40}; name one of them")
    return inputs.body(note, "a note", longest=2000)
