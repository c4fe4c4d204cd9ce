"""The Compare page: which strategy gives the better model, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from db import comparisons, projects
from db.errors import StoreError
from db.records import Comparison, Project
from labeler_ui import compare_words as words
from labeler_ui.pages import (
    compare_about,
    compare_classes,
    compare_data,
    compare_images,
    compare_map,
    compare_new,
    compare_progress,
    compare_results,
    compare_several,
    compare_tables,
)
from labeler_ui.pages.said import sentence, show_done
from labeler_ui.pages.visit import Visit

TABS = ("Result", "Tables", "Classes", "Images", "Map", "About")
MOST_AT_ONCE = 6
EXAMPLE = (
    "borderline compare --dataset digits --strategies dfal,margin,random_sampling --seeds 5 --labels 150 --batch 25"
)


def show(here: Visit | None) -> None:
    """Draw the Compare page: comparisons of all projects that the person may see."""
    if here is None:
        return
    show_done()
    st.title("Compare", anchor=False)
    try:
        found = comparisons.list_comparisons(here.database, here.actor)
        data = {project.id: project for project in projects.list_projects(here.database, here.actor)}
    except StoreError as error:
        st.info(sentence(error), icon=":material/lock:")
        return
    simulated = [project for project in data.values() if project.kind == "simulation"]
    if not found:
        _nothing_yet(here, simulated)
        return
    chosen = _pick(found)
    with st.expander("New comparison", icon=":material/add:"):
        compare_new.show(here, simulated)
    for comparison in chosen:
        compare_progress.card(here, comparison)
    if len(chosen) == 1:
        _one(here, chosen[0], data[chosen[0].project_id])
    elif chosen:
        compare_several.show(here, chosen)


def _nothing_yet(here: Visit, simulated: Sequence[Project]) -> None:
    """Teach the next step where there is nothing to look at."""
    st.write(
        "Which strategy gives you the better model for the same labels? A comparison lets them label images whose "
        "classes are known, several times each, and tells the difference with its interval. There is none yet. "
        "To try it with handwritten digits, in a few minutes:"
    )
    st.code(EXAMPLE, language=None, wrap_lines=True)
    st.caption("Its results appear here while it runs. It can be stopped at any time and goes on where it was.")
    st.subheader("Or start one here", anchor=False)
    compare_new.show(here, simulated)


def _pick(found: Sequence[Comparison]) -> list[Comparison]:
    """Draw the picker; the address remembers what was chosen."""
    by_id = {comparison.id: comparison for comparison in found}
    asked = [int(part) for part in st.query_params.get("comparison", "").split(",") if part.isdigit()]
    usual = [number for number in asked if number in by_id][:MOST_AT_ONCE] or [found[0].id]
    chosen = st.multiselect(
        "Comparisons", list(by_id), default=usual, max_selections=MOST_AT_ONCE, key="compare-pick",
        format_func=lambda number: words.pick_words(by_id[number]),
        help="One shows everything about it; two or more lay their curves over each other.",
    )  # fmt: skip
    if chosen:
        st.query_params["comparison"] = ",".join(map(str, chosen))
    else:
        st.write("Choose a comparison.")
    return [by_id[number] for number in chosen]


def _one(here: Visit, comparison: Comparison, project: Project) -> None:
    """Draw all about one comparison; only the tab that is open is worked out."""
    runs = compare_data.runs(here, comparison)
    result, tables, classes, images, places, about = st.tabs(TABS, key="compare-tab", on_change="rerun")
    if not any(run.points for run in runs):
        st.info("The first figures appear when the first model has been trained.", icon=":material/hourglass_empty:")
        return
    found = compare_data.found(here, comparison)
    if result.open:
        with result:
            compare_results.show(here, comparison, project, found)
    if tables.open:
        with tables:
            compare_tables.show(comparison, found)
    if classes.open:
        with classes:
            compare_classes.show(comparison, found, project)
    if images.open:
        with images:
            compare_images.show(here, comparison, project, runs)
    if places.open:
        with places:
            compare_map.show(here, comparison, project, runs)
    if about.open:
        with about:
            compare_about.show(comparison, project)
