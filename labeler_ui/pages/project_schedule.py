"""Retraining by itself: at set times, at an interval, after new labels; a row that the flows carry out."""

from __future__ import annotations

import time
from datetime import time as clock
from typing import Any
from zoneinfo import available_timezones

import streamlit as st

from db import schedules
from db.records import Schedule
from labeler_ui import schedule_words
from labeler_ui.pages.said import attempt
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit

ABOUT = (
    "Each round retrains when its answers are in. Beside that, a project can retrain by itself at set times or after "
    "new labels. When no label is new, nothing is trained; a time that passed while Borderline was down is made up for "
    "once."
)
AT_A_TIME, AT_AN_INTERVAL, AFTER_LABELS = "At a set time", "At an interval", "After new labels"
OWN = "a cron expression"
CRON_HELP = "Minute, hour, day of the month, month, weekday: `0 3 1 * *` is three in the morning of each month's first."
HOURS = 3600


def show(here: Visit) -> None:
    """Draw what is set, and the form that sets it."""
    st.subheader("Retraining by itself", anchor=False)
    st.caption(ABOUT)
    found = schedules.of_project(here.database, here.actor, here.project.id)
    for entry in found:
        _entry(here, entry)
    if not found:
        st.caption(":material/schedule: Nothing is set.")
    _form(here)


def next_training(here: Visit) -> None:
    """Draw one line about when the next training by itself comes, where one is set; for the Progress page."""
    found = schedules.of_project(here.database, here.actor, here.project.id)
    told = schedule_words.next_training(found, _now(), _zone())
    if told and here.project.state != "paused":
        st.caption(f":material/schedule: {plain(told)}")


def _entry(here: Visit, entry: Schedule) -> None:
    with st.container(border=True):
        words, switch, away = st.columns([4, 1, 1], vertical_alignment="center")
        told = schedule_words.when(entry)
        words.markdown(f":material/schedule: **{plain(told[:1].upper() + told[1:])}**")
        words.caption(f"Next: {plain(schedule_words.next_time(entry, _now(), _zone()))}")
        where, on = (here.database, here.actor, entry.id), not entry.is_on
        label, done = ("Switch on", "It is on.") if on else ("Switch off", "It is off.")
        if switch.button(label, key=f"schedule-switch-{entry.id}", width="stretch") and attempt(
            lambda: schedules.switch(*where, on), done
        ):
            st.rerun()
        if away.button("Remove", key=f"schedule-remove-{entry.id}", width="stretch") and attempt(
            lambda: schedules.remove(*where), "It is removed."
        ):
            st.rerun()


def _form(here: Visit) -> None:
    mark = here.project.id
    how = st.radio("Retrain", (AT_A_TIME, AT_AN_INTERVAL, AFTER_LABELS), horizontal=True, key=f"schedule-how-{mark}")
    if how == AT_A_TIME:
        given = _time(mark)
    elif how == AT_AN_INTERVAL:
        every = st.number_input("Every so many hours", 1, 24 * 366, 24, key=f"schedule-hours-{mark}")
        given = {"seconds": int(every) * HOURS}
    else:
        given = {"labels": int(st.number_input("New labels", 1, 1_000_000, 200, key=f"schedule-labels-{mark}"))}
    if st.button("Set", type="primary", key=f"schedule-set-{mark}") and attempt(
        lambda: schedules.put(here.database, here.actor, here.project.id, **given), "The project retrains by itself."
    ):
        st.rerun()


def _time(mark: int) -> dict[str, Any]:
    days, hour, zones = st.columns(3)
    day = days.selectbox("On", (*schedule_words.DAYS, OWN), key=f"schedule-day-{mark}")
    if day == OWN:
        cron = hour.text_input("Expression", "0 3 * * *", key=f"schedule-cron-{mark}", help=CRON_HELP)
    else:
        at = hour.time_input("At", clock(3), key=f"schedule-at-{mark}") or clock(3)
        cron = schedule_words.cron_of(day, at.hour, at.minute)
    names = sorted(available_timezones())
    zone = _zone()
    place = names.index(zone) if zone in names else names.index("UTC")
    return {"cron": cron, "timezone": zones.selectbox("Time zone", names, place, key=f"schedule-zone-{mark}")}


def _zone() -> str:
    """Return the time zone of the browser, as far as it says."""
    return st.context.timezone or "UTC"


def _now() -> int:
    return round(time.time() * 1000)
