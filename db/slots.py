"""The moments of a schedule: when was the last one, when is the next. Pure functions, in ms since the epoch.

Cron expressions are read as Debian's cron does, in the schedule's own time zone. A moment that does not exist, for the
clock is turned forward, is the first one after the gap; one that comes twice, for it is turned back, counts once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from db import inputs
from db.errors import InvalidInput

SHORTEST_SECONDS = 60
LONGEST_SECONDS = 366 * 24 * 3600
_FIELDS = 5
_TURNED_BACK = timedelta(hours=3)  # more than any clock is ever turned back by


def check_cron(expression: object) -> str:
    """Return a cron expression of five fields that has a moment to come.

    Raises:
        InvalidInput: for another form, or one that never comes, such as the 31st of February.
    """
    text = " ".join(inputs.name(expression, "a cron expression").split())
    example = "write minute, hour, day, month and weekday, such as '0 3 * * *' for every night at three"
    if len(text.split()) != _FIELDS:
        raise InvalidInput(f"expected five fields of a cron expression, got {text!r}; {example}")
    try:
        next(CronSim(text, datetime.now(UTC)))
    except (CronSimError, StopIteration) as error:
        raise InvalidInput(
            f"expected a cron expression, got {text!r} ({error or 'it never comes'}); {example}"
        ) from error
    return text


def check_timezone(name: object) -> str:
    """Return the IANA name of a time zone.

    Raises:
        InvalidInput: for a name that is none.
    """
    text = inputs.name(name, "a time zone")
    known = available_timezones()
    if text not in known:
        near = difflib.get_close_matches(text, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else "write one such as 'Europe/Paris' or 'UTC'"
        raise InvalidInput(f"expected the IANA name of a time zone, got {text!r}; {hint}")
    return text


def check_seconds(seconds: object) -> int:
    """Return the length of an interval, a minute to a year.

    Raises:
        InvalidInput: for a shorter or longer one.
    """
    if isinstance(seconds, int) and not isinstance(seconds, bool) and 0 <= seconds < SHORTEST_SECONDS:
        raise InvalidInput(
            f"expected an interval of at least {SHORTEST_SECONDS} seconds, got {seconds}; a training takes longer than "
            "that: choose minutes, hours or days"
        )
    return inputs.integer(seconds, "an interval in seconds", SHORTEST_SECONDS, LONGEST_SECONDS)


def last_cron(cron: str, timezone: str, until: int) -> int | None:
    """Return the newest moment of a cron expression that is not after `until`, or None.

    >>> last_cron("0 3 * * *", "UTC", 1_790_000_000_000)
    1789959600000
    """
    zone = ZoneInfo(timezone)
    start = datetime.fromtimestamp(until / 1000, zone)
    if start.fold:  # an hour that comes twice: its moments are those of the first time
        start = (start.astimezone(UTC) + _TURNED_BACK).astimezone(zone)
    # one second more: going back, a moment that is exactly now would be passed over
    back = CronSim(cron, start.replace(microsecond=0) + timedelta(seconds=1), reverse=True)
    return next((moment for moment in _milliseconds(back) if moment <= until), None)


def next_cron(cron: str, timezone: str, after: int) -> int | None:
    """Return the first moment of a cron expression after `after`, or None if it never comes.

    >>> next_cron("30 2 * * *", "Europe/Paris", 1_774_738_800_000)  # 29 March 2026: 02:30 does not exist, 03:00 does
    1774746000000
    """
    start = datetime.fromtimestamp(after / 1000, ZoneInfo(timezone))
    return next((moment for moment in _milliseconds(CronSim(cron, start)) if moment > after), None)


def _milliseconds(moments: Iterator[datetime]) -> Iterator[int]:
    return (round(moment.timestamp() * 1000) for moment in moments)


def last_interval(start: int, seconds: int, until: int) -> int | None:
    """Return the newest multiple of an interval since `start` that is not after `until`; None before the first.

    >>> last_interval(1_000, 60, 130_000), last_interval(1_000, 60, 60_999)
    (121000, None)
    """
    turns = (until - start) // (seconds * 1000)
    return start + turns * seconds * 1000 if turns >= 1 else None


def next_interval(start: int, seconds: int, after: int) -> int:
    """Return the first multiple of an interval since `start` after `after`.

    >>> next_interval(1_000, 60, 121_000)
    181000
    """
    turns = max(0, (after - start) // (seconds * 1000))
    return start + (turns + 1) * seconds * 1000
