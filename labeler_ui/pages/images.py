"""Images of a project: uploaded from the browser or read from a folder; a flow reads and checks them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import streamlit as st

from db import commands, inputs
from db.records import Command
from db.space import require_disk, require_quota, require_uploads
from labeler_ui import settings
from labeler_ui.folders import readable_folder
from labeler_ui.hosts import is_loopback
from labeler_ui.pages.said import attempt
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit, still_here

REFRESH_SECONDS = 3
MOST_FILES = 2000
FOLDER_HELP = "A folder of images, flat or with a folder a class. The files stay where they are."
LABELS = {"use": "are their labels", "hide": "are kept for simulations alone", "ignore": "mean nothing"}
SPLITS = {"": "labeling (or what folders named train, validation, test say)", "pool": "labeling",
          "validation": "validation: they choose the model", "test": "test: they measure it"}  # fmt: skip
WORDS = {"pending": "being read ...", "done": "", "failed": "Could not be read: "}


class Upload(Protocol):
    """What Streamlit hands over for each file."""

    name: str
    size: int

    def getvalue(self) -> bytes:
        """Return the content."""


def draw(here: Visit) -> None:
    """Draw both ways to add images, and what became of those before."""
    st.write(
        "New images join those to choose from. Every file is checked; what cannot be used is named with its reason."
    )
    left, right = st.columns(2)
    with left:
        _upload(here)
    with right:
        _folder(here)
    _history(here)


def _upload(here: Visit) -> None:
    st.subheader("From this computer", anchor=False)
    with st.form("upload", clear_on_submit=True, border=False):
        files = st.file_uploader("Image files", accept_multiple_files=True)
        sent = st.form_submit_button("Add these images", type="primary")
    if sent and len(files) > MOST_FILES:
        st.error(f"That are {len(files):,} files; please add at most {MOST_FILES:,} at a time. Nothing was added.")
    elif sent and files:
        attempt(lambda: take_in(here, files), "The images are being read.")
    elif sent:
        st.info("Choose some files first.")


def _folder(here: Visit) -> None:
    st.subheader("From a folder of the server", anchor=False)
    with st.form("folder", border=False):
        text = st.text_input("Folder", key=f"folder-{here.project.id}", help=FOLDER_HELP)
        labels = st.selectbox("Class folders inside", list(LABELS), format_func=LABELS.__getitem__, key="folder-labels")
        split = st.selectbox("Use them for", list(SPLITS), format_func=SPLITS.__getitem__, key="folder-split")
        copy = st.checkbox("Copy the files into Borderline's own folder", key="folder-copy")
        sent = st.form_submit_button("Add this folder")
    if sent and attempt(lambda: point_at(here, text, labels, split, copy=copy), "The folder is being read."):
        st.rerun()
    st.caption(f"Array files and data sets by name: borderline ingest {plain(here.project.name)} SOURCE")


def point_at(here: Visit, text: str, labels: str, split: str, *, copy: bool) -> Command:
    """Leave the wish to read a folder where it lies.

    Raises:
        InvalidInput: It is no folder or URL, or not one that may be read from here.
    """
    found = settings.load()
    accounts = settings.load().team  # behind a proxy loopback says nothing
    local = not accounts and is_loopback(str(st.get_option("server.address") or ""))
    if "://" in text:
        folder = inputs.listed_url(text, found.ingest_remote)
    else:
        folder = str(readable_folder(text, root=found.ingest_root, local=local))
    payload = {"source": folder, "labels": labels, "split": split or None, "copy_files": copy}
    key = f"folder-{uuid.uuid4().hex}"
    return commands.post(here.database, here.actor, here.project.id, "ingest", payload, key)


def take_in(here: Visit, files: Sequence[Upload]) -> Command:
    """Write files to an inbox of their own and leave the wish to read them; nothing is decoded here.

    Returns:
        The command row that the flow answers.

    Raises:
        NoSpace: The disk is nearly full, or a quota is used up; nothing was written.
    """
    _require_room(here, sum(file.size for file in files))
    inbox = settings.load().home / "inbox" / str(here.project.id) / uuid.uuid4().hex
    inbox.mkdir(parents=True, mode=0o700)
    for number, file in enumerate(files):
        (inbox / f"{number:04d}-{safe_name(file.name)}").write_bytes(file.getvalue())
    payload = {"source": str(inbox), "labels": "ignore", "copy_files": True}
    return commands.post(here.database, here.actor, here.project.id, "ingest", payload, inbox.name)


def _require_room(here: Visit, size: int) -> None:
    found = settings.load()
    require_disk(found.home, found.free_space_floor, size)
    require_quota(here.database, here.project.id, found.project_quota, size)
    mine = [one for one in commands.pending(here.database, 1000) if one.created_by == here.actor.user_id]
    waiting = [Path(str(one.payload.get("source", ""))) for one in mine if one.payload.get("copy_files")]
    require_uploads([folder for folder in waiting if folder.is_relative_to(found.home)], found.upload_quota, size)


def safe_name(name: str) -> str:
    r"""Return what is left of a file's name when it can only be a name: no folders, no control characters.

    >>> safe_name("../../etc/pass wd.png"), safe_name("a\\x00b.jpg")
    ('pass wd.png', 'ab.jpg')
    """
    last = Path(name.replace("\\", "/")).name
    return re.sub(r"[^\w .()+-]", "", last)[-100:] or "image"


@st.fragment(run_every=REFRESH_SECONDS)
def _history(here: Visit) -> None:
    if not still_here(here):
        return
    for command in commands.recent(here.database, here.actor, here.project.id):
        if command.kind == "ingest":
            with st.container(border=True):
                st.text(WORDS.get(command.state, "") + command.message)
