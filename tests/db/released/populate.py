"""Makes the store of a released schema, with that release's own code: once a release, never for a test run.

In a checkout of the last commit that had the revision as its head, with this file copied beside it:

    PYTHONPATH=. python populate.py 0006 > 0006.sql

What it calls is what the release had; a part is left out where the revision had none of it.
"""

from __future__ import annotations

import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from sqlalchemy import Boolean, Column, MetaData, Table

from db import annotations, claims, commands, copies, jobs, model_versions, projects, rounds, samples
from db.engine import Database
from db.records import NewModelVersion, Role
from tests.db.scenes import Scene, make_scene, new_file, new_samples, new_shard

HEADER = """-- A store of schema {revision} as the code of that release left it (tests/db/released/populate.py).
-- Only rows: the tables come from the migrations up to {revision}.
"""


def populate(database: Database, revision: int) -> None:
    """Let people and flows do a little of everything that the release could do."""
    scene = make_scene(database, images=18, overlap=1)
    _labels_that_came_along(scene)
    _first_round(scene, revision)
    if revision >= 3:
        _team(scene)
    if revision >= 5:
        _synthetic(scene)
    if revision >= 6:
        _copy_check(scene)
    if revision >= 4:
        _comparison(database)
    _second_round(scene)
    _other_projects(database)


def _labels_that_came_along(scene: Scene) -> None:
    for name, split in (("known", "pool"), ("held", "validation"), ("measured", "test")):
        rows = new_samples(name, 3, split=split, known="owl")
        samples.register_shard(scene.database, scene.ada, scene.id, new_shard(name), rows, "use")


def _model(scene: Scene, name: str, turn_id: int | None, **more: Any) -> int:
    new = NewModelVersion(
        file=new_file(f"{name}.safetensors"), architecture="lenet5", recipe="quick", strategy="margin", seed=1,
        labels_used=3, round_id=turn_id, metrics={"validation_accuracy": 0.5, "classes": [0, 1, 2]}, **more,
    )  # fmt: skip
    return model_versions.record(scene.database, scene.system, scene.id, new).id


def _choose(scene: Scene, version: int, revision: int) -> None:
    if revision < 7:
        model_versions.set_current(scene.database, scene.ada, scene.id, version)
        return
    from db import model_choices

    (scene.database.home / "first.safetensors").write_text("first.safetensors")  # a model in use is read first
    model_choices.promote(scene.database, scene.system, scene.id, version, "the first", instead_of=None)


def _first_round(scene: Scene, revision: int) -> None:
    """A round with two votes an image: agreement, disagreement, an edit, an undo, a skip, a flag, a late answer."""
    database, bob = scene.database, scene.person("bob")
    turn = rounds.begin_round(database, scene.system, scene.id)
    rows = [(item, place, 0.5 if place else None) for place, item in enumerate(scene.pool()[:3])]
    copies.record_copies(database, scene.system, turn.id, new_file("copies.npy"), rows)
    if revision >= 2:
        from db import pseudo_labels

        pseudo_labels.record(database, scene.system, turn.id, new_file("pseudo.npy"), 4)
    _choose(scene, _model(scene, "first", turn.id, copies_used=2), revision)
    scene.ask(5, reserve=3, slots=2)
    held = scene.claim(scene.ada, 6)
    receipts = [
        scene.submit(scene.ada, query, name)
        for query, name in zip(held, ("cat", "dog", "owl", "skip", "flag"), strict=False)
    ]
    scene.submit(scene.ada, held[2], "dog", supersedes=receipts[2].answer_id)
    annotations.undo(database, scene.ada, scene.id, str(uuid.UUID(int=1)), receipts[1].answer_id)
    for query, name in zip(scene.claim(bob, 6), ("cat", "cat", "dog", "cat"), strict=False):
        scene.submit(bob, query, name, note='it\'s "dark", näher\nnot seen')
    job = jobs.begin(database, scene.system, scene.id, "round", "host:1:1.0")
    assert job is not None
    jobs.finish(database, job, "failed", "it broke")
    wish = commands.post(database, scene.ada, scene.id, "retrain", {"why": "zoë's wish"}, "wish-1")
    commands.finish(database, wish.id, "done", "carried out")


