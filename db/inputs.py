"""Check what comes from outside before it reaches a table, with messages that say what to do."""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from db.errors import InvalidInput

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def name(value: object, what: str, *, longest: int = 200) -> str:
    """Return a name of one line, stripped; quotes, HTML and any script are fine, they are only text.

    Raises:
        InvalidInput: if it is empty, too long, or holds control or unpaired surrogate characters.
    """
    text = body(value, what, longest=longest).strip()
    if not text:
        raise InvalidInput(f"expected {what} with at least one character, got an empty one; type a name")
    if _CONTROL.search(text):
        raise InvalidInput(f"expected {what} of one line of text, got control characters; remove them")
    return text


def body(value: object, what: str, *, longest: int) -> str:
    """Return a text of any number of lines that both engines can store."""
    if not isinstance(value, str):
        raise InvalidInput(f"expected {what} as text, got {type(value).__name__}; pass a string")
    if len(value) > longest:
        raise InvalidInput(f"expected {what} of at most {longest} characters, got {len(value)}; shorten it")
    if "\x00" in value or not _encodable(value):
        raise InvalidInput(f"expected {what} in readable text, got characters that cannot be stored; remove them")
    return value


def listed_url(value: str, allowed: Sequence[str]) -> str:
    """Return the URL of a folder that lies below one of those that may be read.

    Raises:
        InvalidInput: It does not; the message does not repeat it, for it may hold a key.
    """
    url = value.strip().rstrip("/")
    folders = [folder.rstrip("/") for folder in allowed]
    below = any(url == folder or url.startswith(f"{folder}/") for folder in folders)
    if not below or _CONTROL.search(url) or {"..", "."} & set(url.split("/")) or "?" in url or "::" in url:
        raise InvalidInput(
            f"expected a URL below one that BORDERLINE_INGEST_REMOTE names ({', '.join(folders) or 'none is named'}), "
            "got another; ask whoever runs Borderline to name it, or read it by the command borderline ingest"
        )
    return url


def file_name(value: str) -> str:
    """Return a file's name as it can be stored and shown; names come from disks and are never refused."""
    return value.replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")[:4096]


def integer(value: object, what: str, low: int, high: int) -> int:
    """Return a whole number within [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidInput(
            f"expected {what} as a whole number from {low} to {high}, got {value!r}; choose one in that range"
        )
    return value


def share(value: object, what: str, *, most: float = 1) -> float:
    """Return a number within [0, most]."""
    number = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else value
    if not 0 <= number <= most:
        raise InvalidInput(f"expected {what} from 0 to {most:g}, got {value!r}; choose one in that range")
    return float(number)


def answer_id(value: object, what: str = "an answer's id") -> str:
    """Return a UUID in its one canonical form."""
    try:
        return str(uuid.UUID(str(value)))
    except ValueError as error:
        raise InvalidInput(
            f"expected {what} as a UUID, got {str(value)[:60]!r}; make one when the image is shown"
        ) from error


def sha256(value: str) -> str:
    """Return a hash of 64 lower-case hexadecimal digits."""
    if not _SHA256.match(value):
        raise InvalidInput(f"expected a sha256 of 64 hexadecimal digits, got {value[:80]!r}; hash the bytes again")
    return value


def relative_path(value: str) -> str:
    """Return a path below BORDERLINE_HOME, with forward slashes and no way out of it."""
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in value or "\x00" in value:
        raise InvalidInput(f"expected a path relative to BORDERLINE_HOME, got {value!r}; write the file there first")
    return str(path)


def flags(value: object, what: str, *, most: int = 20) -> dict[str, bool]:
    """Return a small mapping of names to yes or no."""
    if not isinstance(value, Mapping) or len(value) > most:
        raise InvalidInput(f"expected {what} as a mapping of at most {most} names, got {value!r:.60}; reload the page")
    for key, flag in value.items():
        name(key, f"a name in {what}", longest=40)
        if not isinstance(flag, bool):
            raise InvalidInput(f"expected yes or no for {key!r} in {what}, got {flag!r:.60}; reload the page")
    return dict(value)


def plain(value: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return a mapping as JSON that both engines store alike: NumPy numbers become Python's, no NaN, no infinity.

    Raises:
        InvalidInput: for what JSON cannot hold.
    """
    try:
        text = json.dumps(dict(value), allow_nan=False, default=_python)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"expected {what} as finite numbers, texts, lists and mappings, got: {error}; leave it out"
        ) from error
    if "\\u0000" in text:
        raise InvalidInput(f"expected {what} in readable text, got a NUL character; remove it")
    result: dict[str, Any] = json.loads(text)
    return result


def _python(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__}")


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
