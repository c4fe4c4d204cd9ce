"""Retraining by itself, on the Project page: set, switched, removed, refused in a sentence; told on Progress."""

from __future__ import annotations

import dataclasses
import doctest

from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from db import schedules
from db.records import Schedule
from labeler_ui import schedule_words
from tests.labeler_ui.seed import Seeded
from tests.labeler_ui.test_project_page import button, errors, page


def found(seeded: Seeded) -> list[Schedule]:
    return schedules.of_project(seeded.database, seeded.actor, seeded.project.id)


def said(test: AppTest) -> str:
    return " ".join(item.value for item in (*test.markdown, *test.caption)).replace("\\", "")


def progress_page(seeded: Seeded) -> str:
    test = AppTest.from_string(
        "from labeler_ui.pages import progress, visit\nprogress.show(visit.sidebar())", default_timeout=60
    )
    test.query_params["project"] = seeded.project.name
    test.run()
    assert not test.exception
    return said(test)


def test_a_time_an_interval_and_new_labels_are_set(seeded: Seeded) -> None:
    test, mark = page(seeded), seeded.project.id
    assert "Nothing is set." in said(test)
    test.selectbox(key=f"schedule-day-{mark}").set_value("every Monday")
    test.selectbox(key=f"schedule-zone-{mark}").set_value("Europe/Paris")
    test = button(test, "Set", "schedule")
    test.radio(key=f"schedule-how-{mark}").set_value("At an interval").run()
    test.number_input(key=f"schedule-hours-{mark}").set_value(6)
    test = button(test, "Set", "schedule")
    test.radio(key=f"schedule-how-{mark}").set_value("After new labels").run()
    test.number_input(key=f"schedule-labels-{mark}").set_value(30)
    test = button(test, "Set", "schedule")
    cron, interval, labels = found(seeded)
    assert (cron.cron, cron.timezone) == ("0 3 * * 1", "Europe/Paris")
    assert (interval.seconds, labels.labels) == (6 * 3600, 30)
    told = said(test)
    for words in ("Every Monday at 03:00 (Europe/Paris)", "Every 6 hours", "After 30 new labels", "30 more labels"):
        assert words in told
    assert "The next training by itself:" in progress_page(seeded)
    assert "or after 30 more labels, whichever comes first" in progress_page(seeded)


def test_a_bad_expression_is_refused_in_a_sentence(seeded: Seeded) -> None:
    test, mark = page(seeded), seeded.project.id
    test.selectbox(key=f"schedule-day-{mark}").set_value("a cron expression").run()
    test.text_input(key=f"schedule-cron-{mark}").input("every night")
    assert "Expected five fields of a cron expression" in errors(button(test, "Set", "schedule"))
    assert found(seeded) == []


def test_a_schedule_is_switched_off_and_on_and_removed(seeded: Seeded) -> None:
    schedules.put(seeded.database, seeded.actor, seeded.project.id, seconds=86_400)
    assert "The next training by itself" in progress_page(seeded)
    test = button(page(seeded), "Switch off", "schedule")
    assert not found(seeded)[0].is_on
    assert "Next: switched off" in said(test)
    assert "training by itself" not in progress_page(seeded)
    test = button(test, "Switch on", "schedule")
    assert found(seeded)[0].is_on
    aged = text("UPDATE schedules SET changed_at = changed_at - 90000000")
    seeded.database.write(lambda session: session.execute(aged))
    assert "it starts as soon as nothing else runs" in progress_page(seeded)
    button(test, "Remove", "schedule")
    assert found(seeded) == []


def example(**changes: object) -> Schedule:
    fields: dict[str, object] = dict.fromkeys(field.name for field in dataclasses.fields(Schedule))
    fields |= {"id": 1, "trigger": "interval", "cron": "", "timezone": "UTC", "is_on": True}
    return Schedule(**{**fields, **changes})


def test_words_of_times() -> None:
    assert doctest.testmod(schedule_words) == (0, 2)
    noon = 1_795_348_800_000  # Sunday 22 November 2026, 12:00 UTC
    assert schedule_words.when(example(trigger="cron", cron="0 3 1 * *")) == "at 0 3 1 * * (UTC)"
    assert schedule_words.when(example(seconds=86_400)) == "every day"
    soon = example(next_at=noon)
    assert schedule_words.next_time(soon, noon - 90_000, "UTC") == "in 2 min, Sunday 22 November at 12:00"
    assert schedule_words.next_time(soon, noon - 4 * 3_600_000, "Asia/Tokyo") == "in 4 h, Sunday 22 November at 21:00"
    assert schedule_words.next_time(soon, noon - 4 * 86_400_000, "no zone").startswith("in 4 days, Sunday")
    assert schedule_words.next_time(soon, noon + 1, "UTC") == "now"
    assert schedule_words.next_time(dataclasses.replace(soon, is_on=False), noon, "UTC") == "switched off"
    assert schedule_words.next_time(example(trigger="labels", labels_left=1), noon, "UTC") == "1 more label to go"
    assert schedule_words.next_training([], noon, "UTC") == ""
    assert schedule_words.next_training([example(labels_left=0)], noon, "UTC").startswith("A training by itself is due")
