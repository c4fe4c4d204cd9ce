"""A new project in one form: what an image can be, how large the model sees it, who answers."""

from __future__ import annotations

import re

import streamlit as st

from db import projects
from db.engine import Database
from db.errors import StoreError
from db.records import Actor, ProjectSpec
from labeler_ui.pages.said import sentence
from pipeline.catalog import MODELS, STRATEGIES

_ERROR, _PLACE = "borderline_new_error", "borderline_project"
FIELDS = ("name", "classes", "size", "channels", "model", "strategy", "batch", "overlap", "people")


def form(database: Database, actor: Actor) -> None:
    """Draw the form; everything that it leaves out has a default and can be changed later."""
    if _ERROR in st.session_state:
        st.error(st.session_state.pop(_ERROR), icon=":material/error:")
    with st.form("new", border=False):
        left, right = st.columns(2)
        left.text_input("Name", key="new-name", max_chars=200, placeholder="birds")
        left.text_area(
            "Classes, one a line", key="new-classes", height=160, placeholder="robin\nwren\nowl",
            help="What an image can be, two or more, in the order of their keys. You can add and rename them later.",
        )  # fmt: skip
        left.number_input(
            "Image size in pixels", 8, 512, 64, key="new-size",
            help="The side of the square that the model sees; people see the whole image. It cannot be changed later.",
        )  # fmt: skip
        left.radio("Images are", ["in color", "gray"], key="new-channels", horizontal=True)
        right.selectbox("Model", list(MODELS), key="new-model", help=MODELS["convnet"].summary)
        right.selectbox("Strategy", list(STRATEGIES), key="new-strategy", help=STRATEGIES["dfal"].summary)
        right.number_input("Images a round", 1, 100_000, 10, key="new-batch")
        right.number_input("Answers to each image", 1, 100, 1, key="new-overlap")
        right.number_input(
            "People who will answer", 1, 10_000, 1, key="new-people",
            help="No image gets more answers than there are people.",
        )  # fmt: skip
        st.form_submit_button("Create the project", type="primary", on_click=_create, args=(database, actor))


def _create(database: Database, actor: Actor) -> None:
    """Create it before the page is drawn, so that the page that follows is the new project's."""
    given = {field: st.session_state[f"new-{field}"] for field in FIELDS}
    spec = ProjectSpec(
        name=given["name"],
        classes=class_lines(given["classes"]),
        image_size=int(given["size"]),
        channels=3 if given["channels"] == "in color" else 1,
        model=given["model"],
        strategy=given["strategy"],
        batch_size=int(given["batch"]),
        overlap=int(given["overlap"]),
    )
    try:
        made = projects.create_project(database, actor, spec, people_expected=int(given["people"]))
    except StoreError as error:
        st.session_state[_ERROR] = sentence(error)
        return
    st.session_state[_PLACE] = made.name
    st.query_params["project"] = made.name
    st.session_state["borderline_done"] = "The project is there. Add its images next."


def class_lines(text: str) -> tuple[str, ...]:
    r"""Return class names from lines; a single line may also have commas.

    >>> class_lines("robin\n wren \n\n"), class_lines("a, b,c"), class_lines("rock, paper\nair")
    (('robin', 'wren'), ('a', 'b', 'c'), ('rock, paper', 'air'))
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1:
        lines = [part.strip() for part in re.split(r"[,;]", lines[0]) if part.strip()]
    return tuple(lines)
