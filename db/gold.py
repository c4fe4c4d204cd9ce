"""Gold: images whose class is beyond doubt, asked unseen among the others to tell how well an annotator does.

About one in 20 images that a person is shown is gold (the project's `gold_share`), whoever else labels at the same
time: the query is made when it is handed out, in the round that is open, and looks like any other. When the next comes
differs from person to person and from round to round: nobody can count to it. Its answers are no votes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db import inputs
from db.access import authorize
from db.clock import now
from db.engine import Database
from db.errors import InvalidInput, NotFound
from db.records import Actor, Gold, Role
from db.tables import AnnotationRow, ClaimRow, ClassRow, GoldRow, ProjectRow, QueryRow, RoundRow, SampleRow
from db.votes import NO_VOTES


def mark(database: Database, actor: Actor, project_id: int, sample_id: int, class_id: int) -> Gold:
    """Take a sample as gold with its class, or give it another class.

    Raises:
        PermissionDenied: below reviewer in the project.
        NotFound: if the project has no such sample.
        InvalidInput: for a class of another project, or a sample that nobody may be asked about.
    """
    inputs.integer(sample_id, "sample_id", 0, 2**62)

    def work(session: Session) -> Gold:
        authorize(session, actor, project_id, Role.reviewer)
        _require(session, project_id, sample_id, class_id)
        row = _live(session, project_id, sample_id)
        if row is not None and row.class_id != class_id:
            row.retired_at, row = now(session), None
            session.flush()
        if row is None:
            row = GoldRow(project_id=project_id, sample_id=sample_id, class_id=class_id)
            row.created_by, row.created_at = actor.user_id, now(session)
            session.add(row)
            session.flush()
        return _gold(row)

    return database.write(work, idempotent=True)


def retire(database: Database, actor: Actor, project_id: int, sample_id: int) -> None:
    """Use a sample as gold no longer; the answers it got stay in the records.

    Raises:
        PermissionDenied: below reviewer in the project.
        NotFound: if it is not gold.
    """

    def work(session: Session) -> None:
        authorize(session, actor, project_id, Role.reviewer)
        row = _live(session, project_id, sample_id)
        if row is None:
            raise NotFound(f"expected a gold image, got the id {sample_id} of none; see the list of gold images")
        row.retired_at = now(session)

    database.write(work)


def listed(database: Database, actor: Actor, project_id: int) -> list[Gold]:
    """Return the project's gold in use, newest first.

    Raises:
        PermissionDenied: below reviewer in the project.
    """

    def work(session: Session) -> list[Gold]:
        authorize(session, actor, project_id, Role.reviewer)
        mine = GoldRow.project_id == project_id, GoldRow.retired_at.is_(None)
        return [_gold(row) for row in session.scalars(select(GoldRow).where(*mine).order_by(GoldRow.id.desc()))]

    return database.read(work)


def _require(session: Session, project_id: int, sample_id: int, class_id: int) -> None:
    sample = session.get(SampleRow, sample_id)
    if sample is None or sample.project_id != project_id or sample.deleted_at is not None:
        raise NotFound(f"expected a sample of this project, got the id {sample_id}; see its list of images")
    if sample.split not in ("pool", "holdout"):
        raise InvalidInput(f"expected a sample that people are asked about, got one of the split {sample.split!r}")
    mine = ClassRow.id == class_id, ClassRow.project_id == project_id, ClassRow.retired_at.is_(None)
    if session.scalars(select(ClassRow.id).where(*mine)).one_or_none() is None:
        raise InvalidInput(f"expected a class of this project, got the id {class_id}; reload the page")


def _live(session: Session, project_id: int, sample_id: int) -> GoldRow | None:
    named = GoldRow.project_id == project_id, GoldRow.sample_id == sample_id, GoldRow.retired_at.is_(None)
    return session.scalars(select(GoldRow).where(*named)).one_or_none()


def _gold(row: GoldRow) -> Gold:
    return Gold(id=row.id, sample_id=row.sample_id, class_id=row.class_id, created_at=row.created_at)


def due(session: Session, project: ProjectRow, user_id: int, fresh: Sequence[QueryRow]) -> list[QueryRow]:
    """Return gold queries, each with a free slot, to mix into what a person is handed out now.

    Args:
        session: of the claim's transaction.
        project: whose gold.
        user_id: who is handed out the queries.
        fresh: the queries that are handed out for the first time just now, without gold.
    """
    turn = _open_round(session, project.id)
    if not fresh or project.gold_share <= 0 or turn is None:
        return []
    asked, given = _handed_out(session, turn, user_id)
    wanted = math.floor(asked * project.gold_share + _hash(project.seed, turn.number, user_id)) - given
    return [
        _query(session, turn, fresh[index % len(fresh)], gold)
        for index, gold in enumerate(_unseen(session, project, user_id)[: max(0, wanted)])
    ]


def _open_round(session: Session, project_id: int) -> RoundRow | None:
    still = RoundRow.project_id == project_id, RoundRow.state == "open"
    return session.scalars(select(RoundRow).where(*still)).one_or_none()


def _handed_out(session: Session, turn: RoundRow, user_id: int) -> tuple[int, int]:
    """How many of the round's queries the person was handed out, and how many of gold."""
    is_gold = (QueryRow.kind == "gold").label("is_gold")  # by its name: PostgreSQL takes 'gold' given twice for two
    statement = (
        select(is_gold, func.count(func.distinct(ClaimRow.query_id)))
        .join(ClaimRow, ClaimRow.query_id == QueryRow.id)
        .where(QueryRow.round_id == turn.id, ClaimRow.user_id == user_id)
        .group_by(is_gold)
    )
    found = {bool(gold): count for gold, count in session.execute(statement).tuples()}
    return found.get(False, 0), found.get(True, 0)


