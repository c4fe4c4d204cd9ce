"""Clocks that are wrong: a host's, which must not matter, and the database's own, which decides leases."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from benchmarks.fault_table import POSTGRESQL, SQLITE, Outcome, Stand, fault
from benchmarks.fault_writers import Crew, crew
from db.claims import LEASE_SECONDS
from db.clock import now
from db.tables import ClaimRow

HOUR = 3600.0
CLOCKS = (0.0, HOUR, -HOUR, 120.0)
TAKEN = "SELECT count(*) FROM claims WHERE state = 'expired'"
MOVED = "UPDATE claims SET claimed_at = claimed_at + :ms, expires_at = expires_at + :ms WHERE state = 'leased'"


def strange_leases(stand: Stand) -> int:
    """Count leases that end later than one may last, and leases that were taken from somebody: 0 when all is well."""
    with stand.open() as database:

        def work(session: Session) -> int:
            late = select(func.count()).where(
                ClaimRow.state == "leased", ClaimRow.expires_at > now(session) + 1000 * LEASE_SECONDS
            )
            taken = session.execute(text(TAKEN)).scalar_one()
            return int(session.scalars(late).one()) + int(taken)

        return database.read(work)


@fault(
    "hosts' clocks wrong",
    "page processes whose clocks are an hour fast, an hour slow and two minutes fast, beside "
    "one that is right: no lease ends early, none lasts longer",
    count=12,
    small=3,
    tested=(POSTGRESQL,),
)
def clocks_wrong(stand: Stand, times: int) -> Outcome:
    """Give each annotator's process another time."""
    strange = 0
    with crew(stand, 20 + 12 * times) as team:
        team.writers = [replace(one, clock=clock) for one, clock in zip(team.writers, CLOCKS, strict=True)]
        team.start()
        injected = 0
        while injected < times and team.busy:
            team.wait_for_answers(5)
            strange += strange_leases(stand)
            injected += 1
        found = team.finish()
    found.over_assigned += strange
    if strange:
        found.what.append(f"leases ended early or last too long: {strange}")
    return Outcome(injected, found)


@fault(
    "database's clock jumps",
    "an hour forward and back, under load, simulated by moving all leases the other way: "
    "leases end at once, or last an hour longer; late answers take their place again",
    count=20,
    small=2,
    tested=(SQLITE,),
)
def clock_jumps(stand: Stand, times: int) -> Outcome:
    """Move all leases by an hour, to and fro, while everybody works."""
    injected = 0
    with crew(stand, 40 + 12 * times) as team, stand.open() as database:
        team.start()
        while injected < times and team.busy:
            team.wait_for_answers(4)
            milliseconds = int(1000 * HOUR) * (-1 if injected % 2 == 0 else 1)
            database.write(lambda session, ms=milliseconds: session.execute(text(MOVED), {"ms": ms}), idempotent=False)
            injected += 1
        if injected % 2:
            _jump_back(team)
        return Outcome(injected, team.finish())


def _jump_back(team: Crew) -> None:
    """End on the right time."""
    with team.stand.open() as database:
        database.write(lambda session: session.execute(text(MOVED), {"ms": int(1000 * HOUR)}))
