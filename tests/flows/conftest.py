"""A store in a temporary home, small projects of digits, and an annotator who knows the truth."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from db import projects
from db.records import Project, ProjectSpec
from flows.ingest import IngestOptions, ingest_source
from flows.report import SilentReporter
from flows.settings import Settings
from flows.store import Store, open_store
from pipeline.data.sources import Source, SourceItem, open_source, with_test_split

DIGITS = tuple("0123456789")


class Some:
    """A few items of a source, by a rule."""

    def __init__(self, source: Source, keep: Callable[[int, SourceItem], bool]) -> None:
        self.classes = source.classes
        self.description = source.description
        self._items = [item for place, item in enumerate(source) if keep(place, item)]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[SourceItem]:
        return iter(self._items)


def some_digits(count: int, *, test: bool) -> Source:
    """The first digits of scikit-learn's, with a fixed test split or without one."""
    source = open_source("digits")
    return Some(with_test_split(source, 0.25, 0) if test else source, lambda place, _: place < count)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("BORDERLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BORDERLINE_DEVICE", "cpu")
    monkeypatch.delenv("BORDERLINE_DATABASE_URL", raising=False)
    return Settings()


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings, system=True) as opened:
        yield opened


def make_project(store: Store, name: str = "digits", **changes: object) -> Project:
    small = {"model": "lenet5", "strategy": "margin", "cold_start": "random_sampling", "recipe": "quick"}
    spec = ProjectSpec(**{"name": name, "classes": DIGITS, **small, **changes})
    return projects.create_project(store.database, store.actor, spec)


def read_digits(store: Store, project: Project, count: int = 300, *, test: bool = True, labels: str = "hide") -> None:
    ingest_source(store, project.id, some_digits(count, test=test), IngestOptions(labels=labels), SilentReporter())


def let_it_rest(store: Store, minutes: int = 20) -> None:
    """Let work that failed have ended earlier, so that no wait before its next attempt is left."""
    change = text("UPDATE jobs SET ended_at = ended_at - :ms WHERE ended_at IS NOT NULL")
    store.database.write(lambda session: session.execute(change, {"ms": minutes * 60_000}))


@dataclass
class Said:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a command of the command line in this process."""
    from flows.cli import main

    def call(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["borderline", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        code = ended.value.code
        return Said(code if isinstance(code, int) else 0 if code is None else 1, printed.out, printed.err)

    return call
