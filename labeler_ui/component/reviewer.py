"""The reviewer's image as a small component: bytes come by the route that checks the token, as for the labeler."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

PARTS = ("server", "reviewer")
_HERE = Path(__file__).parent
_HTML = '<div class="reviewer" lang="en"></div>'


def module_source() -> str:
    """Return the whole ES module: the parts share one scope, so they are joined in order."""
    return "\n".join((_HERE / "js" / f"{part}.js").read_text("utf-8") for part in PARTS)


_REVIEWER = st.components.v2.component(
    "borderline_reviewer",
    html=_HTML,
    css=(_HERE / "reviewer.css").read_text("utf-8"),
    js=module_source(),
)


def reviewer(*, key: str, data: Mapping[str, Any]) -> None:
    """Show one image.

    Args:
        key: One mounted image for each person and project.
        data: `token`, `expires_in`, `project` and `sample` (ids), `alt`, `keys` (key -> key of the
            Streamlit button that it presses).
    """
    _REVIEWER(key=key, data=dict(data), on_renew_change=_nothing)


def _nothing() -> None:
    """Make the state key known to Streamlit: a run of the page brings a fresh token."""
