"""Members: who works on the project, with which role; pause or exclude somebody."""

from __future__ import annotations

import streamlit as st

from db import members
from db.records import Member, Role
from labeler_ui.pages.said import attempt
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit

ROLES = {
    Role.viewer: "Viewer: looks",
    Role.annotator: "Annotator: answers",
    Role.reviewer: "Reviewer: answers and decides",
    Role.administrator: "Administrator: everything",
}


def show(here: Visit) -> None:
    """Draw the members and what can be changed about one."""
    people = members.members(here.database, here.actor, here.project.id)
    rows = [
        {"Person": entry.user.name, "Role": entry.role.name, "State": entry.state,
         "Everywhere": entry.user.role.name if entry.user.role else "–"}
        for entry in people
    ]  # fmt: skip
    st.dataframe(rows, hide_index=True, width="stretch")
    st.caption("A role that somebody has everywhere counts here, too, unless it is lower. A state holds against both.")
    _add(here)
    others = [entry for entry in people if entry.user.id != here.actor.user_id]
    if not others:
        return
    st.subheader("Change a member", anchor=False)
    by_id = {entry.user.id: entry for entry in others}
    chosen = st.selectbox(
        "Person", list(by_id), format_func=lambda user_id: by_id[user_id].user.name, key=f"member-{here.project.id}"
    )
    if chosen in by_id:
        _change(here, by_id[chosen])


def _add(here: Visit) -> None:
    with st.form(f"add-member-{here.project.id}", clear_on_submit=True, border=False):
        left, middle, right = st.columns([3, 3, 1], vertical_alignment="bottom")
        name = left.text_input("Add a person", max_chars=200, key=f"add-member-name-{here.project.id}")
        role = middle.selectbox("Role", list(ROLES), index=1, format_func=ROLES.__getitem__, key="add-member-role")
        sent = right.form_submit_button("Add", width="stretch")
    if sent and attempt(
        lambda: members.add(here.database, here.actor, here.project.id, name, role), "The person is a member."
    ):
        st.rerun()


def _change(here: Visit, entry: Member) -> None:
    user, where = entry.user, (here.database, here.actor, here.project.id)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    role = left.selectbox(
        "Role here", list(ROLES), index=list(ROLES).index(entry.role), format_func=ROLES.__getitem__,
        key=f"role-{here.project.id}-{user.id}",
    )  # fmt: skip
    if right.button("Save the role", disabled=role == entry.role, width="stretch") and attempt(
        lambda: members.set_role(*where, user.id, role), "The role is saved."
    ):
        st.rerun()
    one, two, three = st.columns(3)
    with one:
        _pause(here, entry)
    with two.popover("Exclude ...", width="stretch", disabled=entry.state == "excluded"):
        _exclude(here, entry)
    key, about = f"remove-member-{user.id}", "The answers stay. To withdraw them, exclude the person instead."
    gone = three.button("Remove from the project", key=key, width="stretch", help=about)
    if gone and attempt(lambda: members.remove(*where, user.id), "The membership has ended."):
        st.rerun()


def _pause(here: Visit, entry: Member) -> None:
    """Draw the button between active and paused; it also lets an excluded person work again."""
    active = entry.state == "active"
    label, state = ("Pause", "paused") if active else ("Make active", "active")
    about = "Nothing more is handed out; the answers stay." if active else "Withdrawn answers do not come back."
    asked = st.button(label, key=f"state-{entry.user.id}", width="stretch", help=about)
    if asked and attempt(
        lambda: members.set_state(here.database, here.actor, here.project.id, entry.user.id, state),
        f"{plain(entry.user.name)} is {state}.",
    ):
        st.rerun()


def _exclude(here: Visit, entry: Member) -> None:
    count = members.standing_answers(here.database, here.actor, here.project.id, entry.user.id)
    st.warning(
        f"**{plain(entry.user.name)}** gave {count:,} answers that count here. They are withdrawn: labels are made "
        "anew without them, and images that lack an answer are asked again. History keeps them; they do not come back.",
        icon=":material/warning:",
    )
    if st.button("Exclude and withdraw", type="primary", key=f"exclude-{entry.user.id}") and attempt(
        lambda: members.set_state(here.database, here.actor, here.project.id, entry.user.id, "excluded"),
        f"{plain(entry.user.name)} is excluded.",
    ):
        st.rerun()
