"""A share of [0, 1] as people type it: a percentage."""

from __future__ import annotations

import streamlit as st


def percent(label: str, share: float, key: str, about: str | None = None, most: float = 100.0) -> float:
    """Draw a share as a percentage and return it as a share; what was not touched comes back as it was."""
    shown = round(100 * share, 2)
    given = st.number_input(f"{label} (%)", 0.0, most, shown, step=1.0, format="%g", key=key, help=about)
    return share if given == shown else round(float(given) / 100, 6)
