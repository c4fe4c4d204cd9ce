"""From votes to a label, as one pure rule: `resolve` applies it to tables, `rebuild` to the events alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Verdict(NamedTuple):
    """A label and where it comes from."""

    class_id: int
    origin: str
    votes: int


@dataclass
class Ballot:
    """What is known of one sample.

    Attributes:
        votes: query id -> user id -> class id, of answers that stand.
        slots: query id -> votes wanted.
        decided: queries that ended early because nobody was left to vote.
        imported: the class that came with the images, if it was used.
        reviewed: the class a reviewer decided on; it wins.
    """

    votes: dict[int, dict[int, int]] = field(default_factory=dict)
    slots: dict[int, int] = field(default_factory=dict)
    decided: set[int] = field(default_factory=set)
    imported: int | None = None
    reviewed: int | None = None

    def verdict(self) -> Verdict | None:
        """The label, by the rule: a review, else the majority once a query has its votes, else the import.

        Votes of all queries of the sample count together; a tie decides nothing and is left for a review.
        """
        tally = Counter(choice for users in self.votes.values() for choice in users.values())
        if self.reviewed is not None:
            return Verdict(self.reviewed, "reviewer", tally.total())
        if self._full() and (best := _majority(tally)) is not None:
            return Verdict(best, "consensus", tally.total())
        if self.imported is not None:
            return Verdict(self.imported, "imported", 0)
        return None

    def _full(self) -> bool:
        return any(
            users and (query in self.decided or len(users) >= self.slots[query]) for query, users in self.votes.items()
        )

    def vote(self, query: int, user: int, choice: int) -> None:
        """Count a vote."""
        self.votes.setdefault(query, {})[user] = choice

    def withdraw(self, query: int, user: int) -> None:
        """Take a vote back; a query that had ended early is open again."""
        self.votes.get(query, {}).pop(user, None)
        self.decided.discard(query)


def _majority(tally: Mapping[int, int]) -> int | None:
    most = max(tally.values(), default=0)
    best = [choice for choice, votes in tally.items() if votes == most]
    return best[0] if len(best) == 1 else None
