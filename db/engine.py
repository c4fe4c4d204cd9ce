"""Open the store; run units of work in one transaction each. (Signatures; the bodies follow.)"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy.orm import Session

T = TypeVar("T")


class Database:
    home: Path
    url: str
    dialect: str

    @classmethod
    def open(cls, url: str | None = None, *, home: Path, migrate: bool = True) -> Database: ...
    def write(self, work: Callable[[Session], T]) -> T: ...
    def read(self, work: Callable[[Session], T]) -> T: ...
    def close(self) -> None: ...
