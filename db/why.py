"""Why this image: reads what the round's flow stored with a query, for those who may see it.

A query that no strategy chose (holdout, gold, spot check, the check of a copy, a tile that was not confirmed) tells
nothing, all of them alike. One whose image an earlier round chose tells what that round found, so that a check looks
like any other query.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from db import files
from db.access import authorize
from db.engine import Database
from db.errors import InvalidInput, NotFound, PermissionDenied
from db.records import Actor, ClassName, Display, Neighbor, NewFile, Role, Why
from db.tables import (
    AnnotationRow,
    ClaimRow,
    ClassRow,
    FileRow,
    LabelTableRow,
    ProjectRow,
    QueryRow,
    RoundRow,
    SampleRow,
)

Picture = Literal["copy", "difference"]
PICTURES: tuple[Picture, ...] = ("copy", "difference")


def why(database: Database, actor: Actor, project_id: int, query_id: int) -> Why:
    """Return why an image is asked: to whoever holds or has answered the query, and to reviewers.

    The project decides when: 'after' keeps it from everybody who has yet to answer, 'never' from all but reviewers.

    Raises:
        PermissionDenied: below annotator in the project, or not now by the project's settings.
        NotFound: if the project has no such query, or an annotator neither holds nor has answered it.
    """

    def work(session: Session) -> Why:
        query = _visible(session, actor, project_id, query_id)
        source = _source(session, query)
        if source is None:
            return Why(query_id=query.id, sample_id=query.sample_id)
        return _told(session, query, source, source.details or {})

    return database.read(work)


def picture_of(database: Database, actor: Actor, project_id: int, query_id: int, which: Picture) -> Display:
    """Return where a picture lies: of the query's adversarial copy, or of what the copy adds to the original.

    Raises:
        PermissionDenied: as for `why`.
        NotFound: as for `why`, or if the query has no copy.
        InvalidInput: for another picture.
    """
    if which not in PICTURES:
        raise InvalidInput(f"expected a picture of {', '.join(PICTURES)}, got {which!r}; name one of them")

    def work(session: Session) -> Display:
        source = _source(session, _visible(session, actor, project_id, query_id))
        found = None if source is None else _picture(session, project_id, source.details or {}, which)
        if found is None:
            raise NotFound(f"expected a query with an adversarial copy, got {query_id} without; show the rest")
        return found

    return database.read(work)


def record_pictures(database: Database, actor: Actor, round_id: int, file: NewFile) -> int:
    """Register the file that holds a round's pictures, before its queries refer to it; returns the file's id.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if there is no such round.
    """

    def work(session: Session) -> int:
        turn = session.get(RoundRow, round_id)
        authorize(session, actor, turn.project_id if turn else None, Role.administrator)
        if turn is None:
            raise NotFound(f"expected a round, got the id {round_id} of none; begin one first")
        return next(iter(files.register(session, turn.project_id, "display", [file]).values()))

    return database.write(work, idempotent=True)


def _visible(session: Session, actor: Actor, project_id: int, query_id: int) -> QueryRow:
    role = authorize(session, actor, project_id, Role.annotator)
    live = QueryRow.project_id == project_id, SampleRow.deleted_at.is_(None)
    statement = select(QueryRow).join(SampleRow, SampleRow.id == QueryRow.sample_id)
    query = session.scalars(statement.where(QueryRow.id == query_id, *live)).one_or_none()
    held, answered = _part_in(session, actor.user_id, query_id)
    if query is None or not (held or answered or role >= Role.reviewer):
        raise NotFound(f"expected a query that you hold or have answered, got the id {query_id}; claim again")
    setting = session.get_one(ProjectRow, project_id).show_why
    if setting == "never" and (held or role < Role.reviewer):
        raise PermissionDenied("expected a project that shows why an image is asked, got one that never does; go on")
    if setting == "after" and held and not answered:
        raise PermissionDenied("expected an answer first, got none yet; this project shows why an image is asked after")
    return query


def _part_in(session: Session, user_id: int, query_id: int) -> tuple[bool, bool]:
    """Return whether the user holds the query, and whether an answer of theirs to it stands."""
    mine = ClaimRow.query_id == query_id, ClaimRow.user_id == user_id, ClaimRow.state == "leased"
    standing = AnnotationRow.query_id == query_id, AnnotationRow.user_id == user_id
    held = session.scalars(select(ClaimRow.id).where(*mine).limit(1)).first()
    answered = session.scalars(
        select(AnnotationRow.id).where(*standing, AnnotationRow.withdrawn_at.is_(None)).limit(1)
    ).first()
    return held is not None, answered is not None


def _source(session: Session, query: QueryRow) -> QueryRow | None:
    """Return the query whose details are told: this one, else the newest earlier one of the image that was ranked."""
    if _was_ranked(query):
        return query
    if query.kind == "copy_check":
        return None  # the image's own copy would lie beside it
    same = QueryRow.sample_id == query.sample_id, QueryRow.id < query.id
    earlier = session.scalars(select(QueryRow).where(*same).order_by(QueryRow.id.desc()))
    return next((other for other in earlier if _was_ranked(other)), None)


def _was_ranked(query: QueryRow) -> bool:
    return _whole((query.details or {}).get("place")) is not None


def _told(session: Session, query: QueryRow, source: QueryRow, details: Mapping[str, Any]) -> Why:
    classes = _Classes(session, query.project_id)
    predicted, nearest = classes.at(source.predicted), classes.at(source.nearest)
    amplified = _mapping(details, "pictures").get("amplified")
    return Why(
        query_id=query.id,
        sample_id=query.sample_id,
        strategy=str(details.get("strategy", "")),
        place=_whole(details.get("place")),
        pool=_whole(details.get("pool")),
        score=_finite(source.score),
        descending=details.get("descending") is True,
        distance=_finite(details.get("distance")),
        cold_start=details.get("cold_start") is True,
        predicted=predicted,
        nearest=None if nearest == predicted else nearest,  # both may have been merged into one
        neighbors=tuple(_neighbors(session, classes, query.project_id, details)),
        copy=_picture(session, query.project_id, details, "copy"),
        difference=_picture(session, query.project_id, details, "difference"),
        amplified=_finite(amplified),
    )


class _Classes:
    """A project's classes by position and id; one that was merged is the one that it was merged into."""

    def __init__(self, session: Session, project_id: int) -> None:
        rows = session.scalars(select(ClassRow).where(ClassRow.project_id == project_id)).all()
        self._by_id, self._by_position = {row.id: row for row in rows}, {row.position: row for row in rows}

    def at(self, position: int | None) -> ClassName | None:
        """Return the class at a place of the model's output; None if it is gone."""
        row = None if position is None else self._by_position.get(position)
        return None if row is None else self.of(row.id)

    def of(self, class_id: int) -> ClassName | None:
        """Return the class that an id stands for today; None if it is gone."""
        row = self._by_id.get(class_id)
        for _ in range(len(self._by_id)):  # a chain of merges has no more links than that
            if row is None or row.merged_into_id is None:
                break
            row = self._by_id.get(row.merged_into_id)
        return None if row is None or row.retired_at is not None else ClassName(id=row.id, name=row.name)


