"""The moments of schedules: time zones, the hour that is missing and the hour that comes twice."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from db import slots
from db.errors import InvalidInput

HOUR = 3_600_000
# around the turns of the clock: Paris in March and October, New York in November, Lord Howe (half an hour) in April
TURNS = [("Europe/Paris", 3, 29), ("Europe/Paris", 10, 25), ("America/New_York", 11, 1), ("Australia/Lord_Howe", 4, 5)]


def ms(zone: str, *when: int, fold: int = 0) -> int:
    return round(datetime(*when, tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1000)


def test_a_cron_expression_is_read_in_its_own_time_zone() -> None:
    after = ms("UTC", 2026, 7, 1, 0, 30)
    assert slots.next_cron("0 3 * * *", "Europe/Paris", after) == ms("UTC", 2026, 7, 1, 1, 0)
    assert slots.next_cron("0 3 * * *", "America/New_York", after) == ms("UTC", 2026, 7, 1, 7, 0)
    assert slots.next_cron("0 3 * * *", "Asia/Kolkata", after) == ms("UTC", 2026, 7, 1, 21, 30)
    assert slots.last_cron("0 3 * * *", "Europe/Paris", after) == ms("UTC", 2026, 6, 30, 1, 0)


def test_the_examples_are_true() -> None:
    assert doctest.testmod(slots) == (0, 4)


def test_a_time_that_does_not_exist_comes_after_the_gap_and_one_that_comes_twice_counts_once() -> None:
    night = "30 2 * * *"
    spring = ms("Europe/Paris", 2026, 3, 28, 12, 0)
    assert slots.next_cron(night, "Europe/Paris", spring) == ms("Europe/Paris", 2026, 3, 29, 3, 0)
    first = ms("Europe/Paris", 2026, 10, 25, 2, 30)
    second = ms("Europe/Paris", 2026, 10, 25, 2, 30, fold=1)
    assert second - first == HOUR
    assert slots.next_cron(night, "Europe/Paris", first - 1) == first
    for moment in range(first, second + 6 * HOUR, HOUR // 4):
        assert slots.last_cron(night, "Europe/Paris", moment) == first
    assert slots.next_cron(night, "Europe/Paris", first) == ms("Europe/Paris", 2026, 10, 26, 2, 30)


@pytest.mark.parametrize("cron", ["30 2 * * *", "0 3 * * 0", "*/20 * * * *", "0 2-4 * * *", "5 4 25 * *"])
@pytest.mark.parametrize(("zone", "month", "day"), TURNS)
def test_looking_back_finds_what_looking_ahead_promised(cron: str, zone: str, month: int, day: int) -> None:
    start = round(datetime(2026, month, day, tzinfo=UTC).timestamp() * 1000) - 36 * HOUR
    ahead, moment = [], start
    while moment < start + 72 * HOUR and (found := slots.next_cron(cron, zone, moment)) is not None:
        assert found > moment
        ahead.append(found)
        moment = found
    for now in range(ahead[0], start + 60 * HOUR, 17 * 60_000 + 13):
        assert slots.last_cron(cron, zone, now) == max(found for found in ahead if found <= now)


def test_a_moment_that_is_exactly_now_counts() -> None:
    assert slots.last_cron("0 3 * * *", "UTC", ms("UTC", 2026, 5, 5, 3)) == ms("UTC", 2026, 5, 5, 3)
    assert slots.last_cron("0 3 * * *", "UTC", ms("UTC", 2026, 5, 5, 3) - 1) == ms("UTC", 2026, 5, 4, 3)
    assert slots.last_interval(0, 60, 120_000) == 120_000
    assert slots.last_interval(0, 60, 119_999) == 60_000
    assert slots.next_interval(0, 60, -5) == 60_000


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("0 3 * *", "expected five fields"),
        ("* * * * * *", "expected five fields"),
        ("0 25 * * *", "Bad hour"),
        ("0 0 31 2 *", "Bad day-of-month"),
        ("@daily", "expected five fields"),
        ("", "at least one character"),
        (7, "as text"),
    ],
)
def test_a_bad_cron_expression_is_refused_with_an_example(wrong: object, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        slots.check_cron(wrong)


def test_a_bad_zone_or_interval_is_refused_with_what_to_do() -> None:
    assert slots.check_timezone(" Europe/Paris ") == "Europe/Paris"
    for wrong in ("Paris", "europe/paris"):
        with pytest.raises(InvalidInput, match="did you mean 'Europe/Paris'"):
            slots.check_timezone(wrong)
    for wrong in ("../../etc/passwd", "Europe", "UTC+2"):
        with pytest.raises(InvalidInput, match="IANA"):
            slots.check_timezone(wrong)
    with pytest.raises(InvalidInput, match="at least 60 seconds, got 5"):
        slots.check_seconds(5)
    for odd in (-60, True, 61.0, 400 * 24 * 3600):
        with pytest.raises(InvalidInput, match="whole number"):
            slots.check_seconds(odd)
