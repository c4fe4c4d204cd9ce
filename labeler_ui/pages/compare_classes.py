"""What became of each class: how soon all have a label, how the rarest fare, and where each stands at the end."""

from __future__ import annotations

from typing import Any

import streamlit as st

from db.records import Comparison, Project
from labeler_ui import compare_rows as rows
from labeler_ui.pages.compare_charts import draw
from labeler_ui.pages.compare_data import Found
from labeler_ui.pages.text import plain
from pipeline.statistics import Summary
from pipeline.statistics.charts import class_coverage, rare_class_recall

MOST_ARMS = 4
RECALL = st.column_config.ProgressColumn(format="%.0f %%", min_value=0, max_value=100)
COUNT = st.column_config.NumberColumn(format="%.1f")


def show(comparison: Comparison, found: Found, project: Project) -> None:
    """Draw coverage and rare-class recall along the way, then a table of all classes at the end."""
    summary, names = found.summary, list(project.output_names)
    if summary.classes is None:
        st.write("Nobody counted classes in this comparison.")
        return
    st.subheader("Classes with a label", anchor=False)
    st.caption(f"Of {summary.classes}, as a mean over the seeds, by labels paid for.")
    draw(class_coverage(summary), f"coverage-{comparison.id}", "Classes with a label, by labels")
    _rare(comparison, summary, names)
    _table(comparison, found, names)


def _rare(comparison: Comparison, summary: Summary, names: list[str]) -> None:
    st.subheader("Recall of the rare classes", anchor=False)
    if not summary.rare_classes:
        st.write("No class is rare here: random labels show none with fewer than half of the mean.")
        return
    rare = ", ".join(names[place] if place < len(names) else str(place) for place in summary.rare_classes)
    st.caption(f"The rarest, by what random labels show: {plain(rare)}.")
    draw(rare_class_recall(summary), f"rare-{comparison.id}", f"Recall of {rare}, by labels")


def _table(comparison: Comparison, found: Found, names: list[str]) -> None:
    st.subheader("Every class at the end", anchor=False)
    arms = list(found.curves)
    usual = [arm for arm in ("random_sampling", found.summary.reference) if arm in arms] or arms[:2]
    chosen = st.multiselect(
        "Strategies", arms, default=list(dict.fromkeys(usual)), max_selections=MOST_ARMS, key=f"classes-{comparison.id}"
    )
    if not chosen:
        st.write("Choose one strategy or more.")
        return
    kept = {arm: found.curves[arm] for arm in chosen}
    columns: dict[str, Any] = {f"{arm}: recall": RECALL for arm in chosen} | {f"{arm}: labels": COUNT for arm in chosen}
    table = rows.class_rows(kept, names[: found.summary.classes])
    st.dataframe(table, hide_index=True, width="stretch", column_config=columns)
    st.caption("Means over the seeds at the last label count of each run; recall on the test images.")
