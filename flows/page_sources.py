"""What a page may have read, and what becomes of the folder of an upload afterwards."""

from __future__ import annotations

import shutil
from pathlib import Path

from db import inputs
from flows.errors import UsageError
from flows.settings import Settings
from pipeline.data.sources.urls import protocol_of


def require_allowed(settings: Settings, source: str) -> None:
    """Refuse what a page may not have read.

    A path must not lead out of BORDERLINE_INGEST_ROOT, links followed, if that is set. A URL must lie below one that
    BORDERLINE_INGEST_REMOTE names: whoever sees a page must not send this machine to any address they like.

    Raises:
        UsageError: It may not be read.
        InvalidInput: The same, of a URL.
    """
    if protocol_of(source) is not None:
        inputs.listed_url(source, settings.remote_folders)
        return
    path = Path(source).resolve()
    roots = [settings.ingest_root, settings.home / "inbox"]
    if settings.ingest_root is not None and not any(path.is_relative_to(root.resolve()) for root in roots if root):
        raise UsageError(
            f"expected a path below {settings.ingest_root}, got {source!r}; do: put the images there, or ask whoever "
            "runs Borderline to change BORDERLINE_INGEST_ROOT"
        )


def clear_inbox(source: Path) -> None:
    """Remove the folder of an upload whose images were taken in; any other folder is left alone."""
    inbox = (Settings().home / "inbox").resolve()
    if inbox in source.resolve().parents:
        shutil.rmtree(source, ignore_errors=True)
