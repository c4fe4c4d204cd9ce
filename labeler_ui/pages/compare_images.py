"""What the arms asked, side by side: choose the arms, one seed and one round, and look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from db import samples
from db.records import Project
from db.records.comparisons import Comparison, ComparisonRun
from labeler_ui import queried
from labeler_ui.component.wall import wall
from labeler_ui.pages.visit import Visit

MOST_ARMS = 6


def show(here: Visit, comparison: Comparison, project: Project, runs: Sequence[ComparisonRun]) -> None:
    """Draw the pickers and the images.

    Args:
        here: Who looks.
        comparison: What is looked at.
        project: The project that holds its images.
        runs: All runs of the comparison.
    """
    arms = list(dict.fromkeys(run.arm for run in runs if run.points))
    if not arms:
        st.write("The first images appear here when the first model has been trained.")
        return
    key = f"images-{comparison.id}"
    usual = [arm for arm in ("random_sampling", "margin", "dfal") if arm in arms] or arms[:3]
    chosen = st.multiselect(
        "Strategies side by side", arms, default=usual[:MOST_ARMS], max_selections=MOST_ARMS, key=f"{key}-arms"
    )
    if not chosen:
        st.write("Choose one strategy or more.")
        return
    seed, turn = _pick(runs, chosen, key)
    points = queried.asked(runs, chosen, seed, turn)
    classes = classes_of(here, project, [sample for point in points.values() for sample in point.queried])
    st.caption(_explained(turn))
    wall(
        key=f"wall-{comparison.id}-{here.actor.user_id}",
        image_pass=replace(here, project=project).image_pass(),
        project_id=project.id,
        strips=queried.strips(points, classes),
    )


def _pick(runs: Sequence[ComparisonRun], arms: Sequence[str], key: str) -> tuple[int, int]:
    """Draw the pickers of seed and round and return both."""
    left, right = st.columns([1, 3])
    seeds = queried.seeds_of(runs, arms)
    seed = left.selectbox("Seed", seeds, key=f"{key}-seed")
    last = queried.rounds_of(runs, arms, seed) - 1
    if last < 1:
        return seed, 0
    return seed, right.slider("Round", 0, last, min(1, last), key=f"{key}-round-{last}")


def _explained(turn: int) -> str:
    if turn == 0:
        return "Round 0 is the seed set: drawn before there is a model, the same for every strategy of this seed."
    return (
        "In the order of the ranking, the most wanted first, with the class that the simulated annotator gave. "
        "A colored frame: another of these strategies asked it in this round too."
    )


def classes_of(here: Visit, project: Project, ids: Sequence[int]) -> dict[int, str]:
    """Return class names by sample; the truth of a project that people label stays hidden."""
    if project.kind != "simulation":
        return {}
    names = project.output_names
    known = samples.known_classes(here.database, project.id, list(dict.fromkeys(ids)))
    return {sample: names[place] for sample, place in known.items() if place < len(names)}
