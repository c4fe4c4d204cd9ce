"""Tiles of the grid: queries to confirm, answers and marks of them, and what came of them."""

from __future__ import annotations

import uuid

from sqlalchemy import select

from db import annotations, claims, grid, labels, rounds
from db.records import Actor, Answer, ClaimedQuery, Group, NewQuery, NewQueue, Receipt, Round
from db.tables import QueryRow
from tests.db.scenes import Scene


def ask_grid(scene: Scene, *sizes: int, learn: int = 0, slots: int | None = None) -> Round:
    """Begin a round of `learn` queries and one group for each size, of the classes cat, dog, owl in turn."""
    turn = rounds.begin_round(scene.database, scene.system, scene.id)
    assert isinstance(turn, Round)
    pool = iter(scene.pool())
    queries = [NewQuery(sample_id=next(pool), rank=rank) for rank in range(learn)]
    for position, size in enumerate(sizes):
        start = len(queries)
        queries += [
            NewQuery(
                sample_id=next(pool), rank=start + number, kind="confirm", group=f"group {position}",
                predicted=position, score=0.99, slots=slots,
            )
            for number in range(size)
        ]  # fmt: skip
    return rounds.enqueue(scene.database, scene.system, turn.id, NewQueue(queries=queries, strategy="test"))


def group(scene: Scene, actor: Actor | None = None, most: int = 48, **more: object) -> Group:
    found = grid.claim_group(scene.database, actor or scene.ada, scene.id, most, **more)
    assert found is not None
    return found


def tile(scene: Scene, query: ClaimedQuery, name: str, **more: object) -> Answer:
    """A class confirms the tile, 'skip' says that it is wrong."""
    return scene.answer(query, name, mode="grid", prediction_shown=True, **more)


def send(scene: Scene, answer: Answer, actor: Actor | None = None) -> Receipt:
    return annotations.submit(scene.database, actor or scene.ada, scene.id, answer)


def take_back(scene: Scene, answer: Answer, actor: Actor | None = None) -> Receipt:
    return annotations.undo(scene.database, actor or scene.ada, scene.id, str(uuid.uuid4()), answer.answer_id)


def all_pass(scene: Scene, *actors: Actor) -> Receipt:
    """Everybody passes the round's one learn query: it ends without its k, when nothing is left to be answered."""
    for actor in actors:
        query, *others = scene.claim(actor, 5)
        claims.release(scene.database, actor, scene.id, [other.query_id for other in others])
        receipt = scene.submit(actor, query, "skip")
    return receipt


def kinds(scene: Scene, sample_id: int) -> list[tuple[str, str]]:
    statement = select(QueryRow.kind, QueryRow.state).where(QueryRow.sample_id == sample_id).order_by(QueryRow.id)
    return list(scene.database.read(lambda session: session.execute(statement).tuples().all()))


def checks(scene: Scene) -> dict[int, QueryRow]:
    statement = select(QueryRow).where(QueryRow.kind == "spot_check")
    return {row.sample_id: row for row in scene.database.read(lambda session: session.scalars(statement).all())}


def everything_fits(scene: Scene) -> None:
    assert labels.rebuild(scene.database) == scene.labels()
