"""When a project retrains by itself, in plain words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from db.records import Schedule
from labeler_ui.words import duration

DAYS = {
    "every day": "*",
    "every Monday": "1",
    "every Tuesday": "2",
    "every Wednesday": "3",
    "every Thursday": "4",
    "every Friday": "5",
    "every Saturday": "6",
    "every Sunday": "0",
    "Monday to Friday": "1-5",
}
_SIMPLE = re.compile(r"(\d{1,2}) (\d{1,2}) \* \* (\S+)")
_UNITS = ((7 * 86400, "week"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def when(schedule: Schedule) -> str:
    """Say when a schedule runs, such as 'every Monday at 03:05 (Europe/Paris)'."""
    if schedule.trigger == "labels":
        return f"after {schedule.labels:,} new labels"
    if schedule.trigger == "interval":
        return f"every {_interval(schedule.seconds or 0)}"
    simple = _SIMPLE.fullmatch(schedule.cron)
    day = next((name for name, field in DAYS.items() if simple and field == simple[3]), None)
    if simple is None or day is None:
        return f"at {schedule.cron} ({schedule.timezone})"
    return f"{day} at {int(simple[2]):02}:{int(simple[1]):02} ({schedule.timezone})"


def _interval(seconds: int) -> str:
    size, name = next((size, name) for size, name in _UNITS if seconds % size == 0)
    count = seconds // size
    return name if count == 1 else f"{count} {name}s"


def cron_of(day: str, hour: int, minute: int) -> str:
    """Return the cron expression of a time of day on some days.

    >>> cron_of("every Monday", 3, 5)
    '5 3 * * 1'
    """
    return f"{minute} {hour} * * {DAYS[day]}"


def next_time(schedule: Schedule, now: int, zone: str) -> str:
    """Say when a schedule runs next.

    Args:
        schedule: One that is on or off.
        now: The time, ms since the epoch.
        zone: Time zone of whoever reads it.
    """
    if not schedule.is_on:
        return "switched off"
    if schedule.labels_left is not None:
        left = schedule.labels_left
        return f"{left:,} more {'label' if left == 1 else 'labels'} to go" if left else "now"
    if schedule.next_at is None:
        return "never"
    if schedule.next_at <= now:
        return "now"
    return f"in {_long(schedule.next_at - now)}, {moment(schedule.next_at, zone)}"


def _long(milliseconds: int) -> str:
    hours = milliseconds / 3_600_000
    if hours < 1:
        return duration(milliseconds)
    return f"{round(hours)} h" if hours < 48 else f"{round(hours / 24)} days"


def moment(at: int, zone: str) -> str:
    """Say a time, by the clock of a zone.

    >>> moment(1_795_312_800_000, "Europe/Paris")
    'Sunday 22 November at 03:00'
    """
    try:
        there = datetime.fromtimestamp(at / 1000, ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):  # what a browser says is not always a zone
        there = datetime.fromtimestamp(at / 1000, ZoneInfo("UTC"))
    return f"{there:%A} {there.day} {there:%B} at {there:%H:%M}"


def next_training(schedules: Sequence[Schedule], now: int, zone: str) -> str:
    """Say in one sentence when the next training by itself comes; empty if none does."""
    live = [entry for entry in schedules if entry.is_on]
    times = [entry.next_at for entry in live if entry.next_at is not None]
    left = [entry.labels_left for entry in live if entry.labels_left is not None]
    parts = [f"{moment(min(times), zone)}"] if times else []
    parts += [f"after {left[0]:,} more {'label' if left[0] == 1 else 'labels'}"] if left else []
    if not parts:
        return ""
    if (times and min(times) <= now) or 0 in left:
        return "A training by itself is due: it starts as soon as nothing else runs."
    first = ", whichever comes first" if len(parts) > 1 else ""
    return f"The next training by itself: {' or '.join(parts)}{first}. Without new labels there is none."
