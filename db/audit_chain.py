"""A file of entries in which no line can be changed, removed or moved unseen: each has a hash of all before it.

The hash has no key. Whoever can write the whole file anew can also make a chain that fits: keep the last hash, which
the export prints, where they cannot write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from db.errors import StoreError

FORMAT = 1
_START = "0" * 64


class BrokenChain(StoreError):
    """A line of an audit file was changed, removed, added or moved."""


@dataclass(frozen=True)
class Checked:
    """A file that is whole: how many lines it has, what its first says of it, and the hash of its last."""

    lines: int
    about: Mapping[str, Any]
    last: str


class Chain:
    """Writes lines; `last` is the hash of the newest."""

    def __init__(self) -> None:
        self.last = _START
        self.lines = 0

    def sealed(self, about: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
        """Yield the lines of a file: what it is about, the entries, and an end, so that a cut one is noticed."""
        yield self._line({"what": "export", "format": FORMAT, **about})
        for entry in entries:
            yield self._line(entry)
        yield self._line({"what": "end", "lines_before": self.lines})

    def _line(self, entry: Mapping[str, Any]) -> bytes:
        self.last, self.lines = _hash(self.last, entry), self.lines + 1
        return _canonical({**entry, "hash": self.last}) + b"\n"


def check(lines: Iterable[bytes]) -> Checked:
    """Read a file's lines and return what it is if it is whole.

    Raises:
        BrokenChain: with the number of the first line that does not fit.
    """
    last, count, about, entry = _START, 0, {}, {}  # type: str, int, dict[str, Any], dict[str, Any]
    for count, line in enumerate(lines, start=1):
        entry = _read(line, count)
        said = entry.pop("hash", None)
        last = _hash(last, entry)
        if said != last:
            raise BrokenChain(
                f"expected line {count} to fit the lines before it, got another hash: it was changed, or a line "
                "before it was removed, added or moved; do: compare with a copy that is kept elsewhere"
            )
        about = about or entry
    if about.get("what") != "export" or entry.get("what") != "end" or entry.get("lines_before") != count - 1:
        raise BrokenChain(f"expected a whole audit file, got {count} lines without its beginning or its end")
    return Checked(lines=count, about=about, last=last)


def _read(line: bytes, count: int) -> dict[str, Any]:
    """Return a line's entry; it must be written the one way that we write it, so that two readers see the same."""
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict) or _canonical(entry) + b"\n" != line:
        raise BrokenChain(f"expected line {count} as an audit file has it, got other text; do: export it again")
    return entry


def _hash(before: str, entry: Mapping[str, Any]) -> str:
    return hashlib.sha256(before.encode() + _canonical(entry)).hexdigest()


def _canonical(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
