"""Remembers what was said already, in a process that runs for months."""

from __future__ import annotations


class Recent:
    """The newest keys, so that each is told of once; the oldest are forgotten.

    >>> told = Recent(most=2)
    >>> [told.add(key) for key in ("a", "b", "a", "c", "a")]
    [True, True, False, True, True]
    """

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._keys: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        """Tell whether a key is remembered."""
        return key in self._keys

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._keys)

    def add(self, key: str) -> bool:
        """Remember a key; returns whether it is new."""
        if key in self._keys:
            return False
        self._keys[key] = None
        if len(self._keys) > self._most:
            del self._keys[next(iter(self._keys))]
        return True
