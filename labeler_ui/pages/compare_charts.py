"""How charts get onto the Compare page: one place for their size and their text for screen readers."""

from __future__ import annotations

from typing import Any

import streamlit as st

NAMES_A_ROW = 3


def draw(spec: dict[str, Any] | None, key: str, alt: str) -> None:
    """Draw a chart as wide as its place; the page's theme gives the colors of its text.

    Args:
        spec: Vega-Lite; None where there is nothing to draw.
        key: Its own on the page.
        alt: What it shows, for those who do not see it.
    """
    if spec is None:
        st.caption("There is nothing to draw yet.")
        return
    below = {**spec, "config": {"legend": {"orient": "bottom", "columns": NAMES_A_ROW}}}  # beside, it fills a phone
    st.vega_lite_chart(below, width="stretch", key=key, alt=alt)


def draw_small(spec: dict[str, Any] | None, key: str, alt: str) -> None:
    """Draw a chart that has several panels, each of its own width."""
    if spec is not None:
        st.vega_lite_chart(spec, width="content", key=key, alt=alt)
