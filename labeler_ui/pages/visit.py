"""Who is looking at which project: read from the address, chosen in the sidebar, kept in the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from db import access, projects
from db.access import Actor
from db.engine import Database
from db.errors import InvalidInput, PermissionDenied
from db.projects import Project
from labeler_ui import settings, store
from labeler_ui.pages import project_new
from labeler_ui.pages.text import plain


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One run of a page: the store, the person, the project."""

    database: Database
    actor: Actor
    project: Project


def sidebar() -> Visit | None:
    """Draw the pickers and return who looks at what; None when there is no project (and the page says what to do)."""
    database = store.database()
    with st.sidebar:
        actor = _pick_name(database)
        existing = projects.list_projects(database, actor)
        if existing:
            return Visit(database=database, actor=actor, project=_pick_project(existing))
    _no_project(database, actor)
    return None


def _pick_name(database: Database) -> Actor:
    """Return the acting person. A name identifies and nothing more: the page listens on this machine only."""
    wanted = st.query_params.get("name") or settings.load().default_name
    try:
        actor = store.actor(database, wanted)
    except (InvalidInput, PermissionDenied):
        actor = store.actor(database, settings.load().default_name)
    names = _known_names(database, actor)
    chosen = st.selectbox(
        "Your name",
        names,
        index=names.index(actor.name),
        key="borderline_name",
        accept_new_options=True,
        help="Your answers are kept under this name. It is not a password: the page is open to this computer only.",
    )
    chosen = (chosen or actor.name).strip()
    if chosen and chosen != actor.name:
        actor = _named(database, chosen, actor)
    st.query_params["name"] = actor.name
    return actor


def _named(database: Database, name: str, otherwise: Actor) -> Actor:
    try:
        return store.actor(database, name)
    except (InvalidInput, PermissionDenied) as error:
        st.warning(plain(str(error)))
        return otherwise


def _known_names(database: Database, actor: Actor) -> list[str]:
    people = [user.name for user in access.users(database, actor) if user.active and user.kind == "person"]
    return sorted({*people, actor.name}, key=str.casefold)


def _pick_project(existing: Sequence[Project]) -> Project:
    """Return the chosen project; with a single one there is nothing to choose."""
    by_name = {project.name: project for project in existing}
    names = list(by_name)
    wanted = st.query_params.get("project", "")
    current = next((entry.name for entry in existing if wanted in {entry.name, str(entry.id)}), names[0])
    if wanted and current == names[0] and wanted not in {names[0], str(existing[0].id)}:
        st.warning(f"There is no project {plain(wanted)}.")
    if len(names) > 1:
        current = st.selectbox("Project", names, index=names.index(current), key="borderline_project")
    else:
        st.caption(f"Project: **{plain(current)}**")
    st.query_params["project"] = current
    return by_name[current]


def _no_project(database: Database, actor: Actor) -> None:
    """Teach the next command where there is nothing to label yet."""
    st.title("Welcome to Borderline")
    st.write("There is no project yet. A project is one labeling job: its classes and its images.")
    st.write("To try it with handwritten digits:")
    st.code("borderline demo", language="bash")
    st.write("To label your own images, create a project, then add a folder:")
    st.code(
        "borderline project create birds --classes robin,sparrow,wren\nborderline ingest birds ~/pictures/birds",
        language="bash",
    )
    st.caption("This page looks again when you reload it.")
    with st.expander("Or create it here"):
        project_new.form(database, actor)
