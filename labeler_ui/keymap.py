"""Which key picks which class: the project's own choice first, then what a person would guess."""

from __future__ import annotations

from collections.abc import Sequence

from db.records import ClassRecord

COMMAND_KEYS = frozenset("uxfgz")  # undo, not sure, flag, guidelines, zoom
DIGITS = "1234567890"
LETTERS = "abcdehijklmnopqrstvwy"


def keys_for(classes: Sequence[ClassRecord]) -> list[str]:
    """Return one key a class, in the order given; '' when there are more classes than keys.

    A key stored with the class wins, unless it is a command's or taken. Classes that are called '0' to '9' or by one
    letter get that key. All others get 1 to 9 and 0, then letters.

    Args:
        classes: The project's classes by position.
    """
    chosen: dict[int, str] = {}
    single = all(_usable(entry.name.strip().lower()) for entry in classes)
    for index, entry in enumerate(classes):
        wish = entry.name.strip().lower() if single else entry.key.lower()
        if _usable(wish) and wish not in chosen.values():
            chosen[index] = wish
    free = [key for key in DIGITS + LETTERS if key not in chosen.values()]
    for index in range(len(classes)):
        if index not in chosen:
            chosen[index] = free.pop(0) if free else ""
    return [chosen[index] for index in range(len(classes))]


def _usable(key: str) -> bool:
    return len(key) == 1 and key in DIGITS + LETTERS and key not in COMMAND_KEYS
