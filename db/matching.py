"""Which image of a project a row of a file means: by content hash, by id, or by a name that is unique."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Literal, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.errors import InvalidInput
from db.records import GivenLabel, Problems
from db.sql import among, chunks
from db.tables import SampleRow

Match = Literal["auto", "sha256", "id", "name"]
_UPLOADED = re.compile(r"\A[0-9a-f]{8}-(?=.)")  # Label Studio puts it before the name of an upload
_NOT_VALID = re.compile(r"[^-\w.]")
_SEVERAL = 0


def check_match(match: str) -> None:
    """Raise `InvalidInput` unless it is a way to find images."""
    if match not in get_args(Match):
        raise InvalidInput(f"expected to match by {', '.join(get_args(Match))}, got {match!r:.40}; choose one")


def find_samples(
    session: Session, project_id: int, labels: Sequence[GivenLabel], match: Match, problems: Problems
) -> list[tuple[GivenLabel, int]]:
    """Return each label with its sample's id; the others are noted as problems."""
    finder = _Finder(session, project_id, labels, match)
    found = []
    for label in labels:
        sample_id, reason = finder.find(label)
        if sample_id is None:
            problems.add(reason, label.place)
        else:
            found.append((label, sample_id))
    return found


class _Finder:
    """Looks up all hashes, ids and names of a file at once."""

    def __init__(self, session: Session, project_id: int, labels: Sequence[GivenLabel], match: Match) -> None:
        self._match = match
        wanted = {sha for label in labels for sha in (label.sha256, label.other_sha256) if sha}
        self._by_sha = _hashes(session, project_id, wanted) if match in ("auto", "sha256") else {}
        asked = {label.sample_id for label in labels if label.sample_id is not None}
        self._sha_of = _ids(session, project_id, asked) if match in ("auto", "id") else {}
        named = (label.name for label in labels if label.name is not None and self._needs_name(label))
        self._by_name = _names(session, project_id, {key for name in named for key in _keys(name)})

    def _needs_name(self, label: GivenLabel) -> bool:
        if self._match != "auto":
            return self._match == "name"
        if label.sha256 is None:
            return label.sample_id is None
        return label.fallback and self._hash(label) is None

    def _hash(self, label: GivenLabel) -> int | None:
        return self._by_sha.get(label.sha256 or "") or self._by_sha.get(label.other_sha256 or "")

    def find(self, label: GivenLabel) -> tuple[int | None, str]:
        """Return a sample's id, or None and the reason."""
        if self._match in ("auto", "sha256") and label.sha256 is not None:
            found = self._hash(label)
            if found is not None or not (label.fallback and self._match == "auto"):
                return found, "expected an image of this project, got a sha256 that it does not have"
        elif self._match in ("auto", "id") and label.sample_id is not None:
            return self._by_id(label)
        if self._match in ("auto", "name") and label.name is not None:
            return self._named(label.name)
        return None, f"expected a {'sha256, an id or a name' if self._match == 'auto' else self._match}, got none"

    def _by_id(self, label: GivenLabel) -> tuple[int | None, str]:
        known = self._sha_of.get(label.sample_id or 0)
        if known is None:
            return None, "expected an id of an image of this project, got one that it does not have"
        if label.sha256 not in (None, known):
            return None, "expected an id of this project, got one whose image has another sha256; match by sha256"
        return label.sample_id, ""

    def _named(self, name: str) -> tuple[int | None, str]:
        for key in _keys(name):
            found = self._by_name.get(key)
            if found == _SEVERAL:
                return None, "expected a name that one image has, got one that several have; match by sha256"
            if found is not None:
                return found, ""
        return None, "expected an image of this project, got a name that it does not have"


def _keys(name: str) -> list[tuple[int, str]]:
    """Ways to write a name, the surest first: whole, its last part, that without an upload's prefix, cleaned."""
    last = PurePosixPath(name.replace("\\", "/")).name
    short = _UPLOADED.sub("", last)
    keys = [(0, name), (1, last), (1, short), (2, _cleaned(short))]
    return list(dict.fromkeys(keys))


def _stored_keys(name: str) -> Iterable[tuple[int, str]]:
    last = PurePosixPath(name.replace("\\", "/")).name
    return (0, name), (1, last), (2, _cleaned(last))


def _cleaned(name: str) -> str:
    """A name as web servers keep uploads: blanks become underscores, other signs are dropped."""
    return _NOT_VALID.sub("", name.strip().replace(" ", "_"))


def _hashes(session: Session, project_id: int, wanted: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in chunks(sorted(wanted)):
        mine = SampleRow.project_id == project_id, among(session, SampleRow.sha256, part)
        found.update(session.execute(select(SampleRow.sha256, SampleRow.id).where(*mine)).tuples().all())
    return found


def _ids(session: Session, project_id: int, wanted: Iterable[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for part in chunks(sorted(wanted)):
        mine = SampleRow.project_id == project_id, SampleRow.id.in_(part)
        found.update(session.execute(select(SampleRow.id, SampleRow.sha256).where(*mine)).tuples().all())
    return found


def _names(session: Session, project_id: int, wanted: set[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Look at all names of the project once; what is kept is bounded by what was asked for."""
    found: dict[tuple[int, str], int] = {}
    if not wanted:
        return found
    there = select(SampleRow.id, SampleRow.name).where(
        SampleRow.project_id == project_id, SampleRow.deleted_at.is_(None)
    )
    for sample_id, name in session.execute(there.execution_options(yield_per=5000)):
        for key in _stored_keys(name):
            if key in wanted:
                found[key] = _SEVERAL if key in found else sample_id
    return found
