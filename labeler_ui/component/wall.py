"""Many small images side by side, a strip an arm: bytes come by the route that checks the token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labeler_ui.component.parts import nothing, registered

_WALL = registered("wall", scripts=("server", "pictures", "wall"), styles=("wall",))


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
    _WALL(key=key, data=data, on_renew_change=nothing)
