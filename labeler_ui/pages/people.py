"""The People page: who may do what, for administrators. Invite, change a role, disable, end sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import urlsplit

import streamlit as st

from db import access, accounts, invitations, projects, sessions
from db.errors import StoreError
from db.records import Account, Invitation, NewInvitation, Role
from labeler_ui import settings
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Person

ROLES: dict[str, Role | None] = {"none": None, **{role.name: role for role in Role}}
MEANING = (
    "A viewer sees progress; an annotator labels; a reviewer decides where labels disagree; an administrator does all."
)


def show(here: Person | None) -> None:
    """Draw the People page."""
    if here is None:
        return
    st.title("People", anchor=False)
    mode = settings.load().mode
    if mode == "local":
        st.info("This page is open to this computer only, and a name is all it asks. For a team, see docs/team.md.")
    found = accounts.list_accounts(here.database, here.actor)
    st.dataframe([_row(account) for account in found], hide_index=True, width="stretch")
    st.caption(MEANING)
    if mode != "local":
        _invite(here, mode)
    _change(here, found, mode)
    _open(here)


def _row(account: Account) -> dict[str, object]:
    user = account.user
    places = [f"{project}: {role.name}" + _state(state) for project, role, state in account.memberships]
    how = [word for word, has in (("password", account.has_password), ("provider", account.has_identity)) if has]
    return {
        "Name": user.name,
        "Role everywhere": user.role.name if user.role else "none",
        "In projects": ", ".join(places),
        "Logs in with": ", ".join(how) or "nothing yet",
        "Sessions": account.sessions,
        "State": "active" if user.active else "disabled",
    }


def _state(state: str) -> str:
    return "" if state == "active" else f" ({state})"


def _invite(here: Person, mode: str) -> None:
    """A form whose result is a link, shown once: only its hash is kept."""
    st.subheader("Invite somebody", anchor=False)
    known = {project.name: project.id for project in projects.list_projects(here.database, here.actor)}
    by_provider = mode == "oidc"
    with st.form("invite", clear_on_submit=True):
        label = "Verified e-mail address" if by_provider else "Name (empty: they choose one)"
        name = st.text_input(label, key="people_invite_name", max_chars=200)
        role = st.selectbox("Role", [role.name for role in Role], index=1, key="people_invite_role")
        place = st.selectbox("Where", ["In all projects", *known], key="people_invite_place")
        sent = st.form_submit_button("Make an invitation", type="primary")
    if not sent:
        return
    if by_provider and not name.strip():
        st.error("Type the address that the login provider knows them by.")
        return
    made = _attempt(
        lambda: invitations.invite(
            here.database, here.actor, Role[role], project_id=known.get(place), name=name.strip() or None
        )
    )
    if made is not None and by_provider:
        st.success("They get this role when they log in with that address for the first time.")
    elif made is not None:
        _show_link(made)


def _show_link(made: NewInvitation) -> None:
    st.success("Send this link to them, and to nobody else. It works once, for seven days, and is shown only now.")
    st.code(f"{base_address()}/join?token={made.token}", language=None)


def base_address() -> str:
    """Return the page's address without a path: BORDERLINE_PUBLIC_URL, or the one this browser uses."""
    public = settings.load().public_url
    if public:
        return public
    parts = urlsplit(st.context.url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _change(here: Person, found: Sequence[Account], mode: str) -> None:
    """Everything that can be done to one person, in one place."""
    st.subheader("Change somebody", anchor=False)
    by_name = {account.user.name: account for account in found}
    name = st.selectbox("Person", list(by_name), key="people_who")
    account = by_name[name]
    _change_role(here, account)
    row = st.container(horizontal=True)
    word = "Disable" if account.user.active else "Enable"
    if row.button(word, key="people_active"):
        _done(lambda: access.set_active(here.database, here.actor, account.user.id, not account.user.active))
    if mode != "local" and row.button("End all sessions", key="people_end", disabled=not account.sessions):
        _done(lambda: sessions.end_all(here.database, here.actor, account.user.id))
    if mode == "accounts" and row.button("Link for a new password", key="people_password"):
        made = _attempt(lambda: invitations.new_password(here.database, here.actor, account.user.id))
        if made is not None:
            _show_link(made)


def _change_role(here: Person, account: Account) -> None:
    names = list(ROLES)
    present = account.user.role.name if account.user.role else "none"
    key = f"people_role_{account.user.id}"
    chosen = st.selectbox("Role in all projects", names, index=names.index(present), key=key)
    if st.button("Save the role", key="people_save_role", disabled=chosen == present):
        _done(lambda: access.set_role(here.database, here.actor, account.user.id, ROLES[chosen]))


def _open(here: Person) -> None:
    """Invitations that can still be taken, each with a way to withdraw it."""
    found = invitations.open_invitations(here.database, here.actor)
    if not found:
        return
    st.subheader("Open invitations", anchor=False)
    for entry in found:
        row = st.container(horizontal=True, vertical_alignment="center")
        row.text(describe(entry))
        if row.button("Withdraw", key=f"people_withdraw_{entry.id}"):
            _done(partial(invitations.withdraw, here.database, here.actor, entry.id))


def describe(entry: Invitation) -> str:
    """Return an invitation in words."""
    if entry.for_user:
        return f"A new password for {entry.for_user}"
    who = entry.name or "Whoever has the link"
    role = entry.role.name if entry.role else "none"
    return f"{who}: {role} {f'in {entry.project}' if entry.project else 'in all projects'}"


def _attempt(work: Callable[[], NewInvitation]) -> NewInvitation | None:
    try:
        return work()
    except StoreError as error:
        st.error(plain(str(error)))
        return None


def _done(work: Callable[[], object]) -> None:
    """Do something and draw the page anew, or say why it was refused."""
    try:
        work()
    except StoreError as error:
        st.error(plain(str(error)))
        return
    st.rerun()
