"""Components out of parts: plain scripts and style sheets that share one scope, joined in order, registered once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent


def script(parts: Sequence[str]) -> str:
    """Return one ES module of the named files in `js/`."""
    return "\n".join((_HERE / "js" / f"{part}.js").read_text("utf-8") for part in parts)


def registered(name: str, *, scripts: Sequence[str], styles: Sequence[str]) -> Callable[..., Any]:
    """Register a component with Streamlit and return what mounts it; its root is one element with the name as class."""
    return st.components.v2.component(
        f"borderline_{name}",
        html=f'<div class="{name}" lang="en"></div>',
        css="\n".join((_HERE / f"{part}.css").read_text("utf-8") for part in styles),
        js=script(scripts),
    )


def nothing() -> None:
    """Make a state key known to Streamlit: a run of the page brings a fresh token, or reads the return value."""
