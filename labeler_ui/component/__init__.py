"""The labeling component: one ES module made of the parts in `js/`, registered once with Streamlit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labeler_ui.component.parts import nothing, registered

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
_LABELER = registered("labeler", scripts=PARTS, styles=("labeler", "panels", "grid"))


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
        on_outbox_change=nothing,
        on_renew_change=nothing,
    )
    outbox = getattr(result, "outbox", None)
    entries = outbox.get("entries") if isinstance(outbox, Mapping) else None
    return list(entries) if isinstance(entries, list) else []
