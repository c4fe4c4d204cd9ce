"""Who is looking at which project: who from the login (or a name, in local mode), which from the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from db import access, projects
from db.access import Actor
from db.engine import Database
from db.errors import InvalidInput, NotFound, PermissionDenied
from db.projects import Project
from db.records import Role
from labeler_ui import settings, store, tokens
from labeler_ui.pages import login, project_new
from labeler_ui.pages.text import plain


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who is here: the store, the person, the login it came by (None in local mode). `actor.role` holds everywhere."""

    database: Database
    actor: Actor
    session_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Visit(Person):
    """One run of a page: a person at a project, and their role there."""

    project: Project
    role: Role = Role.viewer

    def image_pass(self) -> dict[str, Any]:
        """Return what a component needs to ask our routes for this project: `token` and `expires_in` seconds."""
        secret, who = store.secret(), self.actor
        token = tokens.mint(
            secret, user_id=who.user_id, name=who.name, project_id=self.project.id, session_id=self.session_id
        )
        return {"token": token, "expires_in": tokens.seconds_left(secret, token)}


def still_here(here: Person) -> bool:
    """Whether the login that a page was drawn for still lives; a part that refreshes itself asks each time."""
    if here.session_id is None:
        return True
    found = login.current(here.database)
    return found is not None and found.actor.user_id == here.actor.user_id


def renewed(here: Visit) -> Visit | None:
    """Look again at login, project and role, for a part of a page that runs by itself.

    Returns:
        The visit of today; None where the whole page must run and say what has changed.
    """
    if not still_here(here):
        return None
    try:
        project = projects.get_project(here.database, here.actor, here.project.id)
        role = access.role_in(here.database, here.actor, here.project.id)
    except (NotFound, PermissionDenied):
        return None
    return replace(here, project=project, role=role)


def sidebar() -> Visit | None:
    """Draw the pickers and return who looks at what; None when there is no project (and the page says what to do)."""
    found = look()
    if found is None or isinstance(found, Visit):
        return found
    no_project(found)
    return None


def look() -> Person | None:
    """Draw the pickers and return who is here, as a `Visit` when there is a project; None when nobody is logged in."""
    database = store.database()
    person = _person(database)
    if person is None:
        return None
    with st.sidebar:
        existing = projects.list_projects(database, person.actor)
        found: Person = person
        if existing:
            project = _pick_project(existing)
            found = _at(person, project)
        if person.session_id is not None:
            login.sidebar(person.actor, found.role if isinstance(found, Visit) else person.actor.role)
    return found


def _at(person: Person, project: Project) -> Person:
    """Return the person at the project, or say why they cannot be there now (paused, removed)."""
    role = person.actor.role or Role.viewer
    try:
        role = access.role_in(person.database, person.actor, project.id)
    except NotFound:
        pass  # deleted a moment ago: the page says so
    except PermissionDenied as error:
        st.warning(plain(str(error)))
        return person
    return Visit(database=person.database, actor=person.actor, session_id=person.session_id, project=project, role=role)


def _person(database: Database) -> Person | None:
    """Return who is here. With accounts the session is looked up on every run: a page outlives a logout elsewhere."""
    if not settings.load().team:
        with st.sidebar:
            return Person(database=database, actor=_pick_name(database))
    found = login.current(database)
    return None if found is None else Person(database=database, actor=found.actor, session_id=found.session_id)


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


def no_project(person: Person) -> None:
    """Teach the next command where there is nothing to label yet, or whom to ask."""
    st.title("Welcome to Borderline")
    if person.actor.role is not Role.administrator:
        st.write(
            "You are logged in, and nobody has given you a role in a project yet. Ask an administrator for access."
        )
        st.caption(f"Your name here is {plain(person.actor.name)}. This page looks again when you reload it.")
        return
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
        project_new.form(person.database, person.actor)
