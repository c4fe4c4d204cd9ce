"""Files as the two sides know them: absolute with a hash in pipeline, relative to the home folder in SQL."""

from __future__ import annotations

from db.records import NewFile
from flows.store import Store
from pipeline.files import FileRecord


def new_file(store: Store, record: FileRecord) -> NewFile:
    """Return a file that is safely on disk as SQL takes it: path relative to the home folder, hash, size."""
    return NewFile(path=store.relative(record.path), sha256=record.sha256, size=record.size)
