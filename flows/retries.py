"""What becomes of failed work: infrastructure is tried again with growing waits, bad data waits for a person.

A full disk, a database or a network drive that is away end some time, so work that met them is tried for as long as it
takes, every quarter of an hour. What nobody knows (a bug, a GPU out of memory) is tried three times.

The rule is asked of SQL alone, by whoever starts work; Prefect's own retries stay off, else there would be two of them.
"""

from __future__ import annotations

from db.errors import NoSpace, StoreBusy, StoreError
from db.jobs import SILENT
from db.records import Job
from flows.errors import AlreadyRunning, FlowError
from pipeline.errors import PipelineError

MAX_ATTEMPTS = 3
MAX_KILLED_ATTEMPTS = 20
KILLED = "its process was killed; it is taken up again"
STOPPED = "it was stopped; it is taken up again"  # Ctrl-C, or Borderline was shut down in the middle
AGAIN = "; it is tried again by itself"  # written behind an error that may pass
_AT_ONCE = 5  # kills in a row that are taken up at once: the first ones say nothing about the next
_FIRST_MS, _LONGEST_MS = 30_000, 900_000
_LONGEST_TURN = 10  # far beyond the one that reaches the longest wait


def may_pass(error: Exception) -> bool:
    """Tell whether trying again may help: a busy database, a full disk, a lost network, but no refusal of ours.

    >>> may_pass(OSError("No space left on device")), may_pass(FlowError("expected labels of two classes, got one"))
    (True, False)
    """
    return ends_some_time(error) or not isinstance(error, FlowError | StoreError | PipelineError)


def ends_some_time(error: BaseException) -> bool:
    """Tell whether the cause lies around the work and passes, if late: nobody is to be called for it.

    >>> ends_some_time(OSError("Stale file handle")), ends_some_time(RuntimeError("CUDA error"))
    (True, False)
    """
    return isinstance(error, StoreBusy | NoSpace | OSError | AlreadyRunning)


def told(error: BaseException, sentence: str, attempt: int) -> str:
    """Return what is kept of a failure, from which the rules below decide.

    Args:
        error: What was raised.
        sentence: The same in words.
        attempt: Which one it was.
    """
    if not isinstance(error, Exception):
        return STOPPED
    again = ends_some_time(error) or (may_pass(error) and attempt < MAX_ATTEMPTS)
    return sentence + (AGAIN if again else "")


def was_killed(job: Job) -> bool:
    """Tell whether a job's process died or was stopped, which is no fault of its data."""
    return job.error in (KILLED, STOPPED, SILENT)


def needs_a_person(last: Job | None) -> bool:
    """Tell whether trying again by itself helps nobody: bad data, too many failures in a row, or a person's cancel.

    A process that was killed is no fault of the data, so it is taken up more often than one that raised. What a person
    canceled waits until a person starts it again, else it would be back within a second.
    """
    if last is None or last.state not in ("failed", "canceled"):
        return False
    if last.state == "canceled":
        return True
    if was_killed(last):
        return last.attempt >= MAX_KILLED_ATTEMPTS
    return not last.error.endswith(AGAIN)


def wait_ms(last: Job) -> int:
    """Return how long to leave failed work alone: half a minute after the first failure, then four times as long.

    What was killed is taken up at once; one that is killed over and over waits, too.
    """
    turns = last.attempt - _AT_ONCE if was_killed(last) else last.attempt
    return min(_LONGEST_MS, _FIRST_MS * 4 ** min(turns - 1, _LONGEST_TURN)) if turns >= 1 else 0


def rests(last: Job | None, at: int) -> bool:
    """Tell whether failed work is to be left alone at the time `at` (ms by the database's clock)."""
    return last is not None and last.state == "failed" and at < (last.ended_at or 0) + wait_ms(last)
