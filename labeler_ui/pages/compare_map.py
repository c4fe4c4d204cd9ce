"""Where the queries lie among all images, a panel an arm: a picture of what each strategy looks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from db import comparisons
from db.records import Comparison, ComparisonRun, Project
from labeler_ui import queried
from labeler_ui.api.guards import Refusal
from labeler_ui.api.images import contained
from labeler_ui.pages.compare_charts import draw, theme
from labeler_ui.pages.compare_images import classes_of
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit
from labeler_ui.query_map import Places, map_chart, read_map, rounds_on

KIND = "map"
MOST_PANELS = 6
SIDE_BY_SIDE = 3


def show(here: Visit, comparison: Comparison, project: Project, runs: Sequence[ComparisonRun]) -> None:
    """Draw the pickers and a panel an arm."""
    try:
        places = _places(here, comparison)
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
    left, right = st.columns([1, 3])
    seed = left.selectbox("Seed", queried.seeds_of(runs, chosen), key=f"{key}-seed")
    last = queried.rounds_of(runs, chosen, seed) - 1
    turn = right.slider("Up to round", 0, last, last, key=f"{key}-round-{last}") if last > 0 else 0
    known = classes_of(here, project, places.ids.tolist())
    places = replace(places, class_names=[known.get(int(sample), "") for sample in places.ids])
    _panels(comparison, places, {run.arm: run for run in runs if run.seed == seed and run.arm in chosen}, chosen, turn)
    about = places.about or "Near images look alike to the model"
    st.caption(f"Every dot is an image; the colored ones were asked, darker or lighter by round. {plain(about)}.")


def _panels(
    comparison: Comparison, places: Places, runs: dict[str, ComparisonRun], chosen: Sequence[str], turn: int
) -> None:
    panels = st.columns(min(len(chosen), SIDE_BY_SIDE))
    for number, arm in enumerate(chosen):
        with panels[number % len(panels)]:
            if arm not in runs:
                st.caption(f"{plain(arm)} has nothing for this seed yet.")
                continue
            asked = rounds_on(places, runs[arm].points, turn)
            told = f"Map of {len(places.ids)} images, {len(asked)} of them asked by {arm} up to round {turn}"
            draw(map_chart(places, asked, arm, last=turn, theme=theme()), f"map-{comparison.id}-{number}-{arm}", told)


def _places(here: Visit, comparison: Comparison) -> Places | None:
    files = comparisons.files_of(here.database, here.actor, comparison.id)
    file = next((entry for entry in files if entry.kind == KIND), None)
    return None if file is None else read_map(contained(here.database.home, file.path), file)
