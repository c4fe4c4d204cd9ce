"""How far a comparison is and how long it will take, by the points that were made since it was started."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Tells 'x of y points, about N min left'.

    Args:
        wanted: Points there will be.
        done: Points there were at the start; they say nothing about how fast this machine is.
        clock: Gives seconds.

    >>> seconds = iter([0.0, 60.0])
    >>> Pace(10, done=4, clock=lambda: next(seconds)).text(6)
    '6 of 10 points, about 2 min left'
    """

    def __init__(self, wanted: int, *, done: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.wanted, self._done, self._clock = wanted, done, clock
        self._began = clock()

    def text(self, done: int) -> str:
        """Return the line for a number of points that are there."""
        line = f"{done:,} of {self.wanted:,} points"
        left = self.seconds_left(done)
        return line if left is None else f"{line}, {duration(left)} left"

    def seconds_left(self, done: int) -> float | None:
        """Return an estimate; None before the first new point, and when all are there."""
        made = done - self._done
        if made <= 0 or done >= self.wanted:
            return None
        return (self._clock() - self._began) / made * (self.wanted - done)


def duration(seconds: float) -> str:
    """Return a rough time in words.

    >>> [duration(value) for value in (20, 100, 6000, 40_000)]
    ['less than a minute', 'about 2 min', 'about 1.7 h', 'about 11 h']
    """
    if seconds < 50:
        return "less than a minute"
    if seconds < 90 * 60:
        return f"about {max(1, round(seconds / 60))} min"
    hours = seconds / 3600
    return f"about {hours:.1f} h" if hours < 10 else f"about {hours:.0f} h"
