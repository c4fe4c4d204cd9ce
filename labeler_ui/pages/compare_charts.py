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
    below = {"legend": {"orient": "bottom", "columns": NAMES_A_ROW}}  # beside the chart it fills half a phone
    st.vega_lite_chart({**_bare(spec), "config": below}, width="stretch", key=key, alt=alt)


def draw_small(spec: dict[str, Any] | None, key: str, alt: str) -> None:
    """Draw a chart that has several panels, each of its own width."""
    if spec is not None:
        st.vega_lite_chart(_bare(spec), width="content", key=key, alt=alt)


def _bare(spec: dict[str, Any]) -> dict[str, Any]:
    """Leave out the spec's own description: `alt` says more, and two of them are one too many."""
    return {name: value for name, value in spec.items() if name != "description"}
