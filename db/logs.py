"""Logs of every process in one form: text for people, JSON for collectors, never a secret or a control character.

It stands here because the page and the flows both stand on this package. Only the standard library is used, so that a
command is not slower for it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import Any

from db import redaction
from db.errors import InvalidInput

FORMAT = "BORDERLINE_LOG_FORMAT"
FORMATS = ("text", "json")
OURS = ("borderline", "db", "flows", "labeler_ui", "pipeline")
_FLOW_RUN = "PREFECT__FLOW_RUN_ID"  # Prefect names the run to the process that it starts for it
_NOTHING: MappingProxyType[str, Any] = MappingProxyType({})
_context: ContextVar[MappingProxyType[str, Any]] = ContextVar("log_context", default=_NOTHING)


@contextmanager
def context(**fields: object) -> Iterator[None]:
    """Add fields such as ``project_id`` and ``job_id`` to every line that is logged while the block runs."""
    token = _context.set(MappingProxyType({**_context.get(), **fields}))
    try:
        yield
    finally:
        _context.reset(token)


def configure(default: str | None = None) -> None:
    """Log to standard error from now on, errors that end the process or a thread included.

    Args:
        default: 'text' or 'json' where BORDERLINE_LOG_FORMAT is not set; None is text on a terminal and JSON elsewhere.

    Raises:
        InvalidInput: BORDERLINE_LOG_FORMAT is neither.
    """
    redaction.hide_environment(os.environ)
    handler = StandardError()
    handler.setFormatter(formatter(default))
    root = logging.getLogger()
    root.handlers[:] = [other for other in root.handlers if not isinstance(other, StandardError)]
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.excepthook = _log_end_of_process
    threading.excepthook = _log_end_of_thread


def formatter(default: str | None = None) -> logging.Formatter:
    """Return the formatter that the environment asks for; Prefect's processes name this function in their settings.

    Raises:
        InvalidInput: BORDERLINE_LOG_FORMAT is neither 'text' nor 'json'.
    """
    usual = default or ("text" if sys.stderr.isatty() else "json")
    chosen = os.environ.get(FORMAT, "").strip() or usual
    if chosen not in FORMATS:
        raise InvalidInput(f"expected {FORMAT} to be one of {', '.join(FORMATS)}, got {chosen!r}; set one of them")
    return JsonFormatter() if chosen == "json" else TextFormatter()


def about(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a line says: time (UTC), level, logger, message, the context, and an exception if there is one."""
    said: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "message": redaction.line(_message(record).rstrip()),
        **{name: _plain(value) for name, value in _context.get().items()},
    }
    run = getattr(record, "flow_run_id", None) or os.environ.get(_FLOW_RUN)
    if run:
        said["flow_run_id"] = redaction.line(str(run))
    trace = _trace(record)
    if trace:
        said["exception"] = redaction.lines(trace)
    return said


class StandardError(logging.Handler):
    """Writes to what is standard error at that moment: where that was redirected, the lines go along."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; a reader that is gone must not end the program."""
        try:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
        except Exception:
            self.handleError(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        return json.dumps(about(record), ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """One line for people; a traceback follows indented, so that no text of it can pass for a line of the log."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line, and more lines for an exception."""
        said = about(record)
        time, level, logger, message = (said.pop(name) for name in ("time", "level", "logger", "message"))
        trace = said.pop("exception", "")
        fields = "".join(f" {name}={value}" for name, value in said.items())
        first = f"{time} {level} {logger}: {message}" + (f" [{fields.strip()}]" if fields else "")
        return "\n".join([first, *(f"    {entry}" for entry in trace.splitlines())])


class MessageFormatter(logging.Formatter):
    """The message alone, for what keeps time, level and logger apart: Prefect's own record of a run."""

    def format(self, record: logging.LogRecord) -> str:
        """Return message and traceback."""
        said = about(record)
        return "\n".join([said["message"], *([said["exception"]] if "exception" in said else [])])


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # a wrong number of arguments must not lose the line
        return f"{record.msg} {record.args!r}"


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | None) else redaction.line(str(value))


def _trace(record: logging.LogRecord) -> str:
    parts = [logging.Formatter().formatException(record.exc_info)] if record.exc_info else []
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)


def report(error: BaseException) -> None:
    """Log an error that ends the process: one of ours, with its traceback."""
    _log_end_of_process(type(error), error, error.__traceback__)


def _log_end_of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("borderline").critical("an error that nobody expected", exc_info=(kind, error, trace))


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is None or issubclass(ended.exc_type, SystemExit):
        return
    name = ended.thread.name if ended.thread else "unknown"
    found = (ended.exc_type, ended.exc_value, ended.exc_traceback)
    logging.getLogger("borderline").critical("the thread %s ended by an error", name, exc_info=found)
