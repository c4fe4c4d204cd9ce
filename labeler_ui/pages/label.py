"""The labeling page: mounts the component, hands it a fresh token, and takes in what came by the second way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from labeler_ui import delivery
from labeler_ui.component import labeler
from labeler_ui.keymap import keys_for
from labeler_ui.pages.visit import Visit, renewed

REMEMBERED = 200


def show(here: Visit | None) -> None:
    """Draw the labeling page of one project for one person."""
    if here is not None:
        _labeling(here)


@st.fragment
def _labeling(entered: Visit) -> None:
    """Mount the component. It runs by itself: what comes by the second way redraws nothing else of the page."""
    here = renewed(entered)
    if here is None:
        st.rerun()
    key = f"labeler-{here.project.id}-{here.actor.user_id}"
    results: dict[str, dict[str, Any]] = st.session_state.setdefault(f"{key}-results", {})
    entries = labeler(key=key, data=component_data(here, list(results.values())))
    if take_in(here, entries, results):
        _again()


def _again() -> None:
    try:
        st.rerun(scope="fragment")
    except StreamlitAPIException:  # the whole page is running: after a restart of the server
        st.rerun()


def component_data(here: Visit, results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what the component needs: a token, the person, the project, its classes with their keys."""
    project = here.project
    classes = [
        {"id": entry.id, "name": entry.name, "position": entry.position, "key": key}
        for entry, key in zip(project.classes, keys_for(project.classes), strict=True)
    ]
    return {
        **here.image_pass(),
        "user": {"id": here.actor.user_id, "name": here.actor.name},
        "project": {
            "id": project.id,
            "name": project.name,
            "guidelines": project.guidelines,
            "show_why": project.show_why,
            "grid": project.confirm_share > 0,
        },
        "classes": classes,
        "results": list(results),
    }


def take_in(here: Visit, entries: Sequence[Any], results: dict[str, dict[str, Any]]) -> bool:
    """Save entries that the route could not take and note their results by id; say whether there is news.

    Args:
        here: Who answers in which project.
        entries: The component's outbox; entries whose result is known are left alone.
        results: Results by entry id, changed in place; the next run hands them to the component.
    """
    fresh = [entry for entry in entries if isinstance(entry, dict) and str(entry.get("id")) not in results]
    if not fresh:
        return False
    delivered = delivery.deliver(here.database, here.actor, here.project.id, fresh[: delivery.BATCH_LIMIT])
    final = [result for result in delivered if result["ok"] or not result["retry"]]
    results.update({result["id"]: result for result in final})
    for oldest in list(results)[:-REMEMBERED]:
        del results[oldest]
    return bool(final)
