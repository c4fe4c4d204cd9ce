"""Several comparisons at once: their curves over each other and their areas; no test between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from db.records import Comparison
from labeler_ui import compare_rows as rows
from labeler_ui.pages import compare_data
from labeler_ui.pages.compare_charts import draw
from labeler_ui.pages.compare_tables import PERCENT
from labeler_ui.pages.visit import Visit
from pipeline.statistics import Curve, summarize
from pipeline.statistics.charts import learning_curves

USUAL = ("random_sampling", "dfal")
MOST_LINES = 13


def show(here: Visit, chosen: Sequence[Comparison]) -> None:
    """Draw the curves of all chosen comparisons together."""
    curves = _together(here, chosen)
    if not curves:
        st.info("None of these has a figure yet.", icon=":material/hourglass_empty:")
        return
    names = list(curves)
    usual = [name for name in names if name.split(" · ")[0] in USUAL] or names
    lines = st.multiselect(
        "Lines", names, default=usual[:MOST_LINES], max_selections=MOST_LINES,
        key="compare-lines-" + "-".join(str(entry.id) for entry in chosen),
    )  # fmt: skip
    if not lines:
        st.write("Choose one line or more.")
        return
    summary = summarize([curve for name in lines for curve in curves[name]])
    draw(learning_curves(summary), "several-curves", f"Learning curves of {len(lines)} arms")
    st.dataframe(
        rows.area_rows(summary), hide_index=True, width="stretch",
        column_config={"Area": PERCENT, "At the end": PERCENT, **dict.fromkeys(rows.AT_THE_END, PERCENT)},
    )  # fmt: skip
    st.caption(
        "Comparisons may rest on other images, seeds or recipes, so no differences are tested between them. An area "
        "covers each line's own label counts: compare it only where those agree."
    )


def _together(here: Visit, chosen: Sequence[Comparison]) -> dict[str, list[Curve]]:
    """Return the curves of all comparisons, each arm called by its comparison too."""
    curves: dict[str, list[Curve]] = {}
    for comparison in chosen:
        runs = compare_data.runs(here, comparison)
        if any(run.points for run in runs):
            for arm, found in compare_data.found(here, comparison).curves.items():
                name = f"{arm} · {comparison.name}"
                curves[name] = [replace(curve, arm=name) for curve in found]
    return curves
