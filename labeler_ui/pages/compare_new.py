"""Start a comparison: what is compared, on which images, how far. The wish is a row that the flows carry out."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import streamlit as st

from db import commands
from db.errors import StoreError
from db.records import Project, Role
from labeler_ui import compare_words as words
from labeler_ui.pages.said import attempt
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit
from pipeline.catalog import MODELS, STRATEGIES

USUAL = ("dfal", "margin", "bald", "core_set", "random_sampling")
MOST_WISHES = 3
BY_NAME = ("digits",)  # comes with scikit-learn; the others lie in a folder and are typed or started in a terminal
PROTOCOLS = {
    "fair": "Fair: the whole pool for everyone, one recipe tuned on random sampling",
    "paper": "Paper: the setting of Ducoffe and Precioso (2018)",
}


def may_start(here: Visit) -> bool:
    """Whether the person's role holds everywhere: a comparison may bring images of its own."""
    return (here.actor.role or Role.viewer) >= Role.administrator


def show(here: Visit, data: Sequence[Project]) -> None:
    """Draw the form, and the command that does the same.

    Args:
        here: Who asks.
        data: Projects that hold images with known classes already.
    """
    if not may_start(here):
        st.info("Administrators start comparisons. Ask one, or give them the command.", icon=":material/lock:")
        return
    _wishes(here)
    given = _what(data)
    given |= _how()
    st.caption("The same in a terminal, with more choices (borderline compare \\-\\-help):")
    st.code(words.command(given), language=None, wrap_lines=True)
    problem = problem_of(given)
    if problem:
        st.warning(plain(problem), icon=":material/edit:")
    if st.button("Start the comparison", type="primary", disabled=bool(problem), key="compare-start"):
        key = f"compare-{uuid.uuid4().hex}"
        done = "The comparison is on its way. It appears here when its images are read."
        if attempt(lambda: commands.post(here.database, here.actor, None, "compare", payload_of(given), key), done):
            st.rerun()


def _wishes(here: Visit) -> None:
    """Tell of comparisons that were asked for here and have not begun, or could not."""
    try:
        recent = commands.recent(here.database, here.actor, None, MOST_WISHES)
    except StoreError:
        return
    for wish in recent:
        if wish.kind == "compare" and wish.state == "pending":
            st.caption(":material/hourglass_empty: A comparison is on its way; `borderline up` carries it out.")
        elif wish.kind == "compare" and wish.state == "failed":
            first = next(iter(wish.message.splitlines()), "")
            st.warning(f"A comparison could not be carried out: {plain(first)}", icon=":material/error:")


def problem_of(given: dict[str, Any]) -> str:
    """Return what is missing or cannot be; '' when all is well."""
    if not str(given["dataset"] or "").strip():
        return "Name the images."
    if len(given["strategies"]) < 2:
        return "Choose two strategies or more."
    if given["seed_labels"] > given["labels"]:
        return "The first round has more labels than there are to be in all."
    return ""


def payload_of(given: dict[str, Any]) -> dict[str, Any]:
    """Return the wish: the options of `borderline compare` by their names, as JSON has them."""
    return {name: value for name, value in given.items() if value is not None}


def _what(data: Sequence[Project]) -> dict[str, Any]:
    left, right = st.columns(2)
    names = list(dict.fromkeys([*BY_NAME, *(project.name for project in data)]))
    dataset = left.selectbox(
        "Images with known classes", names, key="compare-dataset", accept_new_options=True,
        help="A data set by name, a project of an earlier comparison, or a folder of the server with a folder a class.",
    )  # fmt: skip
    about = "  \n".join(f"**{plain(name)}**: {plain(entry.summary)}" for name, entry in STRATEGIES.items())
    strategies = right.multiselect(
        "Strategies", list(STRATEGIES), default=USUAL, key="compare-strategies", accept_new_options=True,
        help=f"Type others, such as margin\\+copies.  \n{about}",
    )  # fmt: skip
    return {"dataset": (dataset or "").strip(), "strategies": list(strategies)}


def _how() -> dict[str, Any]:
    names = list(MODELS)
    row = st.columns(5)
    model = row[0].selectbox("Model", names, index=names.index("lenet5"), key="compare-model")
    labels = row[1].number_input("Labels to reach", 2, 1_000_000, 150, key="compare-labels")
    first = row[2].number_input("Labels of the first round", 2, 1_000_000, 20, key="compare-first")
    batch = row[3].number_input("Labels a round", 1, 100_000, 25, key="compare-batch")
    seeds = row[4].number_input(
        "Seeds",
        1,
        1000,
        5,
        key="compare-seeds",
        help="Repeats with other luck. Five or more allow intervals and tests.",
    )
    left, right = st.columns([3, 1])
    protocol = left.selectbox("Protocol", list(PROTOCOLS), format_func=PROTOCOLS.__getitem__, key="compare-protocol")
    rare = right.number_input(
        "Rarest class, times rarer", 1.0, 1000.0, 1.0, key="compare-imbalance", format="%g",
        help="Makes some classes of the pool rarer on purpose. 1 leaves the images as they are.",
    )  # fmt: skip
    return {
        "model": model, "labels": int(labels), "seed_labels": int(first), "batch": int(batch),
        "seeds": list(range(int(seeds))), "protocol": protocol, "imbalance": None if rare == 1 else float(rare),
    }  # fmt: skip
