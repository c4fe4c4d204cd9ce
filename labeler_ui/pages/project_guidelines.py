"""Guidelines: what annotators read behind the key G, written in Markdown with a preview."""

from __future__ import annotations

import streamlit as st

from db import projects
from labeler_ui.pages.said import attempt
from labeler_ui.pages.text import safe_markdown
from labeler_ui.pages.visit import Visit

HELP = "Markdown: headings, lists, tables, links to web pages. Images and HTML are shown as text."
EXAMPLE = "## What counts as a wren\n\n- The tail points up\n- When in doubt, press X"


def show(here: Visit) -> None:
    """Draw the editor beside what annotators will see."""
    write, read = st.columns(2)
    with write:
        text = st.text_area(
            "Guidelines",
            here.project.guidelines,
            height=420,
            key=f"guidelines-{here.project.id}",
            help=HELP,
            placeholder=EXAMPLE,
        )
        if st.button("Save the guidelines", type="primary", disabled=text == here.project.guidelines) and attempt(
            lambda: projects.update_project(here.database, here.actor, here.project.id, guidelines=text),
            "The guidelines are saved.",
        ):
            st.rerun()
    with read:
        st.caption("What annotators see")
        with st.container(border=True):
            st.markdown(safe_markdown(text) or "*Nothing yet.*")
