"""Imports: tell the format of a file or folder, read its labels, and give them to the one transaction in db.imports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from db.access import authorize
from db.engine import Database
from db.errors import InvalidInput
from db.exchange.folders import METADATA
from db.exchange.formats import FORMATS
from db.exchange.read_documents import read_coco, read_document, read_label_studio
from db.exchange.read_folders import read_hugging_face, read_image_folder
from db.exchange.read_tables import read_csv, read_json_lines, read_parquet
from db.imports import Match, import_labels
from db.records import Actor, GivenLabels, ImportReport, Role

_BY_PATH: dict[str, Callable[[Path, GivenLabels], None]] = {
    "csv": read_csv,
    "jsonl": read_json_lines,
    "parquet": read_parquet,
    "imagefolder": read_image_folder,
    "huggingface": read_hugging_face,
}
_BY_SUFFIX = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


def import_file(
    database: Database,
    actor: Actor,
    project_id: int,
    path: Path,
    format: str = "auto",
    *,
    match: Match = "auto",
    replace: bool = False,
    dry_run: bool = False,
) -> ImportReport:
    """Read labels from a file or folder and import them: all of them, or none and an error that lists what is wrong.

    Args:
        database: the store.
        actor: the acting user.
        project_id: whose images get labels.
        path: a file, or a folder for 'imagefolder' and 'huggingface'.
        format: a name out of `FORMATS`; 'auto' tells by name and content.
        match: how images are found: by 'sha256', 'id' or 'name'; 'auto' takes the first of these that a row has.
        replace: let the file win over labels that are there and differ.
        dry_run: only tell what would become of it.

    Raises:
        PermissionDenied: below administrator in the project.
        ImportRefused: if rows do not fit the project; nothing is changed then.
        InvalidInput: if the file cannot be read.
    """

    def allowed(session: Session) -> None:
        authorize(session, actor, project_id, Role.administrator)

    database.read(allowed)  # before a stranger makes us read anything
    given = read_labels(path, format)
    return import_labels(database, actor, project_id, given, match=match, replace=replace, dry_run=dry_run)


def read_labels(path: Path, format: str = "auto") -> GivenLabels:
    """Read what a file or folder says, without a look at any project.

    Raises:
        InvalidInput: if it cannot be read as that format.
    """
    if format != "auto" and format not in FORMATS:
        raise InvalidInput(f"expected a format out of auto, {', '.join(FORMATS)}, got {format!r:.40}; choose one")
    try:
        return _read(path, format)
    except RecursionError as error:
        raise InvalidInput(f"expected labels in {path}, got something nested too deep; export it again") from error
    except OSError as error:
        raise InvalidInput(f"expected to read {path}, got: {error.strerror}; check path and rights") from error


def _read(path: Path, format: str) -> GivenLabels:
    if format == "auto":
        format = _tell(path)
    if format in _BY_PATH:
        given = GivenLabels(format=format)
        _BY_PATH[format](path, given)
        return given
    document = read_document(path)
    if format == "json":
        format = "coco" if _is_coco(document) else "label-studio"
    given = GivenLabels(format=format)
    if format == "coco":
        if not _is_coco(document):
            raise InvalidInput(
                "expected a COCO-style object with images and annotations, got another; check the format"
            )
        read_coco(document, given)
    else:
        read_label_studio(document, given)
    return given


def _is_coco(document: Any) -> bool:
    return isinstance(document, dict) and "images" in document and "annotations" in document


def _tell(path: Path) -> str:
    if path.is_dir():
        return "huggingface" if any(path.glob(f"data/*/{METADATA}")) else "imagefolder"
    suffix = path.suffix.lower()
    if suffix not in _BY_SUFFIX and suffix != ".json":
        known = ", ".join((*_BY_SUFFIX, ".json"))
        raise InvalidInput(f"expected a folder or a file that ends in {known}, got {path.name!r:.80}; name the format")
    return _BY_SUFFIX.get(suffix, "json")
