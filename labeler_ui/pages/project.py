"""The Project page: what is asked, of whom, about which images; one tab a topic."""

from __future__ import annotations

import streamlit as st

from db.access import authorize
from db.errors import StoreError
from db.records import Role
from labeler_ui.pages import (
    images,
    project_classes,
    project_guidelines,
    project_members,
    project_new,
    project_rounds,
    project_schedule,
    project_settings,
)
from labeler_ui.pages.said import sentence, show_done
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit

TABS = ("Settings", "Classes", "Guidelines", "Images", "Rounds", "Members", "New project")


def show(here: Visit | None) -> None:
    """Draw the page of one project for one person."""
    if here is None:
        return
    show_done()
    st.title(plain(here.project.name), anchor=False)
    try:
        here.database.read(lambda session: authorize(session, here.actor, here.project.id, Role.administrator))
    except StoreError as error:
        st.info("Only administrators change a project. " + sentence(error), icon=":material/lock:")
        return
    settings, classes, guidelines, files, rounds, members, new = st.tabs(TABS)
    with settings:
        project_settings.show(here)
    with classes:
        project_classes.show(here)
    with guidelines:
        project_guidelines.show(here)
    with files:
        images.draw(here)
    with rounds:
        project_rounds.show(here)
        project_schedule.show(here)
    with members:
        project_members.show(here)
    with new:
        project_new.form(here.database, here.actor)
