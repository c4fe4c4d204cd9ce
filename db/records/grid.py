"""Groups of images that are confirmed together in the grid."""

from __future__ import annotations

from dataclasses import dataclass

from db.records.answers import ClaimedQuery


@dataclass(frozen=True, kw_only=True)
class Group:
    """Claimed images of one group, all predicted to be of the class `class_id`."""

    key: str
    class_id: int
    queries: tuple[ClaimedQuery, ...]
