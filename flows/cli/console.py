"""What the commands share: one voice for errors, tables for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.store import Store

EXIT_USAGE = 2
_WIDE = 100  # columns of a table in a file or a pipe


def fail(sentence: str, *, code: int) -> NoReturn:
    """Say what is wrong on standard error and leave with that code."""
    from db.redaction import redact

    sys.stderr.write(f"borderline: {redact(sentence)}\n")
    raise SystemExit(code)


def explain(error: Exception) -> str | None:
    """Return the sentence for an error that the user can mend, None for a bug of ours.

    The packages are looked up where they are loaded already: an error of theirs cannot come otherwise.
    """
    from flows.errors import FlowError

    kinds: list[type[Exception]] = [FlowError]
    for module, name in (("pipeline.errors", "PipelineError"), ("db.errors", "StoreError")):
        if module in sys.modules:
            kinds.append(getattr(sys.modules[module], name))
    if isinstance(error, tuple(kinds)):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"expected to be able to use {str(error.filename)!r}, got: {error.strerror}; do: check path and rights"
    if type(error).__name__ == "ValidationError" and hasattr(error, "errors"):  # a BORDERLINE_ variable
        first = error.errors()[0]
        name = f"BORDERLINE_{str(first['loc'][0]).upper()}"
        return f"expected a usable setting {name}, got {first['input']!r}: {first['msg']}"
    return None


def say(text: str = "") -> None:
    """Print one line for people."""
    typer.echo(text)


def as_json(value: Any) -> str:
    """Return JSON of records, arrays and counters."""

    def plain(item: Any) -> Any:
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.asdict(item)
        if hasattr(item, "tolist"):
            return item.tolist()
        return str(item)

    return json.dumps(value, default=plain, indent=2, ensure_ascii=False)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    shown = Table(title=escape(title), title_justify="left", header_style="bold")
    for name in columns:
        shown.add_column(escape(name))
    for row in rows:
        shown.add_row(*(escape(str(cell)) for cell in row))
    plain = Console()
    (plain if plain.is_terminal else Console(width=_WIDE)).print(shown)


@contextmanager
def store() -> Iterator[Store]:
    """Open the store in the name of the person at this machine."""
    from flows.store import open_store

    with open_store() as opened:
        yield opened


@contextmanager
def system_store(**changes: Any) -> Iterator[Store]:
    """Open the store in the name of Borderline itself, for work that flows do, with some settings for this once."""
    from flows.settings import Settings
    from flows.store import open_store

    with open_store(Settings(**changes), system=True) as opened:
        yield opened
