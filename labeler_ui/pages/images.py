"""The Images page: add images to a project from the browser; a flow reads and checks them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import streamlit as st

from db import commands
from db.records import Command
from labeler_ui import settings
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit

REFRESH_SECONDS = 3
MOST_FILES = 2000
WORDS = {"pending": "being read ...", "done": "", "failed": "Could not be read: "}


class Upload(Protocol):
    """What Streamlit hands over for each file."""

    name: str

    def getvalue(self) -> bytes:
        """Return the content."""


def show(here: Visit | None) -> None:
    """Draw the page for adding images to a project."""
    if here is None:
        return
    st.title("Add images", anchor=False)
    st.write(
        "They join the images to choose from. Every file is checked; what cannot be used is named with its reason."
    )
    with st.form("upload", clear_on_submit=True, border=False):
        files = st.file_uploader("Image files", accept_multiple_files=True)
        sent = st.form_submit_button("Add these images", type="primary")
    if sent and len(files) > MOST_FILES:
        st.error(f"That are {len(files):,} files; please add at most {MOST_FILES:,} at a time. Nothing was added.")
    elif sent and files:
        take_in(here, files)
    elif sent:
        st.info("Choose some files first.")
    st.caption(f"Many files? In a terminal: borderline ingest {plain(here.project.name)} FOLDER")
    _history(here)


def take_in(here: Visit, files: Sequence[Upload]) -> Command:
    """Write files to an inbox of their own and leave the wish to read them; nothing is decoded here.

    Returns:
        The command row that the flow answers.
    """
    inbox = settings.load().home / "inbox" / str(here.project.id) / uuid.uuid4().hex
    inbox.mkdir(parents=True, mode=0o700)
    for number, file in enumerate(files):
        (inbox / f"{number:04d}-{safe_name(file.name)}").write_bytes(file.getvalue())
    payload = {"source": str(inbox), "labels": "ignore", "copy_files": True}
    return commands.post(here.database, here.actor, here.project.id, "ingest", payload, inbox.name)


def safe_name(name: str) -> str:
    r"""Return what is left of a file's name when it can only be a name: no folders, no control characters.

    >>> safe_name("../../etc/pass wd.png"), safe_name("a\\x00b.jpg")
    ('pass wd.png', 'ab.jpg')
    """
    last = Path(name.replace("\\", "/")).name
    return re.sub(r"[^\w .()+-]", "", last)[-100:] or "image"


@st.fragment(run_every=REFRESH_SECONDS)
def _history(here: Visit) -> None:
    for command in commands.recent(here.database, here.actor, here.project.id):
        if command.kind == "ingest":
            with st.container(border=True):
                st.text(WORDS.get(command.state, "") + command.message)
