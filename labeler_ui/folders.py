"""Which folders of the server a person at the page may have read in: a path is a key to files of others."""

from __future__ import annotations

from pathlib import Path

from db.errors import InvalidInput


def readable_folder(text: str, *, root: Path | None, local: bool) -> Path:
    """Return the folder that a person typed, with every link followed.

    Args:
        text: An absolute path, or one below `root`.
        root: BORDERLINE_INGEST_ROOT; nothing outside of it may be read.
        local: Whether only people at this computer reach the page; without a root any folder is theirs to read.

    Raises:
        InvalidInput: It is no folder, or not one that may be read from here.
    """
    if root is None and not local:
        raise InvalidInput(
            "expected BORDERLINE_INGEST_ROOT to name the folder that images may be read from, got none; ask whoever "
            "runs Borderline to set it, or upload the files"
        )
    if not text.strip() or "\x00" in text:
        raise InvalidInput(f"expected the path of a folder, got {text!r:.80}; type one")
    typed = Path(text.strip()).expanduser()
    try:
        path = ((root or Path.home()) / typed).resolve(strict=True)
        inside = root is None or path.is_relative_to(root.resolve(strict=True))
    except (OSError, RuntimeError, ValueError):
        path, inside = typed, True
    if not inside:
        raise InvalidInput(f"expected a folder below {root}, got {text.strip()!r:.200}; put the images there")
    try:
        if path.is_dir():
            return path
    except (OSError, ValueError):
        pass
    raise InvalidInput(f"expected a folder of this server, got {text.strip()!r:.200}; check the path")
