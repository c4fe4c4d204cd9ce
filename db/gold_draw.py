"""Gold in one go: checks drawn at random from the images whose class came with them, spread over the classes.

A class that came with the images (a folder's name, an import) is known before anybody answers, so that nobody has seen
these images and each of them can be asked of everybody. Classes that were hidden for simulations stay hidden.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from db import inputs
from db.access import authorize
from db.clock import now
from db.engine import Database
from db.errors import InvalidInput
from db.records import Actor, Gold, Role
from db.sql import integer_table
from db.tables import ClassRow, GoldRow, LabelTableRow, ProjectRow, SampleRow

MOST_AT_ONCE = 1000


def draw(database: Database, actor: Actor, project_id: int, count: int) -> list[Gold]:
    """Take `count` images with an imported label as gold, with their class, fewer if there are not as many.

    Each comes from the class that has the least gold by then, at random within it; the project's seed and the gold
    made before decide.

    Raises:
        PermissionDenied: below reviewer in the project.
        InvalidInput: for a count outside of 1 to 1000, or where no image has an imported label to take.
    """
    inputs.integer(count, "count", 1, MOST_AT_ONCE)

    def work(session: Session) -> list[Gold]:
        authorize(session, actor, project_id, Role.reviewer)
        chosen = _choose(session, session.get_one(ProjectRow, project_id), count)
        if not chosen:
            raise InvalidInput(
                "expected images with an imported label to take as gold, got none; import labels, or mark images one "
                "by one with their class"
            )
        about = {"project_id": project_id, "created_by": actor.user_id, "created_at": now(session)}
        rows = [GoldRow(sample_id=sample_id, class_id=class_id, **about) for sample_id, class_id in chosen]
        session.add_all(rows)
        session.flush()
        return [
            Gold(id=row.id, sample_id=row.sample_id, class_id=row.class_id, created_at=row.created_at) for row in rows
        ]

    return database.write(work)


def available(database: Database, actor: Actor, project_id: int) -> int:
    """Return how many images could be drawn.

    Raises:
        PermissionDenied: below reviewer in the project.
    """

    def work(session: Session) -> int:
        authorize(session, actor, project_id, Role.reviewer)
        return session.scalars(select(func.count()).select_from(_known(project_id).subquery())).one()

    return database.read(work)


def _known(project_id: int) -> Select[tuple[int, int]]:
    """(sample id, class id) of images whose label came with them and that are no gold yet."""
    is_gold = select(GoldRow.id).where(GoldRow.sample_id == SampleRow.id, GoldRow.retired_at.is_(None))
    return (
        select(SampleRow.id, LabelTableRow.class_id)
        .join(LabelTableRow, LabelTableRow.sample_id == SampleRow.id)
        .join(ClassRow, ClassRow.id == LabelTableRow.class_id)
        .where(SampleRow.project_id == project_id, SampleRow.deleted_at.is_(None), ClassRow.retired_at.is_(None))
        .where(LabelTableRow.origin == "imported", ~is_gold.exists())
    )


def _choose(session: Session, project: ProjectRow, count: int) -> list[tuple[int, int]]:
    """Return (sample id, class id) of what is drawn: one after the other from the class with the least gold."""
    table = integer_table(session, _known(project.id).order_by(SampleRow.id), 2)
    has = _gold_by_class(session, project.id)
    made_before = session.scalars(select(func.count(GoldRow.id)).where(GoldRow.project_id == project.id)).one()
    shuffled = np.random.default_rng([project.seed, made_before]).permutation(table)  # rows as a whole
    waiting: dict[int, list[int]] = {}
    for sample_id, class_id in shuffled.tolist():
        waiting.setdefault(class_id, []).append(sample_id)
    chosen: list[tuple[int, int]] = []
    while waiting and len(chosen) < count:
        class_id = min(waiting, key=lambda item: (has[item], item))
        chosen.append((waiting[class_id].pop(), class_id))
        has[class_id] += 1
        if not waiting[class_id]:
            del waiting[class_id]
    return chosen


def _gold_by_class(session: Session, project_id: int) -> Counter[int]:
    live = GoldRow.project_id == project_id, GoldRow.retired_at.is_(None)
    counted = select(GoldRow.class_id, func.count()).where(*live).group_by(GoldRow.class_id)
    return Counter(dict(session.execute(counted).tuples().all()))
