"""Gives units to a crew as workers become free, a transfer's after those that it reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flows.compare.crews import Crew
from flows.compare.ledger import Ledger
from flows.compare.units import Ended, Event, UnitWork
from pipeline.experiment.planning import Unit


def go_through(units: Sequence[Unit], crew: Crew, ledger: Ledger, work_of: Callable[[Unit, int], UnitWork]) -> None:
    """Carry out all units.

    Args:
        units: In an order in which each comes after what it needs.
        crew: Who does it.
        ledger: Takes in what is made, and knows what is ready.
        work_of: Makes the work of a unit and its number.

    Raises:
        Canceled: Somebody asked for it.
    """
    waiting = dict(enumerate(units))
    busy: set[int] = set()

    def hear(event: Event) -> None:
        if isinstance(event, Ended):
            busy.discard(event.number)
        ledger.hear(event)

    while waiting or busy:
        for number, unit in list(waiting.items()):
            if len(busy) < crew.size and ledger.ready(unit):
                del waiting[number]
                busy.add(number)
                crew.begin(work_of(unit, number), hear)
        if busy:
            crew.wait()
        elif waiting and not any(ledger.ready(unit) for unit in waiting.values()):
            for unit in waiting.values():  # what they read failed
                ledger.give_up(unit)
            return