def _team(scene: Scene) -> None:
    """People with accounts, tokens, sessions; a webhook; gold; a reviewer's word; somebody excluded; a class merged."""
    from db import access, api_tokens, classes, deliveries, gold, invitations, members, review, sessions, webhooks

    database, ada = scene.database, scene.ada
    eve = access.add_user(database, ada, "eve")
    members.add(database, ada, scene.id, "eve", Role.reviewer)
    members.add(database, ada, scene.id, "bob", Role.annotator)
    made = api_tokens.create(database, ada, eve.id, "nightly", project_id=scene.id, days=30)
    api_tokens.revoke(database, ada, made.token.id)
    webhooks.add(database, ada, scene.id, "https://example.org/hook", webhooks.TOPICS)
    sessions.end(database, sessions.start(database, eve.id).key)
    invitations.invite(database, ada, Role.annotator, project_id=scene.id)
    gold.mark(database, ada, scene.id, scene.pool()[-1], scene.cls("owl"))
    labeled = sorted(scene.labels())
    review.decide(database, ada, scene.id, str(uuid.UUID(int=2)), labeled[0], scene.cls("owl"))
    mallory = scene.person("mallory")
    for query in scene.claim(mallory, 2):
        scene.submit(mallory, query, "dog")
    members.add(database, ada, scene.id, "mallory", Role.annotator)
    members.set_state(database, ada, scene.id, mallory.user_id, "excluded")
    extra = classes.add(database, ada, scene.id, "kitten")
    classes.merge(database, ada, scene.id, extra.id, scene.cls("cat"))
    deliveries.spread(database)


def _comparison(database: Database) -> None:
    from db import comparison_log
    from tests.db.comparing import compared, first_run, point

    scene = make_scene(database, images=6, name="trial")
    made = compared(scene)
    comparison_log.record_point(database, scene.system, first_run(scene), point(20))
    comparison_log.record_file(database, scene.system, made.id, "map", "all", new_file("map.json"))


def _synthetic(scene: Scene) -> None:
    from tests.db.making import judged, made

    judged(scene, made(scene))


def _copy_check(scene: Scene) -> None:
    """A check of an adversarial copy, answered; it is no vote."""
    from sqlalchemy import text

    statement = text(
        "INSERT INTO queries (project_id, round_id, sample_id, kind, rank, reserve, state, slots, token, decided,"
        " copy_row, created_at) SELECT project_id, round_id, sample_id, 'copy_check', 0, reserve, 'open', 1, 0,"
        " decided, 0, 1 FROM queries WHERE id = 1"
    )
    scene.database.write(lambda session: session.execute(statement))
    zoe = scene.person("zoë")
    check, *others = sorted(scene.claim(zoe, 20), key=lambda query: -query.query_id)
    claims.release(scene.database, zoe, scene.id, [query.query_id for query in others])
    scene.submit(zoe, check, "dog")


def _second_round(scene: Scene) -> None:
    """The round that is open: an answer is in, some images are held, most wait."""
    for name in ("ada", "bob", "carl", "dora"):
        for query in scene.claim(scene.person(name), 20):
            scene.submit(scene.person(name), query, "dog")
    scene.ask(4, reserve=2)
    held = scene.claim(scene.ada, 2)
    scene.submit(scene.ada, held[0], "owl")
    samples.delete_sample(scene.database, scene.ada, scene.id, scene.pool()[-1])
    jobs.begin(scene.database, scene.system, scene.id, "retrain", "host:2:2.0")
    commands.post(scene.database, scene.ada, scene.id, "round", {}, "wish-2")


def _other_projects(database: Database) -> None:
    """One with a holdout that a model was measured on, one that was deleted."""
    scene = make_scene(database, images=6, name="birds", holdout_size=3)
    samples.draw_holdout(database, scene.system, scene.id)
    with database.engine.connect() as connection:
        found = connection.exec_driver_sql(
            f"SELECT id FROM samples WHERE project_id = {scene.id} AND split = 'holdout'"
        )
        ids = list(found.scalars())
    _model(scene, "birds", None, predictions=[(item, 0, 0.75) for item in ids])
    gone = make_scene(database, name="gone", images=2)
    projects.delete_project(database, gone.ada, gone.id)


def dump(database: Database) -> str:
    """Return every row as INSERT statements that both engines read, parents before children."""
    tables = MetaData()
    tables.reflect(database.engine)
    parts = []
    with database.engine.connect() as connection:
        for table in tables.sorted_tables:
            if table.name != "alembic_version":
                order = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
                rows = connection.exec_driver_sql(f"SELECT * FROM {table.name} ORDER BY {order}").all()
                parts += [_insert(table, row) for row in rows]
    return "\n".join(parts) + "\n"


def _insert(table: Table, row: Any) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    values = ", ".join(_literal(column, value) for column, value in zip(table.columns, row, strict=True))
    return f"INSERT INTO {table.name} ({names}) VALUES ({values});"


def _literal(column: Column[Any], value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(column.type, Boolean):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


def main(revision: str) -> None:
    """Write the store of a revision to standard output."""
    with tempfile.TemporaryDirectory() as folder, Database.open(None, home=Path(folder)) as database:
        populate(database, int(revision))
        sys.stdout.write(HEADER.format(revision=revision) + dump(database))


if __name__ == "__main__":
    main(sys.argv[1])
