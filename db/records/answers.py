"""Claims and answers, as the page sends and receives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["class", "skip", "unsure", "flag"]


@dataclass(frozen=True, kw_only=True)
class ClaimedQuery:
    """A query handed to one annotator until `expires_at` (ms, the database's clock).

    `predicted` (a class position) is there only if the project shows predictions. Quality checks look like 'learn'.
    `reserve` tells that it is served while the next round is being made, `comment` is what a reviewer wrote who sent it
    back.
    """

    query_id: int
    sample_id: int
    kind: str
    token: int
    expires_at: int
    rank: int
    reserve: bool = False
    predicted: int | None = None
    comment: str = ""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Why a page is empty: `open` can be claimed now, `with_others` are leased, the first free in `next_free_in_ms`."""

    open: int
    with_others: int
    next_free_in_ms: int | None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer. `answer_id` is a UUID made when the image was shown; times are the browser's, in ms.

    `mode` is 'single' or 'grid'. `shown` tells what else the annotator saw before answering, such as {'why': True}.
    `supersedes` names an earlier answer of the same user to the same query that this one replaces (an edit).
    """

    answer_id: str
    query_id: int
    token: int
    outcome: Outcome
    class_id: int | None = None
    note: str = ""
    shown_at: int | None = None
    answered_at: int | None = None
    latency_ms: int | None = None
    prediction_shown: bool = False
    shown: Mapping[str, bool] | None = None
    mode: str = "single"
    client_version: str = ""
    supersedes: str | None = None


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What became of an answer: 'saved' or 'draft' (kept, but without effect); `message` is for the annotator."""

    answer_id: str
    status: str
    repeated: bool = False
    query_closed: bool = False
    round_complete: bool = False
    message: str = ""
    claimed: ClaimedQuery | None = None


@dataclass(frozen=True, kw_only=True)
class RecentAnswer:
    """An answer of this user that stands, newest first in lists. `token` is what an edit of it carries."""

    answer_id: str
    query_id: int
    sample_id: int
    outcome: str
    class_id: int | None
    note: str
    created_at: int
    token: int


@dataclass(frozen=True, kw_only=True)
class Gold:
    """A sample whose class is beyond doubt."""

    id: int
    sample_id: int
    class_id: int
    created_at: int
