"""Why an image is asked: what the round's flow computed and stored about one query."""

from __future__ import annotations

from dataclasses import dataclass

from db.records.samples import Display


@dataclass(frozen=True, kw_only=True)
class ClassName:
    """A class as people see it."""

    id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Neighbor:
    """A labeled image that looks alike to the model, with the name of the class it has now."""

    sample_id: int
    class_name: str


@dataclass(frozen=True, kw_only=True)
class Why:
    """What is known of a query; nothing but the ids for one that no strategy chose, whatever its kind.

    Attributes:
        query_id: The query.
        sample_id: Its image.
        strategy: Name of the strategy that chose it; empty where that was not stored.
        place: Its place in the ranking, from 1.
        pool: How many images were ranked.
        score: In the strategy's own unit.
        descending: Whether large scores are the good ones.
        distance: Length of the push over the border, where there is an adversarial copy.
        cold_start: Whether it was chosen before there was a model.
        predicted: The class of the round's model.
        nearest: The nearest other class.
        neighbors: The nearest labeled images, nearest first; only those that have a label today.
        copy: Where the picture of its adversarial copy lies.
        difference: Where the picture of what the copy adds lies.
        amplified: How many times that picture exaggerates.
    """

    query_id: int
    sample_id: int
    strategy: str = ""
    place: int | None = None
    pool: int | None = None
    score: float | None = None
    descending: bool = False
    distance: float | None = None
    cold_start: bool = False
    predicted: ClassName | None = None
    nearest: ClassName | None = None
    neighbors: tuple[Neighbor, ...] = ()
    copy: Display | None = None
    difference: Display | None = None
    amplified: float | None = None
