"""How long work tells where it is: one protocol, with a bar in the terminal or an artifact in Prefect behind it."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, cast

from pipeline.experiment.progress import Pace, duration

if TYPE_CHECKING:
    from uuid import UUID

    from rich.progress import TaskID
    from rich.table import Table

logger = logging.getLogger(__name__)

ARTIFACT_SECONDS = 2.0


class Reporter(Protocol):
    """Receives the progress of one piece of work."""

    def progress(self, done: int, total: int, message: str) -> None:
        """Say that ``done`` of ``total`` steps (0: unknown) are done, and what is going on; may raise `Canceled`."""

    def picture(self, name: str, png: bytes, caption: str) -> None:
        """Show a picture of the work: a newer one of the same name (lowercase, digits, dashes) takes its place."""


class Unpictured:
    """For reporters that have no place for pictures."""

    def picture(self, name: str, png: bytes, caption: str) -> None:
        """Show nothing."""


class TimeLeft:
    """Says how long the work of a message will still take, by how fast it went so far."""

    def __init__(self) -> None:
        self._message = ""
        self._pace: Pace | None = None

    def added_to(self, message: str, done: int, total: int) -> str:
        """Return the message, with the time left once that can be told."""
        if self._pace is None or (message, total) != (self._message, self._pace.wanted):
            self._message, self._pace = message, Pace(total, done=done)
            return message
        left = self._pace.seconds_left(done)
        return message if left is None else f"{message}, {duration(left)} left"


class SilentReporter(Unpictured):
    """Says nothing: for tests, and for commands whose output a program reads."""

    def progress(self, done: int, total: int, message: str) -> None:
        """Ignore the progress."""


class TerminalReporter(Unpictured):
    """A bar in the terminal, one line a message."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
        self._bar = Progress(*columns, transient=True)
        self._tasks: dict[str, TaskID] = {}

    def progress(self, done: int, total: int, message: str) -> None:
        """Move the bar of this message, making it when it is new."""
        if message not in self._tasks:
            for task in self._tasks.values():
                self._bar.update(task, visible=False)
            self._tasks[message] = self._bar.add_task(message, total=total or None)
        self._bar.update(self._tasks[message], completed=done, total=total or None)

    def __enter__(self) -> TerminalReporter:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()


class ArtifactReporter:
    """A progress artifact of the running Prefect flow, written at most every two seconds, and image artifacts."""

    def __init__(self) -> None:
        self._artifact: UUID | None = None
        self._written = 0.0
        self._left = TimeLeft()

    def progress(self, done: int, total: int, message: str) -> None:
        """Update the artifact; a server that does not answer never stops the work."""
        now = time.monotonic()
        message = self._left.added_to(message, done, total)
        if now - self._written < ARTIFACT_SECONDS and done < total:
            return
        self._written = now
        try:
            self._write(100.0 * done / total if total else 0.0, message)
        except Exception as error:  # Prefect is a doorbell: the truth is in SQL
            logger.warning("the progress artifact could not be written: %s", error)

    def picture(self, name: str, png: bytes, caption: str) -> None:
        """Write an image artifact; a server that does not answer never stops the work.

        Prefect keeps an address and shows what a browser finds there. The picture is in the address itself (RFC 2397):
        a link to our page would need a key, and whoever may look at Prefect would have it.
        """
        try:
            from prefect.artifacts import create_image_artifact

            address = f"data:image/png;base64,{base64.b64encode(png).decode()}"
            create_image_artifact(image_url=address, key=name, description=caption)
        except Exception as error:
            logger.warning("the image artifact %s could not be written: %s", name, error)

    def _write(self, percent: float, message: str) -> None:
        from prefect.artifacts import create_progress_artifact, update_progress_artifact

        if self._artifact is None:
            made = create_progress_artifact(progress=percent, description=message)
            self._artifact = cast("UUID", made)  # a coroutine only inside of an event loop, where flows never run
        else:
            update_progress_artifact(artifact_id=self._artifact, progress=percent, description=message)


class CaptionReporter(Unpictured):
    """A line below a live table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def progress(self, done: int, total: int, message: str) -> None:
        """Write the message as the table's caption."""
        self._table.caption = f"{message} {done}/{total}" if total else message


@contextmanager
def terminal_reporter(*, silent: bool) -> Iterator[Reporter]:
    """Yield a bar for a person at a terminal, or nothing where a program reads the output."""
    if silent:
        yield SilentReporter()
        return
    with TerminalReporter() as reporter:
        yield reporter
