"""What the Quality and Review pages read: votes as arrays, how annotators do, and images that wait for a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Votes:
    """Every class that stands, one entry a vote (V,), in the order of saving.

    Attributes:
        samples: Sample ids.
        users: User ids.
        classes: Class ids; those that were merged count for what they were merged into.
        kinds: The query's kind ('learn', 'holdout', 'gold', 'confirm', 'spot_check').
        modes: 'single' or 'grid'.
        rounds: Round numbers.
        audit: Whether the sample was drawn at random (holdout, rounds of random sampling) and not for being hard.
        names: User id -> name.
    """

    samples: NDArray[np.int64]
    users: NDArray[np.int64]
    classes: NDArray[np.int64]
    kinds: NDArray[np.str_]
    modes: NDArray[np.str_]
    rounds: NDArray[np.int64]
    audit: NDArray[np.bool_]
    names: Mapping[int, str]


@dataclass(frozen=True, kw_only=True)
class AnnotatorRecord:
    """How one annotator does in a project.

    Attributes:
        user_id: Who.
        name: Who, for people.
        answers: Answers of any kind, taken back ones included: it was work.
        active_ms: Time at work; pauses of more than five minutes do not count.
        median_ms: Median time for an image in single mode; None without any that was timed.
        timed: Answers in single mode with a time.
        fast: Of these, below the limit of `TeamRecord.fast_below_ms`.
        gold_total: Gold images answered with a class.
        gold_right: Of these, as expected.
        shown_total: Answers given with the model's prediction in sight.
        shown_overruled: Of these, another class than predicted.
        hidden_total: Answers given without seeing the prediction that there was.
        hidden_differed: Of these, another class than predicted.
    """

    user_id: int
    name: str
    answers: int
    active_ms: int
    median_ms: float | None
    timed: int
    fast: int
    gold_total: int
    gold_right: int
    shown_total: int
    shown_overruled: int
    hidden_total: int
    hidden_differed: int


@dataclass(frozen=True, kw_only=True)
class TeamRecord:
    """All annotators of a project, by name.

    Attributes:
        people: One entry each.
        median_ms: The team's median time for an image.
        fast_below_ms: What counts as too fast: below 0.3 s, or below a quarter of the team's median.
        spot_total: Images confirmed in the grid that were asked again singly.
        spot_differed: Of these, answered with another class.
    """

    people: Sequence[AnnotatorRecord]
    median_ms: float | None
    fast_below_ms: float
    spot_total: int
    spot_differed: int


@dataclass(frozen=True, kw_only=True)
class CopyChecks:
    """Adversarial copies that annotators saw among the images.

    Attributes:
        checked: Copies that got a class and whose original has a label.
        agreed: Of these, with the class that the copy trains with: its original's label as of now.
        passed: Copies that were skipped, or called unsure or flagged.
    """

    checked: int
    agreed: int
    passed: int


@dataclass(frozen=True, kw_only=True)
class ReviewItem:
    """An image that waits for a reviewer; its votes are in `votes_of`, so that they can stay hidden until then.

    Attributes:
        sample_id: The sample.
        name: Its file's name.
        split: 'pool' or 'holdout'.
        reasons: Some of 'flag', 'disagreement', 'unsure', 'undecided'.
        entropy: Of its votes, in bits.
        answers: How many people answered.
        labeled: Whether it has a label now.
    """

    sample_id: int
    name: str
    split: str
    reasons: tuple[str, ...]
    entropy: float
    answers: int
    labeled: bool


@dataclass(frozen=True, kw_only=True)
class ReviewVote:
    """One answer that stands, for a reviewer who has decided."""

    user: str
    outcome: str
    class_name: str | None
    note: str
    kind: str
    mode: str
    latency_ms: int | None
    created_at: int


@dataclass(frozen=True, kw_only=True)
class PastReview:
    """What a reviewer did before: `what` is 'class', 'cannot be used' or 'sent back'."""

    user: str
    what: str
    class_name: str | None
    note: str
    created_at: int


@dataclass(frozen=True, kw_only=True)
class ReviewVotes:
    """Everything known of an image that was reviewed: answers, what the model said, and earlier reviews."""

    votes: Sequence[ReviewVote]
    predicted: str | None
    nearest: str | None
    history: Sequence[PastReview]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What became of a reviewer's decision; `label` is the class id the image has now, None if it has none."""

    decision_id: str
    sample_id: int
    label: int | None
    repeated: bool = False
