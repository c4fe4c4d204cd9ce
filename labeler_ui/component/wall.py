"""Many small images side by side, a strip an arm: bytes come by the route that checks the token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

PARTS = ("server", "wall")
_HERE = Path(__file__).parent
_HTML = '<div class="wall" lang="en"></div>'


def module_source() -> str:
    """Return the whole ES module: the parts share one scope, so they are joined in order."""
    return "\n".join((_HERE / "js" / f"{part}.js").read_text("utf-8") for part in PARTS)


_WALL = st.components.v2.component(
    "borderline_wall",
    html=_HTML,
    css=(_HERE / "wall.css").read_text("utf-8"),
    js=module_source(),
)


def wall(*, key: str, image_pass: Mapping[str, Any], project_id: int, strips: Sequence[Mapping[str, Any]]) -> None:
    """Show strips of images.

    Args:
        key: One mounted wall for each person and place.
        image_pass: `token` and `expires_in` for the project's images.
        project_id: Whose images they are.
        strips: `title`, `detail` and `tiles` each; a tile has `sample` (id), `caption`, `alt` and `note` ('' or why it
            is marked).
    """
    data = {**image_pass, "project": project_id, "strips": [dict(strip) for strip in strips]}
    _WALL(key=key, data=data, on_renew_change=_nothing)


def _nothing() -> None:
    """Make the state key known to Streamlit: a run of the page brings a fresh token."""
