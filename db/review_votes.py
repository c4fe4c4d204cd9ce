"""Everything known of one image, for a reviewer who has decided: answers, the model's word, earlier reviews."""

from __future__ import annotations

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from db import inputs
from db.access import authorize
from db.engine import Database
from db.errors import NotFound
from db.records import Actor, PastReview, ReviewVote, ReviewVotes, Role
from db.tables import AnnotationEventRow, AnnotationRow, ClassRow, QueryRow, SampleRow, UserRow


def votes_of(database: Database, actor: Actor, project_id: int, sample_id: int) -> ReviewVotes:
    """Return every answer that stands for an image, what the model said, and earlier reviews, oldest first.

    Raises:
        PermissionDenied: below reviewer in the project.
        NotFound: if the project has no such image.
    """
    inputs.integer(sample_id, "sample_id", 0, 2**62)

    def work(session: Session) -> ReviewVotes:
        authorize(session, actor, project_id, Role.reviewer)
        mine = SampleRow.id == sample_id, SampleRow.project_id == project_id, SampleRow.deleted_at.is_(None)
        if session.scalars(select(SampleRow.id).where(*mine)).one_or_none() is None:
            raise NotFound(f"expected an image of this project, got the id {sample_id}; it may have been deleted")
        predicted, nearest = _predictions(session, project_id, sample_id)
        return ReviewVotes(
            votes=_votes(session, sample_id), predicted=predicted, nearest=nearest, history=_history(session, sample_id)
        )

    return database.read(work)


def _votes(session: Session, sample_id: int) -> list[ReviewVote]:
    statement = (
        select(AnnotationRow, UserRow.name, ClassRow.name, QueryRow.kind)
        .join(UserRow, UserRow.id == AnnotationRow.user_id)
        .join(QueryRow, QueryRow.id == AnnotationRow.query_id)
        .outerjoin(ClassRow, ClassRow.id == AnnotationRow.class_id)
        .where(AnnotationRow.sample_id == sample_id, AnnotationRow.withdrawn_at.is_(None))
        .where(QueryRow.kind != "copy_check")  # it was about another picture
        .order_by(AnnotationRow.id)
    )
    return [
        ReviewVote(
            user=user,
            outcome=note.outcome,
            class_name=class_name,
            note=note.note,
            kind=kind,
            mode=note.mode,
            latency_ms=note.latency_ms,
            created_at=note.created_at,
        )
        for note, user, class_name, kind in session.execute(statement)
    ]


def _predictions(session: Session, project_id: int, sample_id: int) -> tuple[str | None, str | None]:
    classes = select(ClassRow.position, ClassRow.name).where(ClassRow.project_id == project_id)
    names = dict(session.execute(classes).tuples().all())
    ranked = QueryRow.sample_id == sample_id, QueryRow.predicted.is_not(None)
    newest = select(QueryRow.predicted, QueryRow.nearest).where(*ranked).order_by(QueryRow.id.desc()).limit(1)
    places = session.execute(newest).one_or_none() or (None, None)
    predicted, nearest = (None if place is None else names.get(place) for place in places)
    return predicted, nearest


def _history(session: Session, sample_id: int) -> list[PastReview]:
    sent_back = and_(AnnotationEventRow.kind == "withdraw", AnnotationEventRow.answer_id.is_not(None))
    statement = (
        select(AnnotationEventRow, UserRow.name, ClassRow.name)
        .join(UserRow, UserRow.id == AnnotationEventRow.user_id)
        .outerjoin(ClassRow, ClassRow.id == AnnotationEventRow.class_id)
        .where(AnnotationEventRow.sample_id == sample_id)
        .where(or_(AnnotationEventRow.kind == "review", sent_back), AnnotationEventRow.answer_id.is_not(None))
        .order_by(AnnotationEventRow.id)
    )
    words = {"class": "class", "skip": "cannot be used", None: "sent back"}
    return [
        PastReview(
            user=user,
            what=words.get(event.outcome, "sent back"),
            class_name=class_name,
            note=str(event.payload.get("note", "")),
            created_at=event.created_at,
        )
        for event, user, class_name in session.execute(statement)
    ]
