"""Where the queries lie among all images, a panel an arm: a picture of what each strategy looks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import streamlit as st

from db import comparisons
from db.records import Comparison, ComparisonRun, Project
from labeler_ui import queried
from labeler_ui.api.guards import Refusal
from labeler_ui.api.images import contained
from labeler_ui.pages.compare_charts import draw_small
from labeler_ui.pages.compare_images import classes_of
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit
from labeler_ui.query_map import Places, map_points, read_map
from pipeline.statistics.charts import queries_chart

Color = Literal["round", "class"]
COLORS: tuple[Color, ...] = ("round", "class")
KIND = "map"
WIDTH = 240
MOST_PANELS = 6
SIDE_BY_SIDE = 3


def show(here: Visit, comparison: Comparison, project: Project, runs: Sequence[ComparisonRun]) -> None:
    """Draw the pickers and a panel an arm."""
    try:
        places = places_of(here, comparison, project)
    except (ValueError, Refusal) as error:
        st.warning(plain(str(error)), icon=":material/error:")
        return
    if places is None:
        st.write("There is no map yet. It is made from the images' embeddings when the comparison ends.")
        return
    key = f"map-{comparison.id}"
    arms = list(dict.fromkeys(run.arm for run in runs if run.points))
    usual = [arm for arm in ("random_sampling", "margin", "core_set", "dfal") if arm in arms][:SIDE_BY_SIDE] or arms[:3]
    chosen = st.multiselect("Strategies", arms, default=usual, max_selections=MOST_PANELS, key=f"{key}-arms")
    if not chosen:
        st.write("Choose one strategy or more.")
        return
    left, middle, right = st.columns([1, 2, 1], vertical_alignment="bottom")
    seed = left.selectbox("Seed", queried.seeds_of(runs, chosen), key=f"{key}-seed")
    last = queried.rounds_of(runs, chosen, seed) - 1
    turn = middle.slider("Up to round", 0, last, last, key=f"{key}-round-{last}") if last > 0 else 0
    color = right.segmented_control("Color by", COLORS, default="round", required=True, key=f"{key}-color")
    _panels(places, _of_seed(runs, chosen, seed), turn, color, key)
    about = places.about or "Near images look alike to the model."
    st.caption(f"Every dot is an image; gray ones were not asked by that strategy. {plain(about)}")


def _of_seed(runs: Sequence[ComparisonRun], chosen: Sequence[str], seed: int) -> dict[str, ComparisonRun]:
    """Return the runs of a seed by arm, in the order in which the arms were chosen."""
    there = {run.arm: run for run in runs if run.seed == seed}
    return {arm: there[arm] for arm in chosen if arm in there}


def _panels(places: Places, runs: dict[str, ComparisonRun], turn: int, color: Color, key: str) -> None:
    """Draw one map an arm, side by side where there is room."""
    panels = st.columns(SIDE_BY_SIDE)
    for number, (arm, run) in enumerate(runs.items()):
        spec = queries_chart(map_points(places, run.points, arm, turn), color=color, width=WIDTH)
        if spec is not None:
            spec["config"] = {"legend": {"orient": "bottom", "columns": 5}}
            if color == "round" and st.context.theme.type == "dark":  # late rounds stand out from either ground
                spec["spec"]["layer"][1]["encoding"]["color"]["scale"]["reverse"] = False
            with panels[number % SIDE_BY_SIDE]:
                draw_small(spec, f"{key}-{number}-{arm}", f"Where the images lie that {arm} asked up to round {turn}")


def places_of(here: Visit, comparison: Comparison, project: Project) -> Places | None:
    """Return where the images lie and what they are, as far as that may be known; None if there is no map.

    Raises:
        ValueError: The map's file is gone or damaged.
        Refusal: It does not lie below BORDERLINE_HOME.
    """
    files = comparisons.files_of(here.database, here.actor, comparison.id)
    file = next((entry for entry in files if entry.kind == KIND), None)
    if file is None:
        return None
    places = read_map(contained(here.database.home, file.path), file)
    known = classes_of(here, project, places.ids.tolist())
    return replace(places, class_names=[known.get(int(sample), "") for sample in places.ids])
