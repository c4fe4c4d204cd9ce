"""The answer of a comparison: the verdict in words, the learning curves, and the differences to a reference."""

from __future__ import annotations

import streamlit as st

from db.records import Comparison, Project
from labeler_ui.pages import compare_data, compare_downloads
from labeler_ui.pages.compare_charts import draw, draw_small
from labeler_ui.pages.compare_data import Found
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit
from pipeline.statistics import ENOUGH_SEEDS, Summary
from pipeline.statistics.charts import difference_plot, differences_over_labels, learning_curves

BASIS = "Points are of"  # the verdict's last sentence says what the numbers are made of


def show(here: Visit, comparison: Comparison, project: Project, found: Found) -> None:
    """Draw the words first, then the two pictures to decide by."""
    names = [arm.name for arm in found.summary.arms]
    words = st.container()
    usual = names.index(found.summary.reference)
    label, key = "The verdict and the differences are about", f"reference-{comparison.id}"
    reference = st.selectbox(label, names, index=usual, key=key, width=320)
    summary = compare_data.about(found.summary, reference)
    with words:
        _verdict(summary)
    _curves(comparison, summary)
    _differences(comparison, summary)
    compare_downloads.show(here, comparison, project, found, summary)


def _verdict(summary: Summary) -> None:
    """Draw the answer large, and what it rests on small."""
    answer, _, basis = summary.verdict.partition(BASIS)
    st.markdown(f"#### {plain(answer)}")
    if basis:
        st.caption(plain(BASIS + basis))
    for note in summary.notes:
        st.caption(f":material/info: {plain(note)}")


def _curves(comparison: Comparison, summary: Summary) -> None:
    st.subheader("Learning curves", anchor=False)
    lines = ", ".join(f"{arm.name} ends at {arm.final.mean:.1%}" for arm in summary.arms)
    draw(learning_curves(summary), f"curves-{comparison.id}", f"Accuracy by labels: {lines}")
    banded = any(point.low is not None for arm in summary.arms for point in arm.curve)
    band = f"The bands are {summary.confidence:.0%} bootstrap intervals of the means. " if banded else ""
    few = "" if banded else f"Bands need {ENOUGH_SEEDS} seeds; until then every run is drawn. "
    st.caption(
        f"Mean accuracy on the test images over the seeds, by labels paid for; never the best so far. {band}{few}"
        "Choose names in the legend to see them alone (with Shift several)."
    )


def _differences(comparison: Comparison, summary: Summary) -> None:
    st.subheader("Differences, seed by seed", anchor=False)
    hero = summary.reference
    if not any(hero in (pair.a, pair.b) for pair in summary.pairs):
        st.write("With a second strategy on the same seeds, differences appear here.")
        return
    st.caption(
        f"How far {plain(hero)} is ahead of each other strategy in the area under the curve, on the same seeds, with "
        f"{summary.confidence:.0%} intervals. Colored where the corrected p-value decides; gray where these "
        "seeds do not tell the two apart."
    )
    draw(difference_plot(summary), f"differences-{comparison.id}", f"Lead of {hero} over each other strategy")
    with st.expander("The same at every label count", expanded=True):
        told = f"Lead of {hero} over each other strategy at each label count"
        draw_small(differences_over_labels(summary), f"over-labels-{comparison.id}", told)
        st.caption("Intervals hold for one label count alone; with many counts some exclude zero by chance.")
