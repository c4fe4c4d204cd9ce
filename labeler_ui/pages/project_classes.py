"""Classes of a project: add and rename; what merging or removing one does is said before it is done."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from db import classes
from db.records import ClassRecord, ClassUsage
from labeler_ui.keymap import keys_for
from labeler_ui.pages.said import attempt
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit

KEY_HELP = "The key that picks it. Classes that are all called by one character have that character as their key."
MERGE, AGAIN = "Give them to another class", "Drop them and ask these images again"


def show(here: Visit) -> None:
    """Draw the classes with what hangs on them, and what can be done with one."""
    project = here.project
    used = classes.usages(here.database, here.actor, project.id)
    keys = dict(zip((entry.id for entry in project.classes), keys_for(project.classes), strict=True))
    rows = [
        {"Class": entry.name, "Key": keys[entry.id] or "–", "Labels": used[entry.id].labels,
         "Answers": used[entry.id].answers, "Gold": used[entry.id].gold}
        for entry in project.classes
    ]  # fmt: skip
    st.dataframe(rows, hide_index=True, width="stretch")
    if project.retired:
        gone = ", ".join(plain(entry.name) for entry in project.retired)
        st.caption(f"Merged or removed: {gone}. Their history stays.")
    _add(here)
    st.subheader("Change a class", anchor=False)
    entry = _pick(project.classes, "Class", f"class-{project.id}")
    if entry is not None:
        _rename(here, entry, keys[entry.id])
        left, right = st.columns(2)
        with left.popover("Merge into another ...", width="stretch"):
            _merge(here, entry, used[entry.id])
        with right.popover("Remove ...", width="stretch"):
            _remove(here, entry, used[entry.id])


def _add(here: Visit) -> None:
    with st.form(f"add-class-{here.project.id}", clear_on_submit=True, border=False):
        left, right = st.columns([4, 1], vertical_alignment="bottom")
        name = left.text_input("Add a class", max_chars=200, key=f"add-class-name-{here.project.id}")
        sent = right.form_submit_button("Add", width="stretch")
    if sent and attempt(
        lambda: classes.add(here.database, here.actor, here.project.id, name),
        "The class is there; the next round's model learns it.",
    ):
        st.rerun()


def _rename(here: Visit, entry: ClassRecord, shown: str) -> None:
    with st.form(f"rename-{entry.id}", border=False):
        left, middle, right = st.columns([3, 1, 1], vertical_alignment="bottom")
        name = left.text_input("Name", entry.name, max_chars=200, key=f"rename-name-{entry.id}")
        key = middle.text_input("Key", shown, key=f"rename-key-{entry.id}", help=KEY_HELP)
        sent = right.form_submit_button("Save", width="stretch")

    def change() -> None:
        if name.strip() != entry.name:
            classes.rename(here.database, here.actor, here.project.id, entry.id, name)
        if key.strip() != shown:
            classes.set_key(here.database, here.actor, here.project.id, entry.id, key.strip())

    if sent and attempt(change, "The class is changed; its labels stay."):
        st.rerun()


def counts(used: ClassUsage) -> str:
    """Say what hangs on a class.

    >>> counts(ClassUsage(labels=1, answers=2))
    '1 label, 2 answers'
    """
    parts = (
        (used.labels, "label"),
        (used.answers, "answer"),
        (used.gold, "gold question"),
        (used.known, "image with it as known class"),
    )
    words = [f"{count:,} {what if count == 1 else what.replace('image', 'images') if 'image' in what else what + 's'}"
             for count, what in parts if count]  # fmt: skip
    return ", ".join(words) or "no labels and no answers"


def _merge(here: Visit, entry: ClassRecord, used: ClassUsage) -> None:
    into = _other(here, entry, "Into", f"merge-into-{entry.id}")
    if into is None:
        return
    _question(f"**{plain(entry.name)}** has {counts(used)}. All of them will count for **{plain(into.name)}**.")
    if st.button("Merge", type="primary", key=f"merge-{entry.id}") and attempt(
        lambda: classes.merge(here.database, here.actor, here.project.id, entry.id, into.id),
        f"{plain(entry.name)} is merged into {plain(into.name)}.",
    ):
        st.rerun()


def _remove(here: Visit, entry: ClassRecord, used: ClassUsage) -> None:
    into, again = None, False
    if used.used:
        st.write(f"**{plain(entry.name)}** has {counts(used)}. What becomes of them?")
        again = st.radio("What becomes of them?", [MERGE, AGAIN], key=f"remove-how-{entry.id}",
                         label_visibility="collapsed") == AGAIN  # fmt: skip
        into = None if again else _other(here, entry, "The class that takes them", f"remove-into-{entry.id}")
        _question("Answers that are withdrawn stay in history alone." if again else "")
    else:
        _question(f"**{plain(entry.name)}** has {counts(used)}.")
    target = None if into is None else into.id
    if st.button("Remove", type="primary", key=f"remove-{entry.id}") and attempt(
        lambda: classes.remove(
            here.database, here.actor, here.project.id, entry.id, merge_into=target, ask_again=again
        ),
        f"{plain(entry.name)} is removed.",
    ):
        st.rerun()


def _other(here: Visit, entry: ClassRecord, label: str, key: str) -> ClassRecord | None:
    return _pick([other for other in here.project.classes if other.id != entry.id], label, key)


def _pick(entries: Sequence[ClassRecord], label: str, key: str) -> ClassRecord | None:
    """Draw a list of classes; it holds ids, so that a choice outlives a new name."""
    by_id = {entry.id: entry for entry in entries}
    chosen = st.selectbox(label, list(by_id), format_func=lambda class_id: by_id[class_id].name, key=key)
    return None if chosen is None else by_id.get(chosen)


def _question(text: str) -> None:
    st.warning(f"{text} There is no way back.".strip(), icon=":material/warning:")
