"""A project whose annotators differ here and there, for tests and pictures of the Review and Quality pages."""

from __future__ import annotations

import uuid

import numpy as np
from sqlalchemy import text

from db import access, annotations, claims
from db.engine import Database
from db.records import Actor, Answer
from tests.labeler_ui.seed import Seeded, seed


def contested(
    database: Database, *, people: tuple[str, ...] = ("Ana", "Bo"), images: int = 20, **more: object
) -> Seeded:
    """Ask `images` images of everybody and let them answer, mostly alike."""
    seeded = seed(database, k=images, reserve=0, images=images + 10, **more)
    widen = "UPDATE queries SET slots = :slots, predicted = 1 WHERE project_id = :project"
    with database.engine.begin() as connection:
        connection.execute(text(widen), {"slots": len(people), "project": seeded.project.id})
    for place, name in enumerate(people):
        answer(seeded, access.local_user(database, name), place)
    return seeded


def answer(seeded: Seeded, actor: Actor, place: int, differs: float = 0.25) -> None:
    """Answer everything that is open for somebody."""
    generator = np.random.default_rng(place)
    queue = claims.claim(seeded.database, actor, seeded.project.id, 100)
    classes = seeded.project.classes
    for number, query in enumerate(sorted(queue, key=lambda query: query.rank)):
        choice = query.sample_id % len(classes)
        if place and generator.random() < differs:
            choice = (choice + 1) % len(classes)
        flagged = place == 0 and number == 3
        sent = Answer(
            answer_id=str(uuid.uuid4()),
            query_id=query.query_id,
            token=query.token,
            outcome="flag" if flagged else "class",
            class_id=None if flagged else classes[choice].id,
            note="<b>cut off</b> [x](javascript:alert)" if flagged else "",
            latency_ms=int(700 + 900 * generator.random()) if place != 1 else 200 + 100 * (number % 9),
            answered_at=1_790_000_000_000 + 4_000 * number,
        )
        annotations.submit(seeded.database, actor, seeded.project.id, sent)
