"""What the numbers of the Quality page mean, in plain sentences, and what to do about them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from db.records import AnnotatorRecord, CopyChecks, TeamRecord
from pipeline.statistics import Agreement, wilson_interval

RELIABLE, TENTATIVE = 0.8, 0.667  # Krippendorff's usual marks
FEW_ITEMS = 30
FEW_GOLD = 10
LOW_GOLD = 0.8
FAST_SHARE = 0.1
MOST_WRONG_COPIES = 0.05
HIGH_OVERRULED, LOW_OVERRULED = 0.5, 0.02


def alpha_words(found: Agreement) -> str:
    """Say what an alpha means.

    >>> alpha_words(Agreement(alpha=0.82, low=0.8, high=0.85, items=200, votes=400))
    '0.82: reliable. Conclusions drawn from these labels hold.'
    """
    if found.alpha is None:
        return no_alpha_words(found)
    if found.alpha >= RELIABLE:
        meaning = "reliable. Conclusions drawn from these labels hold."
    elif found.alpha >= TENTATIVE:
        meaning = "good enough for tentative conclusions. Look below at what is confused with what."
    elif found.alpha > 0:
        meaning = "not reliable. Make the guidelines clearer about the classes confused below, then compare again."
    else:
        meaning = "no better than chance. Annotators may read the classes in different ways: talk before going on."
    return f"{found.alpha:.2f}: {meaning}{_doubt(found)}"


def _doubt(found: Agreement) -> str:
    if found.low is None or found.high is None or found.alpha is None:
        return " There are too few images to say how sure that is."
    marks = [mark for mark in (TENTATIVE, RELIABLE) if found.low < mark <= found.high]
    if not marks and found.items >= FEW_ITEMS:
        return ""
    few = "image" if found.items == 1 else "images"
    return f" With {found.items:,} {few} compared it could be anywhere from {found.low:.2f} to {found.high:.2f}."


def no_alpha_words(found: Agreement) -> str:
    """Say why there is no alpha."""
    if not found.items:
        return "No image has answers of two people yet."
    return "All answers that can be compared are of one class: agreement beyond chance cannot be told."


def why_nothing(annotators: int, answers: int) -> str:
    """Say what is missing before agreement can be measured, and what to do."""
    if not answers:
        return "Nobody has answered yet. Agreement, speed and gold are shown here once people label."
    todo = "Set the overlap to 2 in the project's settings to have images answered twice, or mark some images as gold."
    if annotators == 1:
        return f"One person has answered so far, so there is nobody to compare with. {todo}"
    return f"{annotators} people have answered, but never the same image, so their answers cannot be compared. {todo}"


def audit_words(queried: Agreement, audit: Agreement) -> str:
    """Say why queried and random images are told apart."""
    if queried.alpha is None or audit.alpha is None:
        return ""
    text = "Images that the model chose are the hard ones, so people agree less on them; "
    return text + "those drawn at random (holdout, random rounds) tell how reliable labels are in general."


def confusion_words(counts: NDArray[np.int64], names: Mapping[int, str]) -> str:
    """Name the two classes that are most often confused, of counts (K, K) with `names` by place."""
    both = np.triu(counts + counts.T, 1)
    if not both.sum():
        return "No two classes are confused."
    first, second = np.unravel_index(int(both.argmax()), both.shape)
    times = "once" if both.max() == 1 else f"{int(both.max()):,} times"
    return f"Most often confused: {names[int(first)]} and {names[int(second)]}, {times}."


def gold_words(person: AnnotatorRecord) -> str:
    """Return gold accuracy with its interval.

    >>> from types import SimpleNamespace
    >>> gold_words(SimpleNamespace(gold_total=20, gold_right=18))
    '90 % (70 to 97), 18 of 20'
    """
    if not person.gold_total:
        return "–"
    low, high = (round(100 * end) for end in wilson_interval(person.gold_right, person.gold_total))
    share = round(100 * person.gold_right / person.gold_total)
    return f"{share} % ({low} to {high}), {person.gold_right} of {person.gold_total}"


def per_hour(person: AnnotatorRecord) -> float | None:
    """Return answers an hour at work; None with too little work to tell."""
    minutes = person.active_ms / 60_000
    return None if minutes < 1 else 60 * person.answers / minutes


def notices(team: TeamRecord) -> list[str]:
    """Return what should be looked at, one sentence a person and matter; names are data."""
    found = [sentence for person in team.people for sentence in _of_person(person, team)]
    if team.spot_total:
        share = team.spot_differed / team.spot_total
        told = (
            f"{team.spot_differed:,} of {team.spot_total:,} images confirmed in the grid got another class when asked"
        )
        found.append(f"{told} again singly ({share:.0%}).{' Confirm more slowly.' if share > 0.05 else ''}")
    return found


def copy_words(found: CopyChecks) -> str:
    """Say how many adversarial copies got the class that they train with; empty while none was checked.

    >>> copy_words(CopyChecks(checked=50, agreed=48, passed=0))
    'Copies checked: 48 of 50 got the class they train with (87 to 99 %).'
    """
    if not found.checked and not found.passed:
        return ""
    passed = f" {found.passed:,} more got no class." if found.passed else ""
    if not found.checked:
        return f"Copies checked: none got a class so far.{passed}"
    low, high = (round(100 * end) for end in wilson_interval(found.agreed, found.checked))
    told = f"{found.agreed:,} of {found.checked:,} got the class they train with ({low} to {high} %)."
    return f"Copies checked: {told}{passed}"


def copy_notice(found: CopyChecks) -> str:
    """Return what to do about copies that people call another class than they train with; empty while all is well.

    >>> copy_notice(CopyChecks(checked=50, agreed=48, passed=0))
    ''
    """
    if not found.checked:
        return ""
    wrong = found.checked - found.agreed
    if wilson_interval(wrong, found.checked)[0] <= MOST_WRONG_COPIES:
        return ""
    return (
        f"{wrong:,} of {found.checked:,} adversarial copies look like another class than they train with: more than "
        f"{MOST_WRONG_COPIES:.0%}, and not by chance. Make them smaller (a lower epsilon, or a lower reject_above such "
        "as dfal(reject_above=0.01)), or choose a strategy without copies in the project's settings."
    )


def _of_person(person: AnnotatorRecord, team: TeamRecord) -> list[str]:
    found = []
    if person.timed >= 20 and person.fast / person.timed > FAST_SHARE:
        limit = team.fast_below_ms / 1000
        found.append(
            f"{person.name} gave {person.fast / person.timed:.0%} of the answers in less than {limit:.1f} s: "
            "look at some of them, or pause the person."
        )
    if person.gold_total >= FEW_GOLD and wilson_interval(person.gold_right, person.gold_total)[1] < LOW_GOLD:
        found.append(
            f"{person.name} is right on {person.gold_right} of {person.gold_total} gold images: go through the "
            "guidelines together, or exclude the person's answers."
        )
    return found + _of_predictions(person)


def _of_predictions(person: AnnotatorRecord) -> list[str]:
    if person.shown_total < 50:
        return []
    share = person.shown_overruled / person.shown_total
    if share > HIGH_OVERRULED:
        return [
            f"{person.name} overruled {share:.0%} of the predictions that were shown: they do not help yet; hide them."
        ]
    hidden = person.hidden_differed / person.hidden_total if person.hidden_total >= 20 else None
    if share < LOW_OVERRULED and hidden is not None and hidden > 3 * max(share, 0.01):
        return [
            f"{person.name} overruled {share:.0%} of shown predictions, yet differed in {hidden:.0%} where they were "
            "hidden: predictions may be followed without looking; hide them."
        ]
    return []


def interval_words(found: Agreement) -> str:
    """Return 'low to high', or a dash."""
    return "–" if found.low is None or found.high is None else f"{found.low:.2f} to {found.high:.2f}"
