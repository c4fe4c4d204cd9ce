"""Why this image is asked, in a sentence for annotators, by what its strategy looks for.

What a query is for (learning, holdout, a check) must not show: without a place in a ranking the sentence is the same
for all.
"""

from __future__ import annotations

from dataclasses import dataclass

from db.records import Why

NEUTRAL = (
    "This image is part of the round's mix: most images are asked because the model learns from them, some so that "
    "all kinds of images are looked at."
)
_WRAPPERS_THAT_REORDER = frozenset({"class_balanced", "deduplicated"})


@dataclass(frozen=True)
class Family:
    """How strategies of one kind choose.

    Attributes:
        both: What the model makes of the image when two classes are known.
        alone: The same without their names.
        best: What the first of the ranking is the most of; empty where places do not compare images.
        purpose: What an image is picked for, where its place says nothing about it alone.
    """

    both: str
    alone: str
    best: str
    purpose: str


_BORDER = Family(
    "The model is torn between {predicted} and {nearest} here",
    "The model is torn between two classes here",
    "closest to its border",
    "because it is close to the model's border",
)
_CALL = Family(_BORDER.both, _BORDER.alone, "closest call", "because it is a close call")
_UNSURE = Family(
    "The model takes this for {predicted}, perhaps {nearest}, and is not sure",
    "The model is not sure about this image",
    "least certain",
    "because the model is not sure",
)
_DISPUTE = Family(
    "Versions of the model disagree here, mostly between {predicted} and {nearest}",
    "Versions of the model disagree here",
    "most disputed",
    "because versions of the model disagree",
)
_CHANGE = Family(
    "Knowing this image would change the model, which sees {predicted} or {nearest}",
    "Knowing this image would change the model",
    "most instructive",
    "because its label would change the model",
)
_COVER = Family("", "", "", "to cover what the images look like")
_OTHER = Family("", "", "", "")

_FAMILIES: dict[str, Family] = {
    **dict.fromkeys(("dfal", "dfal_0", "dfal_one_step", "fgsm", "bim"), _BORDER),
    **dict.fromkeys(("margin", "logit_gap"), _CALL),
    **dict.fromkeys(("least_confidence", "entropy", "ceal", "variation_ratios", "mean_std"), _UNSURE),
    **dict.fromkeys(("bald", "batch_bald", "power_bald"), _DISPUTE),
    **dict.fromkeys(("egl", "badge"), _CHANGE),
    **dict.fromkeys(("core_set", "core_set_robust", "typiclust", "probcover", "kmeans"), _COVER),
}
_BY_BATCH = frozenset({"batch_bald", "power_bald", "badge"})  # each pick depends on the others, or on chance
_RANDOM = "random_sampling"


def sentence(why: Why) -> str:
    """Say why an image is asked, for annotators.

    >>> sentence(Why(query_id=1, sample_id=1, strategy="dfal", place=12, pool=59000))
    'The model is torn between two classes here: of 59,000 images this is the 12th closest to its border.'
    """
    if why.place is None:
        return NEUTRAL
    base, *wrappers = why.strategy.split("+")
    if why.cold_start:
        return _first(base)
    if base == _RANDOM:
        return f"This image was drawn at random{_out_of(why)}: it keeps the model's own choice in check."
    family = _FAMILIES.get(base, _OTHER)
    compares = family.best and base not in _BY_BATCH and not _WRAPPERS_THAT_REORDER & set(wrappers)
    lead = _lead(family, why)
    if compares:
        pool = "" if why.pool is None else f"of {why.pool:,} images "
        return f"{lead}: {pool}this is the {_rank(why.place)}{family.best}."
    picked = f"picked {ordinal(why.place)}{_out_of(why)}"
    if lead:
        return f"{lead}: it was {picked}."
    return f"This image was {picked}{f' {family.purpose}' if family.purpose else ''}."


def distance(why: Why) -> float | None:
    """Return how far the image is from the border: the length of its copy's push, or a score that is that length."""
    if why.distance is not None or why.cold_start:
        return why.distance
    return why.score if _FAMILIES.get(why.strategy.split("+")[0]) is _BORDER else None


def ordinal(number: int) -> str:
    """Return a number as a place.

    >>> [ordinal(number) for number in (1, 2, 3, 4, 11, 12, 13, 21, 112, 1002)]
    ['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '112th', '1,002nd']
    """
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def _first(base: str) -> str:
    lead = "There is no model yet, so this image is among the first"
    if _FAMILIES.get(base) is _COVER:
        return f"{lead}, chosen to cover what the images look like."
    return f"{lead}, drawn at random." if base == _RANDOM else f"{lead}."


def _lead(family: Family, why: Why) -> str:
    if why.predicted is None or why.nearest is None:
        return family.alone
    names = {"predicted": why.predicted.name, "nearest": why.nearest.name}
    return family.both.format(**names)


def _out_of(why: Why) -> str:
    return "" if why.pool is None else f" out of {why.pool:,} images"


def _rank(place: int) -> str:
    return "" if place == 1 else f"{ordinal(place)} "
