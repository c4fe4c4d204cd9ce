"""Projects whose images are real files, with labels of every origin, for tests of import and export."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sqlalchemy import select

from db import access, imports, projects, samples
from db.engine import Database
from db.records import GivenLabel, GivenLabels, NewSample
from db.tables import LabelTableRow, SampleRow
from tests.db.scenes import CLASSES, Scene, new_shard, scalar

NASTY = (
    "=1+1.png",
    "a;=cmd|'/c calc'!A1.png",
    "<img src=x onerror=alert(1)>.png",
    "[x](javascript:alert(1)).png",
    "../../etc/passwd",
    "\u202egnp.exe.png",
    "'=quoted.png",
    "line\nbreak\t=1.png",
    '-x, "y".png',
    "\uff1dwide \U0001f600.png",
    "CON",
    "@x\r\n+y;-z.png",
)
TABLES = ("samples", "labels", "annotation_events", "queries", "annotations", "classes")


def image_files(folder: Path, count: int) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(f"image {number}".encode())
    return paths


def picture_scene(
    database: Database, folder: Path, name: str, *, classes: tuple[str, ...] = CLASSES, count: int = len(NASTY)
) -> Scene:
    """A project with images of nasty names; the same images, by content, whatever its name."""
    paths = image_files(folder / "images", count)
    system, ada = access.system_actor(database), access.local_user(database, "ada")
    spec = projects.ProjectSpec(name=name, classes=classes, holdout_size=0, batch_size=3)
    project = projects.create_project(database, ada, spec)
    place = hashlib.sha256(name.encode()).hexdigest()[:8]
    (database.home / f"{place}.pack").write_bytes(b"".join(f"shown {number:04d}".encode() for number in range(count)))
    rows = [
        NewSample(
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            name=NASTY[number % len(NASTY)] if number < len(NASTY) else path.name,
            row=number,
            width=8,
            height=6,
            display_offset=10 * number,
            display_length=10,
            media_type="image/png",
            source_path=str(path),
        )
        for number, path in enumerate(paths)
    ]
    samples.register_shard(database, ada, project.id, new_shard(place), rows, "use")
    return Scene(database, system, ada, project)


def give(scene: Scene, chosen: dict[int, str], **more: object) -> imports.ImportReport:
    """Import classes by sample id."""
    rows = [
        GivenLabel(place=f"row {sample_id}", class_name=name, sample_id=sample_id) for sample_id, name in chosen.items()
    ]
    given = GivenLabels(format="test", labels=rows)
    return imports.import_labels(scene.database, scene.ada, scene.id, given, **more)


def label_all_ways(scene: Scene) -> None:
    """Labels by people, by import and by a reviewer, a withdrawn vote, a skip and an image without a label."""
    scene.ask(3)
    first, second, third = scene.claim(scene.ada, 3)
    answered = scene.submit(scene.ada, first, "cat", note="=HYPERLINK(1)", latency_ms=1500)
    scene.submit(scene.ada, first, "dog", supersedes=answered.answer_id, note="<b>no</b>")
    scene.submit(scene.ada, second, "owl")
    scene.submit(scene.ada, third, "skip")
    pool = scene.pool()
    give(scene, {sample_id: CLASSES[place % 3] for place, sample_id in enumerate(pool[:-1])})
    give(scene, {second.sample_id: "cat"}, replace=True)


def by_hash(scene: Scene) -> dict[str, str]:
    """Content hash -> class name of every label."""
    names = {entry.id: entry.name for entry in scene.project.classes}
    statement = (
        select(SampleRow.sha256, LabelTableRow.class_id)
        .join(LabelTableRow, LabelTableRow.sample_id == SampleRow.id)
        .where(SampleRow.project_id == scene.id)
    )
    rows = scene.database.read(lambda session: session.execute(statement).tuples().all())
    return {sha: names[class_id] for sha, class_id in rows}


def row_counts(database: Database) -> dict[str, int]:
    return {table: scalar(database, f"SELECT count(*) FROM {table}") for table in TABLES}
