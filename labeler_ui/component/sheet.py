"""Sheets of generated images beside their nearest real ones; bytes come by the routes that check the token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from labeler_ui.component.parts import nothing, registered

_SHEET = registered("sheet", scripts=("server", "pictures", "sheet"), styles=("sheet",))


def sheet(
    *, key: str, name: str, image_pass: Mapping[str, Any], project_id: int, tiles: Sequence[Mapping[str, Any]]
) -> list[int]:
    """Show a sheet and return the ids that are chosen on it.

    Args:
        key: One mounted sheet for each person and place.
        name: Of what is shown, another one after each decision: what was chosen under another name is forgotten.
        image_pass: `token` and `expires_in` for the project's images.
        project_id: Whose images they are.
        tiles: `id`, `title`, `state`, `note`, `made_alt`, `nearest` (a sample's id or None) and `nearest_alt` each.
    """
    here = {"project": project_id, "sheet": name, "tiles": [dict(tile) for tile in tiles]}
    data = {**image_pass, **here, "chosen": _chosen(st.session_state.get(key), name)}
    result = _SHEET(key=key, data=data, on_renew_change=nothing, on_chosen_change=nothing)
    there = {tile["id"] for tile in tiles}
    return [item for item in _chosen(result, name) if item in there]


def _chosen(state: object, name: str) -> list[int]:
    """What is chosen on the sheet of that name, by the component's state."""
    told = state.get("chosen") if isinstance(state, Mapping) else getattr(state, "chosen", None)
    if not isinstance(told, Mapping) or told.get("sheet") != name:
        return []
    return [item for item in told.get("ids", []) if isinstance(item, int)]
