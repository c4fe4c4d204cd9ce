"""The labeling component: one ES module made of the parts in `js/`, registered once with Streamlit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

PARTS = (
    "elements",
    "server",
    "outbox",
    "queue",
    "history",
    "bindings",
    "keys",
    "zoom",
    "gestures",
    "markdown",
    "filmstrip",
    "why",
    "keysdialog",
    "view",
    "panels",
    "gridgroup",
    "gridview",
    "grid",
    "gridundo",
    "labeler",
    "results",
    "revisit",
    "mount",
)
STYLES = ("labeler", "panels", "grid")
_HERE = Path(__file__).parent
_HTML = '<div class="labeler" lang="en"></div>'


def module_source() -> str:
    """Return the whole ES module: the parts share one scope, so they are joined in order."""
    return "\n".join((_HERE / "js" / f"{part}.js").read_text("utf-8") for part in PARTS)


def style_source() -> str:
    """Return the component's style sheet, its parts in order."""
    return "\n".join((_HERE / f"{part}.css").read_text("utf-8") for part in STYLES)


_LABELER = st.components.v2.component("borderline_labeler", html=_HTML, css=style_source(), js=module_source())


def labeler(*, key: str, data: Mapping[str, Any]) -> list[Any]:
    """Mount the labeler and return what it could not deliver by the route (its second way), [] as a rule.

    The entries are read from the component's return value: on a session that is new to this server (after a restart)
    `st.session_state` does not know the key yet, and answers would be lost.

    Args:
        key: One mounted labeler for each person and project.
        data: Token, project, classes and the results of entries that came this way before.
    """
    result = _LABELER(
        key=key,
        data=dict(data),
        on_outbox_change=_nothing,
        on_renew_change=_nothing,
    )
    outbox = getattr(result, "outbox", None)
    entries = outbox.get("entries") if isinstance(outbox, Mapping) else None
    return list(entries) if isinstance(entries, list) else []


def _nothing() -> None:
    """Make the state key known to Streamlit; the page reads the return value."""
