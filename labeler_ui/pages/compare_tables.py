"""The tables of a comparison: areas, accuracy at budgets, labels to a target, paired differences, wins, times."""

from __future__ import annotations

from typing import Any

import streamlit as st

from db.records import Comparison
from labeler_ui import compare_rows as rows
from labeler_ui.pages.compare_charts import draw_small
from labeler_ui.pages.compare_data import Found
from pipeline.statistics import Summary
from pipeline.statistics.charts import seconds_per_round, win_loss
from pipeline.statistics.targets import default_budgets

EVERY_PAIR = "Every pair"
PERCENT = st.column_config.NumberColumn(format="%.2f %%")
POINTS = st.column_config.NumberColumn(format="%+.2f points")


def show(comparison: Comparison, found: Found) -> None:
    """Draw all tables, each with what it answers."""
    summary = found.summary
    _areas(summary)
    _budgets(comparison, found)
    _targets(comparison, found)
    _pairs(comparison, summary)
    _wins(comparison, summary)
    _times(comparison, summary)


def _areas(summary: Summary) -> None:
    st.subheader("Area under the curve", anchor=False)
    st.caption("The mean accuracy from the first to the last label count: how good all along the way.")
    _table(rows.area_rows(summary), {"Area": PERCENT, "At the end": PERCENT, **dict.fromkeys(rows.AT_THE_END, PERCENT)})


def _budgets(comparison: Comparison, found: Found) -> None:
    st.subheader("Accuracy at a budget", anchor=False)
    counts = sorted({label for curves in found.curves.values() for curve in curves for label in curve.labels})
    usual = list(default_budgets(counts))
    key = f"budgets-{comparison.id}-{counts[-1]}"
    chosen = st.multiselect("Labels", counts, default=usual, key=key, format_func=lambda count: f"{count:,}")
    if chosen:
        _table(rows.budget_rows(found.curves, sorted(chosen), found.summary.confidence))
    else:
        st.write("Choose one label count or more.")


def _targets(comparison: Comparison, found: Found) -> None:
    st.subheader("Labels to a target", anchor=False)
    best = max(point.mean for arm in found.summary.arms for point in arm.curve)
    usual = max(1, min(99, int(100 * best) - 2))
    target = st.slider("Accuracy to reach", 1, 99, usual, format="%d %%", key=f"target-{comparison.id}")
    _table(rows.target_rows(found.curves, target / 100))
    st.caption(
        "Between two measured models the curve is taken as straight. Seeds that never get there are counted too."
    )


def _pairs(comparison: Comparison, summary: Summary) -> None:
    st.subheader("Paired differences", anchor=False)
    if not summary.pairs:
        st.write("Two strategies with a seed in common are needed.")
        return
    names = [EVERY_PAIR, *(arm.name for arm in summary.arms)]
    usual = names.index(summary.reference)
    chosen = st.selectbox("Against", names, index=usual, key=f"against-{comparison.id}")
    _table(rows.pair_rows(summary, None if chosen == EVERY_PAIR else chosen), {"Difference": POINTS})
    st.caption(
        f"Of the area, seed by seed, with {summary.confidence:.0%} intervals. p is corrected by Holm for all "
        f"{len(summary.pairs)} pairs: below {summary.alpha:g} decides, if there are five seeds or more."
    )


def _wins(comparison: Comparison, summary: Summary) -> None:
    if not summary.pairs:
        return
    st.subheader("Wins and losses", anchor=False)
    st.caption("The row's lead over the column in points of area, colored where it is decided after correction.")
    draw_small(win_loss(summary), f"wins-{comparison.id}", "Who beats whom; the table below says the same")
    with st.expander("In how many seeds, as a table"):
        _table(rows.win_rows(summary))
        st.caption("In how many seeds the row's area was above the column's. A star: the row is decidedly better.")


def _times(comparison: Comparison, summary: Summary) -> None:
    st.subheader("Times", anchor=False)
    st.caption("Choosing is the ranking of the pool for one round, training the training of one model.")
    draw_small(seconds_per_round(summary), f"times-{comparison.id}", "Mean times; the table below says the same")
    _table(rows.time_rows(summary))


def _table(found: list[rows.Row], columns: dict[str, Any] | None = None) -> None:
    st.dataframe(found, hide_index=True, width="stretch", column_config=columns)
