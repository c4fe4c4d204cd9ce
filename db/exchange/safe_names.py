"""Names from outside made into names of files: safe on every system, unique, and never a way out of a folder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from db.errors import InvalidInput

_LONGEST = 80
_UNSAFE = re.compile(r"[^\w .-]")
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


def safe_name(text: str, otherwise: str) -> str:
    """Return one part of a path that any file system takes.

    >>> safe_name("../../etc/passwd", "x"), safe_name("CON", "x"), safe_name("..", "x")
    ('_.._etc_passwd', '_CON', 'x')
    """
    kept = _UNSAFE.sub("_", unicodedata.normalize("NFC", text))
    short = kept.encode()[:_LONGEST].decode("utf-8", "ignore").strip(" .") or otherwise
    return f"_{short}" if short.split(".")[0].strip().lower() in _DEVICES else short


def folder_names(classes: Sequence[str]) -> dict[str, str]:
    """Return a folder for each class: its own name as far as that is safe, no two alike even where case is ignored."""
    taken: set[str] = set()
    names = {}
    for name in classes:
        base = folder = safe_name(name, "class")
        number = 2
        while folder.casefold() in taken:
            folder, number = f"{base}_{number}", number + 1
        taken.add(folder.casefold())
        names[name] = folder
    return names


def image_name(sample_id: int, name: str, suffix: str | None = None) -> str:
    """Return an image's file name: its id, which makes it unique, and what is safe of its name.

    >>> image_name(7, "cats/=1.PNG"), image_name(7, "cats/1.tif", ".png")
    ('00000007__1.PNG', '00000007_1.png')
    """
    last = PurePosixPath(name.replace("\\", "/")).name
    stem, own = PurePosixPath(last).stem, PurePosixPath(last).suffix
    kept = own if re.fullmatch(r"\.[A-Za-z0-9]{1,5}", own) else ""
    return f"{sample_id:08d}_{safe_name(stem, 'image')}{suffix if suffix is not None else kept}"


def contained(root: Path, *parts: str) -> Path:
    """Return a path below `root`.

    Raises:
        InvalidInput: if it leads elsewhere, by its parts or by links.
    """
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()) or path.resolve() == root.resolve():
        raise InvalidInput(f"expected a place below {root}, got {path}; choose an empty folder of your own")
    return path
