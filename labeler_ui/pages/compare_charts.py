"""How charts get onto the Compare page: one place for their theme, their size and their text for screen readers."""

from __future__ import annotations

from typing import Any

import streamlit as st


def theme() -> str:
    """Return 'light' or 'dark', as the browser shows the page; light before it has told."""
    return st.context.theme.type or "light"


def draw(spec: dict[str, Any], key: str, alt: str) -> None:
    """Draw a chart as wide as the page.

    Args:
        spec: Vega-Lite.
        key: Its own on the page.
        alt: What it shows, for those who do not see it.
    """
    st.vega_lite_chart(spec, width="stretch", theme=None, key=key, alt=alt)
