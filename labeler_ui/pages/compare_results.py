"""The answer of a comparison: the verdict in words, the learning curves, and the differences to a reference."""

from __future__ import annotations

import streamlit as st

from db.records import Comparison
from labeler_ui.pages import compare_data, compare_downloads
from labeler_ui.pages.compare_charts import draw, theme
from labeler_ui.pages.compare_data import Found
from labeler_ui.pages.text import plain
from pipeline.statistics import ENOUGH_SEEDS, Summary
from pipeline.statistics.charts import difference_chart, learning_curves

BASIS = "Points are of"  # the verdict's last sentence says what the numbers are made of


def show(comparison: Comparison, found: Found) -> None:
    """Draw the words first, then the two pictures to decide by."""
    names = [arm.name for arm in found.summary.arms]
    words = st.container()
    reference = st.selectbox(
        "The verdict is about", names, index=names.index(found.summary.reference), key=f"reference-{comparison.id}",
        width=320,
    )  # fmt: skip
    summary = compare_data.about(found.summary, reference)
    with words:
        _verdict(summary)
    _curves(comparison, summary)
    _differences(comparison, summary)
    compare_downloads.show(comparison, found, summary)


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
    draw(learning_curves(summary, theme=theme()), f"curves-{comparison.id}", f"Accuracy by labels: {lines}")
    banded = any(point.low is not None for arm in summary.arms for point in arm.curve)
    band = f"The bands are {summary.confidence:.0%} bootstrap intervals of the means. " if banded else ""
    few = "" if banded else f"Bands need {ENOUGH_SEEDS} seeds; until then every run is drawn. "
    st.caption(
        f"Mean accuracy on the test images over the seeds, by labels paid for. {band}{few}"
        "Choose names in the legend to see them alone."
    )


def _differences(comparison: Comparison, summary: Summary) -> None:
    st.subheader("Differences, seed by seed", anchor=False)
    names = [arm.name for arm in summary.arms]
    if len(names) < 2:
        st.write("With a second strategy its differences appear here.")
        return
    usual = names.index("random_sampling") if "random_sampling" in names else 0
    chosen = st.selectbox("Compared with", names, index=usual, key=f"compared-{comparison.id}", width=320)
    pairs = [pair for pair in summary.pairs if chosen in (pair.a, pair.b)]
    if not pairs:
        st.write("It has no seed in common with another strategy yet.")
        return
    told = f"Differences in accuracy to {chosen} by labels, of {len(pairs)} strategies"
    draw(difference_chart(summary, chosen, theme=theme()), f"differences-{comparison.id}", told)
    st.caption(
        f"Each strategy minus {plain(chosen)}, on the same seeds, with {summary.confidence:.0%} intervals for each "
        "label count alone. Where a band holds zero, these seeds do not tell the two apart there."
    )
