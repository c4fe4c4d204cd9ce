"""The reviewer's image as a small component: bytes come by the route that checks the token, as for the labeler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labeler_ui.component.parts import nothing, registered

_REVIEWER = registered("reviewer", scripts=("server", "reviewer"), styles=("reviewer",))


def reviewer(*, key: str, data: Mapping[str, Any]) -> None:
    """Show one image.

    Args:
        key: One mounted image for each person and project.
        data: `token`, `expires_in`, `project` and `sample` (ids), `alt`, `keys` (key -> key of the
            Streamlit button that it presses).
    """
    _REVIEWER(key=key, data=dict(data), on_renew_change=nothing)
