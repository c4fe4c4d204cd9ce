"""Settings of a project: each change holds from the next round on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st

from db import members, projects
from db.records import Project, Role
from labeler_ui.pages import project_models
from labeler_ui.pages.said import attempt
from labeler_ui.pages.shares import percent
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit
from pipeline.catalog import MODELS, RECIPES, STRATEGIES, Entry

COLD_STARTS = ("typiclust", "probcover", "kmeans", "core_set", "random_sampling")
BALANCE = {
    "auto": "As the counts of labels ask for",
    "none": "No",
    "sampling": "Show rare classes more often",
    "logit_adjustment": "Shift the scores by the counts (logit adjustment)",
    "balanced_softmax": "Weigh the classes in the loss (balanced softmax)",
}
GENERATE = {"none": "No", "gan": "Yes, with a GAN", "translation": "Yes, from images of a common class (CycleGAN)"}
SHOW_WHY = {"on request": "When asked for (?)", "after": "After each answer", "never": "Never"}
SPECS = "Combinations such as margin+deduplicated are set in a terminal: borderline project edit"


def show(here: Visit) -> None:
    """Draw the form and, apart from it, how to delete the project."""
    project = here.project
    known = people(here)
    with st.form(f"settings-{project.id}", border=False):
        values = _asked(project) | _rare(project) | _answering(project) | _shown(project)
        values |= project_models.asked(project)
        expected = st.number_input(
            "People who will answer",
            min_value=0,
            value=known,
            key=f"people-{project.id}",
            help=f"{known} may answer now. Say more if others are to come: no image gets more answers than there are "
            "people.",
        )
        sent = st.form_submit_button("Save the settings", type="primary")
    changes = {field: value for field, value in values.items() if value != getattr(project, field)}
    if sent and not changes:
        st.info("Nothing was changed.")
    elif sent and attempt(
        lambda: projects.update_project(
            here.database, here.actor, project.id, people_expected=int(expected), **changes
        ),
        "The settings are saved; they hold from the next round on.",
    ):
        if "name" in changes:
            st.query_params["project"] = str(project.id)
            st.session_state.pop("borderline_project", None)
        st.rerun()
    _delete(here)


def people(here: Visit) -> int:
    """Return how many people may answer in the project now."""
    everybody = members.members(here.database, here.actor, here.project.id)
    return sum(entry.state == "active" and entry.role >= Role.annotator for entry in everybody)


def choose(label: str, known: Iterable[str], current: str, key: str, about: dict[str, Entry] | None = None) -> str:
    """Draw a list of names with what each does; what is set in a terminal stays among them."""
    names = list(dict.fromkeys([*known, current]))
    text = None if about is None else "  \n".join(f"**{plain(name)}**: {plain(about[name].summary)}" for name in about)
    return str(st.selectbox(label, names, index=names.index(current), key=key, help=text))


def _asked(project: Project) -> dict[str, Any]:
    st.subheader("What is asked", anchor=False)
    left, right = st.columns(2)
    key = f"-{project.id}"
    with left:
        name = st.text_input("Name", project.name, key="name" + key, max_chars=200)
        strategy = choose("Strategy", STRATEGIES, project.strategy, "strategy" + key, STRATEGIES)
        cold_start = choose("While there is no model", COLD_STARTS, project.cold_start, "cold" + key)
        batch = st.number_input("Images a round", 1, 100_000, project.batch_size, key="batch" + key)
        reserve = st.number_input(
            "Reserve", 0, 1_000_000, project.reserve_size, key="reserve" + key,
            help="Next-ranked images, served while the next round is made, so that nobody waits.",
        )  # fmt: skip
    with right:
        model = choose("Model", MODELS, project.model, "model" + key, MODELS)
        recipe = choose("How it is trained", RECIPES, project.recipe, "recipe" + key, RECIPES)
        holdout = st.number_input(
            "Holdout", 0, 1_000_000, project.holdout_size, key="holdout" + key,
            help="Images drawn once at random, labeled by people and never trained on: they measure the accuracy.",
        )  # fmt: skip
        share = percent("Holdout, of a round", project.holdout_share, "holdout_share" + key)
        st.caption(SPECS)
    return {
        "name": name.strip(), "strategy": strategy, "cold_start": cold_start, "batch_size": int(batch),
        "reserve_size": int(reserve), "model": model, "recipe": recipe, "holdout_size": int(holdout),
        "holdout_share": share,
    }  # fmt: skip


def _rare(project: Project) -> dict[str, Any]:
    st.subheader("Rare classes", anchor=False)
    left, right = st.columns(2)
    key = f"-{project.id}"
    with left:
        balance = st.selectbox(
            "Even out classes in training", list(BALANCE), index=list(BALANCE).index(project.balance),
            format_func=BALANCE.__getitem__, key="balance" + key,
            help="A class with few labels counts for more, so that the model does not overlook it.",
        )  # fmt: skip
        checks = percent(
            "Altered images as a check", project.copy_check_share, "copy_check" + key,
            "Images that were changed a little to confuse the model, of all that a person sees: do people still see "
            "the same class in them?", most=20.0,
        )  # fmt: skip
    with right:
        generate = st.selectbox(
            "Make images of rare classes", list(GENERATE), index=list(GENERATE).index(project.generate),
            format_func=GENERATE.__getitem__, key="generate" + key,
            help="They train the model only where a test on real images shows that they help. Nobody is asked to label "
            "them, and nothing is measured on them. See the page Synthetic.",
        )  # fmt: skip
        below = st.number_input(
            "For classes with fewer labels than", 20, 1_000_000, project.generate_below, key="generate_below" + key,
            help="Below 20 labels nothing is made: there is too little to learn a class from.",
        )  # fmt: skip
    return {
        "balance": balance, "copy_check_share": checks, "generate": generate, "generate_below": int(below),
    }  # fmt: skip


def _answering(project: Project) -> dict[str, Any]:
    st.subheader("How many answer, and how it is checked", anchor=False)
    left, right = st.columns(2)
    key = f"-{project.id}"
    with left:
        overlap = st.number_input("Answers to each image", 1, 100, project.overlap, key="overlap" + key)
        most = st.number_input(
            "At most, while they disagree", 0, 100, project.max_overlap or 0, key="max_overlap" + key,
            help="One more annotator is asked as long as the answers are even. 0: never more.",
        )  # fmt: skip
        gold = percent("Gold questions", project.gold_share, "gold" + key, "Images whose class is known, unseen.")
    with right:
        confirm = percent(
            "Images to confirm in the grid", project.confirm_share, "confirm" + key,
            "Of the images of a round, on top of them: those that the model is sure of.",
        )  # fmt: skip
        sure = percent("The model is sure from", project.confirm_confidence, "sure" + key)
        spot = percent("Confirmed ones asked again singly", project.spot_check_share, "spot" + key)
    return {
        "overlap": int(overlap), "max_overlap": int(most) or None, "gold_share": gold, "confirm_share": confirm,
        "confirm_confidence": sure, "spot_check_share": spot,
    }  # fmt: skip


def _shown(project: Project) -> dict[str, Any]:
    st.subheader("What annotators see", anchor=False)
    left, right = st.columns(2, vertical_alignment="bottom")
    why = left.selectbox(
        "Why an image is asked",
        list(SHOW_WHY),
        index=list(SHOW_WHY).index(project.show_why),
        format_func=SHOW_WHY.__getitem__,
        key=f"why-{project.id}",
    )
    guess = right.checkbox(
        "The model's guess before the answer", project.show_predictions, key=f"guess-{project.id}",
        help="It makes people faster and less independent; every answer notes what was shown.",
    )  # fmt: skip
    return {"show_why": why, "show_predictions": guess}


def _delete(here: Visit) -> None:
    with st.expander("Delete this project"):
        st.write("It disappears and its name is free. Labels and their history stay in the database.")
        typed = st.text_input("Its name, to be sure", key=f"delete-{here.project.id}")
        sure = typed.strip() == here.project.name
        if st.button("Delete", disabled=not sure, key=f"delete-now-{here.project.id}") and attempt(
            lambda: projects.delete_project(here.database, here.actor, here.project.id), "The project is deleted."
        ):
            st.query_params.pop("project", None)
            st.session_state.pop("borderline_project", None)
            st.rerun()
