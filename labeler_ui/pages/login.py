"""What the pages show of a login: who is here and how to leave, or the way to log in."""

from __future__ import annotations

import streamlit as st

from db import sessions
from db.access import Actor
from db.engine import Database
from db.errors import PermissionDenied
from db.records import Login, Role
from labeler_ui import settings, store
from labeler_ui.accounts import cookies, oidc
from labeler_ui.pages.text import plain


def current(database: Database) -> Login | None:
    """Return the live login of this page, or show the way to one and return None."""
    if settings.load().mode == "oidc":
        return _by_provider(database)
    found = sessions.look_up(database, _key())
    if found is not None and found.live:
        return found
    _ended("Your session has ended." if found else "Log in to go on.")
    return None


def _by_provider(database: Database) -> Login | None:
    """Take the provider's signed answer for as long as our session of it lives."""
    key = _key()
    if not st.user.is_logged_in or key is None:
        _ask_provider("Log in to go on.")
        return None
    try:
        found = oidc.log_in(database, st.user.to_dict(), key)
    except PermissionDenied as error:
        _ask_provider(str(error))
        return None
    if not found.live:
        _ask_provider(sessions.OVER)
        return None
    return found


def _key() -> str | None:
    return cookies.key_in(st.context.cookies.to_dict(), settings.load().mode)


def _ask_provider(text: str) -> None:
    st.title("Borderline", anchor=False)
    st.write(plain(text))
    if st.button(f"Log in with {plain(oidc.provider_name())}", type="primary", icon=":material/login:"):
        st.login()


def _ended(text: str) -> None:
    """Say that nobody is logged in here; the button leads to the form in this very tab, where unsent answers wait."""
    st.title("Borderline", anchor=False)
    st.write(plain(text))
    st.caption("Answers that were not sent yet are kept in this tab and sent after you log in again.")
    if st.button("Log in", type="primary", icon=":material/login:"):
        st.logout()


def sidebar(actor: Actor, role: Role | None) -> None:
    """Say who is logged in with which role, and offer to log out."""
    st.caption(f":material/person: **{plain(actor.name)}** · {role.name if role else 'no role yet'}")
    if settings.load().mode == "accounts":
        st.link_button("Change the password", "/password", icon=":material/key:", type="tertiary")
    if st.button("Log out", icon=":material/logout:", key="borderline_log_out"):
        log_out()


def log_out() -> None:
    """End the session in the store at once, then let the browser forget it; other tabs find it ended, too."""
    key = _key()
    if key is not None:
        sessions.end(store.database(), key)
    st.logout()
    st.stop()
