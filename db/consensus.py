"""From votes to a label, as one pure rule: `resolve` applies it to tables, `rebuild` to the events alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple, TypeVar

T = TypeVar("T")


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
        chosen: the class that all annotators' records together make likely where the votes are even.
        reviewed: the class a reviewer decided on; it wins.
        unusable: whether a reviewer said that the image cannot be used.
    """

    votes: dict[int, dict[int, int]] = field(default_factory=dict)
    slots: dict[int, int] = field(default_factory=dict)
    decided: set[int] = field(default_factory=set)
    imported: int | None = None
    chosen: int | None = None
    reviewed: int | None = None
    unusable: bool = False

    def verdict(self, live: Callable[[int], int | None] = lambda class_id: class_id) -> Verdict | None:
        """The label, by the rule: a review, else the majority once a query has its votes, else the import.

        Votes of all queries of the sample count together, one a person: it is split where a check got another answer
        than the first. Where they are even the class that was chosen by the annotators' records holds; without one
        it is left for a review.

        Args:
            live: what a class counts for today: itself, the one it was merged into, or None if it is gone.
        """
        tally, people = self._tally(live)
        reviewed, chosen, imported = (
            None if choice is None else live(choice) for choice in (self.reviewed, self.chosen, self.imported)
        )
        if self.unusable:
            return None
        if reviewed is not None:
            return Verdict(reviewed, "reviewer", people)
        if tally and self._full() and (best := majority(tally) or chosen) is not None:
            return Verdict(best, "consensus", people)
        if imported is not None:
            return Verdict(imported, "imported", 0)
        return None

    def _tally(self, live: Callable[[int], int | None]) -> tuple[Mapping[int, Fraction], int]:
        chosen: dict[int, set[int]] = {}
        for users in self.votes.values():
            for user, choice in users.items():
                if (alive := live(choice)) is not None:
                    chosen.setdefault(user, set()).add(alive)
        tally: dict[int, Fraction] = {}
        for choices in chosen.values():
            for choice in choices:
                tally[choice] = tally.get(choice, Fraction(0)) + Fraction(1, len(choices))
        return tally, len(chosen)

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

    def outside(self, kind: str, class_id: int | None, query: int | None, *, takes_back: bool) -> None:
        """Apply an event that is no vote: an import, a review, a decision about votes that are even.

        Args:
            kind: the event's.
            class_id: the class it names.
            query: the query it is about.
            takes_back: whether an earlier answer is undone or replaced by it (a decision was about other votes then),
                or an earlier review is taken back.
        """
        if kind == "import":
            self.imported = class_id
        elif kind == "review":
            self.reviewed, self.unusable = class_id, class_id is None and not takes_back
        elif kind == "decide" and class_id is not None:
            self.chosen = class_id
        elif kind == "decide" and query is not None:
            self.decided.add(query)
        if takes_back:
            self.chosen = None


def majority(tally: Mapping[T, int] | Mapping[T, Fraction]) -> T | None:
    """Return the class with the most votes, None when several have as many."""
    most = max(tally.values(), default=0)
    best = [choice for choice, votes in tally.items() if votes == most]
    return best[0] if len(best) == 1 else None
