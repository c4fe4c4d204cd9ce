"""How annotators do, for the Quality page: votes as arrays, the rest counted in SQL, so that it stays quick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from db import counting
from db.access import authorize
from db.engine import Database
from db.labels import live_class
from db.records import Actor, AnnotatorRecord, Role, TeamRecord, Votes
from db.sql import integer_table
from db.tables import ClassRow, GoldRow, LabelTableRow, UserRow

FAST_MS = 300.0
FAST_SHARE_OF_MEDIAN = 0.25
_Live = Callable[[int], int | None]


def votes(database: Database, actor: Actor, project_id: int) -> Votes:
    """Return every class that stands as arrays; votes for a class that is gone are left out.

    Raises:
        PermissionDenied: below reviewer in the project.
    """

    def work(session: Session) -> Votes:
        authorize(session, actor, project_id, Role.reviewer)
        table = integer_table(session, counting.votes(project_id), 7)
        classes = _mapped(table[:, 2], live_class(session, project_id))
        table, classes = table[classes >= 0], classes[classes >= 0]
        return Votes(
            samples=table[:, 0].copy(),
            users=table[:, 1].copy(),
            classes=classes,
            kinds=np.asarray(counting.KINDS)[table[:, 3]],
            modes=np.asarray(counting.MODES)[table[:, 4]],
            rounds=table[:, 5].copy(),
            audit=table[:, 6].astype(np.bool_),
            names=_names(session, set(table[:, 1].tolist())),
        )

    return database.read(work)


def truths(database: Database, actor: Actor, project_id: int) -> Mapping[int, int]:
    """Return sample id -> class id of what is beyond doubt: gold, and what reviewers decided.

    Raises:
        PermissionDenied: below reviewer in the project.
    """

    def work(session: Session) -> Mapping[int, int]:
        authorize(session, actor, project_id, Role.reviewer)
        mine = GoldRow.project_id == project_id, GoldRow.retired_at.is_(None)
        reviewed = LabelTableRow.project_id == project_id, LabelTableRow.origin == "reviewer"
        gold = session.execute(select(GoldRow.sample_id, GoldRow.class_id).where(*mine)).all()
        labels = session.execute(select(LabelTableRow.sample_id, LabelTableRow.class_id).where(*reviewed)).all()
        live = live_class(session, project_id)
        known = ((sample_id, live(class_id)) for sample_id, class_id in (*gold, *labels))
        return {sample_id: class_id for sample_id, class_id in known if class_id is not None}

    return database.read(work)


def team(database: Database, actor: Actor, project_id: int) -> TeamRecord:
    """Return how each annotator does: speed, gold, and how often predictions were overruled.

    Raises:
        PermissionDenied: below reviewer in the project.
    """

    def work(session: Session) -> TeamRecord:
        authorize(session, actor, project_id, Role.reviewer)
        matches = _Matches(session, project_id)
        median = session.scalars(counting.team_median(project_id)).one_or_none()
        limit = max(FAST_MS, FAST_SHARE_OF_MEDIAN * float(median or 0.0))
        worked = {user: (int(count), int(ms)) for user, count, ms in session.execute(counting.worked(project_id))}
        medians = {user: float(middle) for user, middle in session.execute(counting.medians(project_id))}
        timed = {
            user: (int(count), int(fast)) for user, count, fast in session.execute(counting.timed(project_id, limit))
        }
        gold = matches.count(counting.gold(project_id))
        predicted = matches.count(counting.predicted(project_id))
        names = _names(session, set(worked))
        spot_total, spot_differed = matches.differing(counting.spot_checks(project_id))
        people = [
            AnnotatorRecord(
                user_id=user,
                name=name,
                answers=worked[user][0],
                active_ms=worked[user][1],
                median_ms=medians.get(user),
                timed=timed.get(user, (0, 0))[0],
                fast=timed.get(user, (0, 0))[1],
                gold_total=gold.total[user, 0],
                gold_right=gold.right[user, 0],
                shown_total=predicted.total[user, 1],
                shown_overruled=predicted.total[user, 1] - predicted.right[user, 1],
                hidden_total=predicted.total[user, 0],
                hidden_differed=predicted.total[user, 0] - predicted.right[user, 0],
            )
            for user, name in sorted(names.items(), key=lambda item: item[1].casefold())
        ]
        return TeamRecord(
            people=people,
            median_ms=None if median is None else float(median),
            fast_below_ms=limit,
            spot_total=spot_total,
            spot_differed=spot_differed,
        )

    return database.read(work)


class _Tally:
    """Matches and all comparisons, by (user id, flag)."""

    def __init__(self) -> None:
        self.total: Counter[tuple[int, int]] = Counter()
        self.right: Counter[tuple[int, int]] = Counter()


class _Matches:
    """Compares classes as they count today, whatever was merged meanwhile."""

    def __init__(self, session: Session, project_id: int) -> None:
        self.session = session
        self.live = live_class(session, project_id)
        classes = select(ClassRow.position, ClassRow.id).where(ClassRow.project_id == project_id)
        self.at: dict[int, int] = dict(session.execute(classes).tuples().all())

    def count(self, statement: Select[Any]) -> _Tally:
        """Count rows of (user id, flag, class position, class id, how many)."""
        tally = _Tally()
        for user, flag, position, class_id, many in self.session.execute(statement):
            expected = self.at.get(position)
            tally.total[user, flag] += many
            if expected is not None and self.live(expected) == self.live(class_id):
                tally.right[user, flag] += many
        return tally

    def differing(self, statement: Select[Any]) -> tuple[int, int]:
        """Count rows of (class id, class id, how many): all, and those that differ."""
        rows = self.session.execute(statement).all()
        return sum(row[2] for row in rows), sum(many for one, two, many in rows if self.live(one) != self.live(two))


def _mapped(class_ids: NDArray[np.int64], live: _Live) -> NDArray[np.int64]:
    """Return what each class counts for today, -1 for none."""
    found, places = np.unique(class_ids, return_inverse=True)
    today = (live(int(class_id)) for class_id in found)
    return np.asarray([-1 if item is None else item for item in today], dtype=np.int64)[places]


def _names(session: Session, users: set[int]) -> dict[int, str]:
    everybody = session.execute(select(UserRow.id, UserRow.name)).tuples()
    return {user: name for user, name in everybody if user in users}
