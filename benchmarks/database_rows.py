"""What a sample costs the label store: bytes, and seconds to write it and to read it before a ranking.

Counted for `docs/scale.md`: samples are registered by the call that ingest makes, 8,192 a shard, on SQLite and on
PostgreSQL, with no image behind them. Bytes are what the tables and their indexes take on disk, as the engine itself
says (`dbstat`, `pg_total_relation_size`), over the rows. Reading is `pool_index`, which every ranking
calls first; beside its wall time stands the processor time of this process, which other work hardly changes.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

from sqlalchemy import func, select, table, text

from benchmarks.common import arguments, report, timed
from benchmarks.labeling_store import place
from db import access, projects, samples
from db.engine import Database
from db.records import NewFile, NewSample, NewShard, ProjectSpec

_A_SHARD = 8_192  # as ingest writes them
_READS = 3
_TIMES = ("write_us_a_sample", "read_us_a_sample", "read_cpu_us_a_sample")
_TABLES = ("samples", "files", "shards")


def main() -> None:
    """Measure both engines; BORDERLINE_DATABASE_URL names a PostgreSQL, else one is started."""
    given = arguments(__doc__, samples=100_000, engines="sqlite,postgresql")
    count = 10_000 if given.quick else given.samples
    rows = [row for engine in given.engines.split(",") for row in measure(engine, count)]
    report(f"The label store with {count:,} samples", rows, given)


def measure(engine: str, count: int) -> list[dict[str, Any]]:
    """Return a row a table, and one of what a sample takes in all."""
    with place(engine) as (url, home):
        database = Database.open(url, home=home)
        try:
            project_id = _project(database)
            writing, _ = timed(lambda: register(database, project_id, count))
            before = time.process_time()
            reading, index = timed(lambda: samples.pool_index(database, project_id, labeled=False), _READS)
            busy = (time.process_time() - before) / _READS
            sizes = table_bytes(database, engine)
            rows = {name: _count(database, name) for name in _TABLES}
        finally:
            database.close()
    seconds = (writing / count, reading / len(index.ids), busy / len(index.ids))
    times = {name: 1e6 * value for name, value in zip(_TIMES, seconds, strict=True)}
    found = [
        {"engine": engine, "table": name, "rows": rows[name], "bytes": sizes[name],
         "bytes_a_row": sizes[name] / rows[name], **dict.fromkeys(_TIMES)}
        for name in _TABLES
    ]  # fmt: skip
    whole = sum(sizes.values())
    return [*found, {"engine": engine, "table": "all, a sample", "rows": count, "bytes": whole,
                     "bytes_a_row": whole / count, **times}]  # fmt: skip


def register(database: Database, project_id: int, count: int) -> None:
    """Register samples as ingest does, a shard a transaction."""
    actor = access.system_actor(database)
    for number, start in enumerate(range(0, count, _A_SHARD)):
        shard = NewShard(pixels=_file(f"{number:06}.npy"), display=_file(f"{number:06}.pack"))
        found = [_sample(row, start + row) for row in range(min(_A_SHARD, count - start))]
        samples.register_shard(database, actor, project_id, shard, found, "ignore")


def table_bytes(database: Database, engine: str) -> dict[str, int]:
    """Return the bytes of each table with its indexes."""
    if engine == "sqlite":
        statement = (
            "SELECT coalesce(sum(d.pgsize), 0) FROM dbstat d JOIN sqlite_master m ON m.name = d.name "
            "WHERE m.tbl_name = :name"
        )
    else:
        statement = "SELECT pg_total_relation_size(cast(:name AS regclass))"
    with database.engine.connect() as connection:
        return {name: int(connection.execute(text(statement), {"name": name}).scalar_one()) for name in _TABLES}


def _count(database: Database, name: str) -> int:
    with database.engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table(name))).scalar_one())


def _project(database: Database) -> int:
    spec = ProjectSpec(name="rows", classes=("cat", "dog"), holdout_size=0)
    return projects.create_project(database, access.system_actor(database), spec).id


def _file(name: str) -> NewFile:
    path = f"projects/1/shards/{name}"
    return NewFile(path=path, sha256=hashlib.sha256(path.encode()).hexdigest(), size=8_192 * 784)


def _sample(row: int, number: int) -> NewSample:
    sha256 = hashlib.sha256(str(number).encode()).hexdigest()
    return NewSample(
        sha256=sha256, name=f"images/photo-{number:09}.png", row=row, media_type="image/png",
        display_offset=300 * row, display_length=300, width=28, height=28,
    )  # fmt: skip


if __name__ == "__main__":
    main()
