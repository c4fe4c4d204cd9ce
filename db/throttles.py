"""Failed logins slow the next ones down, by name and by address; counted before the password is looked at.

Counting first means that a hundred tries at once are a hundred tries: none of them sees a count of zero.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from db.clock import now
from db.errors import TooManyTries
from db.tables import ThrottleRow

FREE_TRIES = {"name": 5, "address": 20}  # an office may share one address
LONGEST_DELAY_MS = 15 * 60 * 1000
FORGOTTEN_MS = 24 * 60 * 60 * 1000


def keys(name: str, address: str | None) -> list[str]:
    """Return the counters of one try; hashed, as people type passwords into the field for names.

    >>> [key.partition(":")[0] for key in keys("Ada", "10.0.0.1")]
    ['address', 'name']
    """
    found = [("name", name.strip().casefold())]
    if address:
        found.append(("address", _network(address)))
    return sorted(f"{kind}:{hashlib.sha256(value.encode()).hexdigest()}" for kind, value in found)


def count_try(session: Session, counters: Sequence[str]) -> None:
    """Count a try as failed until `forgive` takes it back.

    Raises:
        TooManyTries: if one of the counters still has to wait; such a try is not counted, so that waiting ends.
    """
    time = now(session)
    session.execute(delete(ThrottleRow).where(ThrottleRow.updated_at < time - FORGOTTEN_MS))
    rows = {row.key: row for row in session.scalars(_rows(counters))}
    wait = max((row.blocked_until - time for row in rows.values()), default=0)
    if wait > 0:
        raise TooManyTries(-(-wait // 1000))
    for key in counters:
        row = rows.get(key)
        if row is None:
            row = ThrottleRow(key=key, failures=0, blocked_until=0, updated_at=time)
            session.add(row)
        row.failures += 1
        row.blocked_until = time + delay_ms(row.failures, FREE_TRIES[key.partition(":")[0]])
        row.updated_at = time


def forgive(session: Session, counters: Sequence[str]) -> None:
    """After a success: the name starts anew; the address only loses the one try that was no failure."""
    for row in session.scalars(_rows(counters)):
        row.failures = 0 if row.key.startswith("name:") else max(0, row.failures - 1)
        row.blocked_until = 0


def delay_ms(failures: int, free: int) -> int:
    """Return how long the next try has to wait.

    >>> [delay_ms(failures, 5) for failures in (4, 5, 6, 7, 100)]
    [0, 0, 1000, 2000, 900000]
    """
    return 0 if failures <= free else min(LONGEST_DELAY_MS, 1000 * 2 ** min(20, failures - free - 1))


def _rows(counters: Sequence[str]) -> Select[tuple[ThrottleRow]]:
    return select(ThrottleRow).where(ThrottleRow.key.in_(counters)).order_by(ThrottleRow.key).with_for_update()


def _network(address: str) -> str:
    """An IPv6 customer has a whole /64; one address of it is no limit."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(found if found.version == 4 else ipaddress.ip_network((found, 64), strict=False))
