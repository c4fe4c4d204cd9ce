"""What a client of the store keeps on disk, so that its own death loses nothing: what it tried, what was acknowledged.

The browser's component keeps the same in `sessionStorage`. Every line is one `write` to a file opened for appending,
which a SIGKILL of the client cannot take back.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Tried:
    """An answer that was made: its id, its query with the claim's token, and the class."""

    answer_id: str
    query_id: int
    token: int
    class_id: int


@dataclass
class Read:
    """What journals hold together."""

    tried: dict[str, Tried] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)

    @property
    def open(self) -> list[Tried]:
        """Answers whose client does not know yet what became of them."""
        return [entry for name, entry in self.tried.items() if name not in self.acknowledged | self.refused]


class Journal:
    """One client's file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def tried(self, entry: Tried) -> None:
        """Note an answer before it is sent for the first time."""
        self._line("try", entry.answer_id, entry.query_id, entry.token, entry.class_id)

    def acknowledged(self, answer_id: str) -> None:
        """Note that the store said: saved."""
        self._line("ack", answer_id)

    def refused(self, answer_id: str) -> None:
        """Note that the store said: no, and never will be."""
        self._line("no", answer_id)

    def _line(self, *words: object) -> None:
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read_journals(paths: Iterable[Path]) -> Read:
    """Read what all clients noted."""
    found = Read()
    for path in paths:
        for line in path.read_text().splitlines() if path.exists() else []:
            kind, answer_id, *numbers = line.split()
            if kind == "try":
                found.tried[answer_id] = Tried(answer_id, *map(int, numbers))
            else:
                (found.acknowledged if kind == "ack" else found.refused).add(answer_id)
    return found
