"""Exports: labels or votes of a project into a file, a folder or a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from db import export, projects
from db.engine import Database
from db.errors import InvalidInput
from db.exchange.coco import write_coco
from db.exchange.folders import IMAGES, Images, new_folder, write_hugging_face, write_image_folder
from db.exchange.formats import FORMATS, What, writable
from db.exchange.label_studio import config_xml, task_parts
from db.exchange.tables import columns_of, csv_parts, json_lines, write_parquet
from db.records import Actor, ExportReport
from db.synthetic_export import synthetic_labels, synthetic_pictures

T = TypeVar("T")


def stream(
    database: Database,
    actor: Actor,
    project_id: int,
    what: What = "labels",
    format: str = "csv",
    *,
    image_prefix: str = "",
    synthetic: bool = False,
) -> Iterator[bytes]:
    """Return an export in parts, made while it is sent; `FORMATS` tells which formats can be streamed.

    Args:
        database: the store.
        actor: the acting user.
        project_id: whose labels or votes.
        what: 'labels' (one row a sample) or 'votes' (one row an annotation).
        format: a name out of `FORMATS`.
        image_prefix: for 'label-studio': what it needs before an image's name to find it.
        synthetic: with accepted images that generators made, each row marked.

    Raises:
        PermissionDenied: below reviewer in the project, at the call.
        InvalidInput: for a format that needs a file, or that cannot mark synthetic images.
    """
    rows = _rows(database, actor, project_id, what, format, synthetic=synthetic)
    return _parts(what, format, rows, image_prefix, synthetic=synthetic)


def export_file(
    database: Database,
    actor: Actor,
    project_id: int,
    what: What = "labels",
    format: str = "csv",
    *,
    out: Path,
    images: Images = "copy",
    image_prefix: str = "",
    synthetic: bool = False,
) -> ExportReport:
    """Write an export; the file or folder appears under its name only when it is complete.

    Args:
        database: the store.
        actor: the acting user.
        project_id: whose labels or votes.
        what: 'labels' (one row a sample) or 'votes' (one row an annotation).
        format: a name out of `FORMATS`.
        out: a file, which is replaced, or for formats that are folders a new or empty folder.
        images: for 'imagefolder': 'copy' the files, 'link' to them, or only list them in a 'manifest'.
        image_prefix: for 'label-studio': what it needs before an image's name to find it.
        synthetic: with accepted images that generators made, each row marked. They are in no export without it.

    Raises:
        PermissionDenied: below reviewer in the project.
        InvalidInput: for an unknown format, one that cannot mark synthetic images, or a place that cannot be written
            to.
    """
    out = out.absolute()
    if images not in IMAGES:
        raise InvalidInput(f"expected images to be {', '.join(IMAGES)}, got {images!r:.40}; choose one")
    rows = _Counted(_rows(database, actor, project_id, what, format, synthetic=synthetic))
    classes = export.class_names(database, actor, project_id)
    if not FORMATS[format].suffix:
        title = projects.get_project(database, actor, project_id).name
        with new_folder(out) as root:
            if format == "huggingface":
                done = write_hugging_face(
                    database.home, rows, classes, root, title, columns_of("labels", synthetic=synthetic)
                )
            else:
                done = write_image_folder(database.home, rows, classes, root, images)
        found = dict(done.images), tuple(done.missing)
        return ExportReport(what=what, format=format, path=out, rows=rows.count, images=found[0], missing=found[1])
    with _new_file(out) as partial:
        if format == "parquet":
            write_parquet(columns_of(what, synthetic=synthetic), rows, partial)
        elif format == "coco":
            write_coco(rows, classes, partial)
        else:
            with partial.open("wb") as file:
                file.writelines(_parts(what, format, rows, image_prefix, synthetic=synthetic))
    if format == "label-studio":
        with _new_file(config_path(out)) as partial:
            partial.write_text(config_xml(classes), encoding="utf-8")
    return ExportReport(what=what, format=format, path=out, rows=rows.count)


def config_path(out: Path) -> Path:
    """Return where the labeling configuration of a Label Studio export goes: beside it."""
    return out.with_name(f"{out.stem}.config.xml")


def _rows(
    database: Database, actor: Actor, project_id: int, what: What, format: str, *, synthetic: bool
) -> Iterable[Any]:
    entry = writable(what, format, synthetic=synthetic)
    if entry.name == "label-studio":
        found = export.tasks(database, actor, project_id)
        return (task for task in found if task.label or (task.votes and what == "votes"))
    if not entry.suffix:
        more = synthetic_pictures(database, actor, project_id) if synthetic else ()
        return chain(export.pictures(database, actor, project_id), more)
    reader: Callable[[Database, Actor, int], Iterable[Any]] = export.labels if what == "labels" else export.votes
    return chain(
        reader(database, actor, project_id), synthetic_labels(database, actor, project_id) if synthetic else ()
    )


def _parts(what: What, format: str, rows: Iterable[Any], image_prefix: str, *, synthetic: bool) -> Iterator[bytes]:
    if format == "csv":
        return csv_parts(columns_of(what, synthetic=synthetic), rows)
    if format == "jsonl":
        return json_lines(columns_of(what, synthetic=synthetic), rows)
    if format == "label-studio":
        return task_parts(rows, what, image_prefix)
    able = ", ".join(name for name, entry in FORMATS.items() if entry.stream)
    raise InvalidInput(f"expected a format that can be streamed ({able}), got {format!r}; write it to a file")


class _Counted(Iterable[Any]):
    """Rows that are counted as they pass."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        for row in self._rows:
            self.count += 1
            yield row


@contextmanager
def _new_file(out: Path) -> Iterator[Path]:
    """Yield a path to write to that becomes `out` at the end."""
    if not out.parent.is_dir() or out.is_dir():
        raise InvalidInput(f"expected {out} to be a file in a folder that exists, got another place; make the folder")
    partial = out.with_name(f".{out.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        yield partial
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