def _neighbors(session: Session, classes: _Classes, project_id: int, details: Mapping[str, Any]) -> Iterator[Neighbor]:
    given = details.get("neighbors")
    ids = [item for item in given if _whole(item) is not None] if isinstance(given, list) else []
    labels = (
        select(LabelTableRow.sample_id, LabelTableRow.class_id)
        .join(SampleRow, SampleRow.id == LabelTableRow.sample_id)
        .where(SampleRow.id.in_(ids), SampleRow.project_id == project_id, SampleRow.deleted_at.is_(None))
    )
    found = dict(session.execute(labels).tuples().all())
    for sample_id in ids:
        label = classes.of(found[sample_id]) if sample_id in found else None
        if label is not None:
            yield Neighbor(sample_id=sample_id, class_name=label.name)


def _picture(session: Session, project_id: int, details: Mapping[str, Any], which: Picture) -> Display | None:
    pictures = _mapping(details, "pictures")
    file_id, place = _whole(pictures.get("file")), pictures.get(which)
    if file_id is None or not isinstance(place, list) or len(place) != 2:
        return None
    mine = FileRow.id == file_id, FileRow.project_id == project_id, FileRow.kind == "display"
    file = session.scalars(select(FileRow).where(*mine, FileRow.deleted_at.is_(None))).one_or_none()
    if file is None:
        return None
    offset, length = int(place[0]), int(place[1])
    etag = f"{file.sha256[:16]}-{offset}-{length}"
    return Display(path=file.path, offset=offset, length=length, media_type="image/png", etag=etag)


def _mapping(details: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = details.get(name)
    return found if isinstance(found, dict) else {}


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _finite(value: object) -> float | None:
    """JSON has no infinity, and 'infinitely far' is no distance."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