def _unseen(session: Session, project: ProjectRow, user_id: int) -> list[GoldRow]:
    """Gold that the person neither answered nor holds, in an order of their own.

    Whoever answered the image in any way before, even as a vote, never gets it: a check would ask what they said
    already, and an image that comes twice stands out.
    """
    answered = AnnotationRow.sample_id == GoldRow.sample_id, AnnotationRow.user_id == user_id
    held = (
        select(ClaimRow.id)
        .join(QueryRow, QueryRow.id == ClaimRow.query_id)
        .where(QueryRow.sample_id == GoldRow.sample_id, ClaimRow.user_id == user_id, ClaimRow.state == "leased")
    )
    statement = (
        select(GoldRow)
        .join(SampleRow, SampleRow.id == GoldRow.sample_id)
        .where(GoldRow.project_id == project.id, GoldRow.retired_at.is_(None), SampleRow.deleted_at.is_(None))
        .where(~select(AnnotationRow.id).where(*answered).exists(), ~held.exists())
    )
    return sorted(session.scalars(statement), key=lambda row: _hash(project.seed, user_id, row.sample_id))


def _query(session: Session, turn: RoundRow, beside: QueryRow, gold: GoldRow) -> QueryRow:
    """Return the round's query for a gold sample with one slot more than before, at the place of another query."""
    named = QueryRow.round_id == turn.id, QueryRow.sample_id == gold.sample_id, QueryRow.kind == "gold"
    locked = select(QueryRow).where(*named).with_for_update(key_share=True).execution_options(populate_existing=True)
    row = session.scalars(locked).one_or_none()
    position = session.get_one(ClassRow, gold.class_id).position
    if row is None:
        row = QueryRow(project_id=gold.project_id, round_id=turn.id, sample_id=gold.sample_id, kind="gold", slots=1)
        row.rank, row.reserve, row.token, row.decided = beside.rank, beside.reserve, 0, False
        _look_alike(session, row)
        row.created_at = now(session)
        session.add(row)
    else:
        row.slots += 1
    row.state, row.closed_at, row.expected = "open", None, position
    session.flush()
    return row


def _look_alike(session: Session, row: QueryRow) -> None:
    """Take over what a round found out about the image: where guesses are shown, gold shows one, too."""
    ranked = QueryRow.sample_id == row.sample_id, QueryRow.kind.not_in(NO_VOTES), QueryRow.predicted.is_not(None)
    newest = session.scalars(select(QueryRow).where(*ranked).order_by(QueryRow.id.desc()).limit(1)).one_or_none()
    if newest is not None:
        row.predicted, row.nearest, row.score, row.details = (
            newest.predicted,
            newest.nearest,
            newest.score,
            newest.details,
        )


def follow(session: Session, project_id: int, sample_id: int, class_id: int | None) -> None:
    """Retire a sample's gold when a reviewer says something else of it than its class."""
    row = _live(session, project_id, sample_id)
    if row is not None and row.class_id != class_id:
        row.retired_at = now(session)


def _hash(*parts: int) -> float:
    """Return a number in [0, 1) that the parts alone decide."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
