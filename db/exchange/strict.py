"""Strict reading of what comes from outside: JSON without surprises, texts and numbers that the store can keep."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, NoReturn

from db.errors import InvalidInput
from db.records import GivenLabel, GivenLabels

LARGEST_DOCUMENT = 256 << 20  # a JSON document is parsed as a whole
LARGEST_TABLE = 4 << 30
MOST_ROWS = 5_000_000
_LONGEST_TEXT = 4096
_LARGEST_ID = 2**63 - 1
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_DIGITS = re.compile(r"[0-9]{1,19}")


def check_size(path: Path, largest: int) -> None:
    """Refuse what is no regular file, or too large.

    Raises:
        InvalidInput: with what to do.
    """
    try:
        size = path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):  # ValueError: a NUL in the path
        size = None
    if size is None:
        raise InvalidInput(f"expected a file of labels, got {str(path)!r:.200}, which is none; check the path")
    if size > largest:
        raise InvalidInput(f"expected a file of at most {largest >> 20:,} MB, got {size >> 20:,} MB; split it")


def load_json(data: bytes, place: str) -> Any:
    """Return what JSON text holds: UTF-8 (with or without BOM), no key twice, numbers finite and of usual size.

    Raises:
        InvalidInput: for anything else.
    """
    try:
        return json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_once,
            parse_constant=_not_finite,
            parse_float=_finite,
            parse_int=_usual,
        )
    except InvalidInput as error:
        raise InvalidInput(f"{place}: {error}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{place}: expected UTF-8 text, got other bytes; save the file as UTF-8") from error
    except (ValueError, RecursionError) as error:
        shown = str(error)[:120]
        raise InvalidInput(f"{place}: expected JSON, got something else ({shown}); export it again") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InvalidInput(f"expected each key once in an object, got {twice!r:.80} twice; export it again")
    return found


def _not_finite(text: str) -> NoReturn:
    raise InvalidInput(f"expected finite numbers, got {text}; leave it out")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InvalidInput(f"expected finite numbers, got {text:.40}; leave it out")
    return value


def _usual(text: str) -> int:
    if len(text) > 20:
        raise InvalidInput(f"expected whole numbers of at most 20 digits, got {text:.30}...; leave it out")
    return int(text)


def text_of(value: object) -> str | None:
    """Return a text that the store can keep, None for an empty or missing one.

    Raises:
        InvalidInput: for another type, or text that is too long or cannot be stored.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidInput(f"expected text, got {type(value).__name__} {value!r:.40}")
    if len(value) > _LONGEST_TEXT or "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise InvalidInput(f"expected readable text of at most {_LONGEST_TEXT} characters, got {value!r:.40}")
    return value


def id_of(value: object) -> int | None:
    """Return an id given as a number or as digits, None for a missing one.

    Raises:
        InvalidInput: for anything else.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST_ID:
        raise InvalidInput(f"expected an image's id as a whole number, got {value!r:.40}")
    return value


def sha256_of(value: object) -> str | None:
    """Return a content hash in lower case, None for a missing one.

    Raises:
        InvalidInput: for anything else.
    """
    text = text_of(value)
    if text is not None and not _SHA256.fullmatch(text):
        raise InvalidInput(f"expected a sha256 of 64 hexadecimal digits, got {text!r:.80}")
    return text.lower() if text else None


def take(given: GivenLabels, place: str, class_name: object, **ways: Any) -> None:
    """Add a label to what was read, or the reason why it cannot be one.

    Args:
        given: what was read so far.
        place: where in the file.
        class_name: of the image.
        ways: to find the image: sha256, sample_id, name.

    Raises:
        InvalidInput: if there are more rows than anybody has.
    """
    if len(given.labels) + given.problems.total >= MOST_ROWS:
        raise InvalidInput(f"expected at most {MOST_ROWS:,} labels in a file, got more; split it")
    try:
        label = _label(place, class_name, **ways)
    except InvalidInput as error:
        given.problems.add(str(error), place)
    else:
        given.labels.append(label)


def _label(
    place: str,
    class_name: object,
    *,
    sha256: object = None,
    other_sha256: object = None,
    sample_id: object = None,
    name: object = None,
    fallback: bool = False,
) -> GivenLabel:
    known = text_of(class_name)
    if known is None:
        raise InvalidInput("expected a class, got none")
    found = GivenLabel(
        place=place,
        class_name=known,
        sha256=sha256_of(sha256),
        other_sha256=sha256_of(other_sha256),
        sample_id=id_of(sample_id),
        name=text_of(name),
        fallback=fallback,
    )
    if found.sha256 is None and found.sample_id is None and found.name is None:
        raise InvalidInput("expected a sha256, an id or a name of an image, got none")
    return found
