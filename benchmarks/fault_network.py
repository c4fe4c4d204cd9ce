"""Faults of the network between page and database, by a proxy that cuts connections."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from benchmarks.fault_table import POSTGRESQL, Outcome, Stand, fault
from benchmarks.fault_writers import Crew, crew
from benchmarks.proxy import AFTER_COMMIT, BEFORE_COMMIT, Proxy, proxied

CUT_SECONDS = 30.0


def _by_proxy(team: Crew, proxy: Proxy) -> None:
    """Let annotators reach the database by the proxy alone."""
    url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres?sslmode=disable&gssencmode=disable"
    team.writers = [replace(writer, url=url) for writer in team.writers]


def _cut_commits(stand: Stand, times: int, when: str) -> Outcome:
    with proxied(stand.server.folder) as proxy, crew(stand, 40 + 4 * times) as team:
        _by_proxy(team, proxy)
        team.start()
        while proxy.cuts < times and team.busy:
            team.wait_for_answers(1)
            proxy.cut_next(when)
            deadline = time.monotonic() + CUT_SECONDS
            while proxy.waiting and team.busy and time.monotonic() < deadline:
                time.sleep(0.005)
        return Outcome(proxy.cuts, team.finish())


@fault(
    "network cut before a COMMIT arrives",
    "the proxy cuts the connection and the COMMIT with it: nothing is stored, and the client cannot know",
    engines=(POSTGRESQL,),
    count=60,
    small=3,
)
def cut_before_commit(stand: Stand, times: int) -> Outcome:
    """Swallow the COMMIT."""
    return _cut_commits(stand, times, BEFORE_COMMIT)


@fault(
    "network cut after a COMMIT arrived",
    "the proxy passes the COMMIT on and cuts its reply: stored, and the client "
    "cannot know; the repeat under the same id must have no second effect",
    engines=(POSTGRESQL,),
    count=60,
    small=3,
)
def cut_after_commit(stand: Stand, times: int) -> Outcome:
    """Swallow the reply."""
    return _cut_commits(stand, times, AFTER_COMMIT)


@fault(
    "network cut at random",
    "all connections between page and database cut at a random moment",
    engines=(POSTGRESQL,),
    count=60,
    small=3,
    tested=(),
)
def cut_at_random(stand: Stand, times: int) -> Outcome:
    """Cut everybody's connection."""
    choose, injected = np.random.default_rng(7), 0
    with proxied(stand.server.folder) as proxy, crew(stand, 40 + 8 * times) as team:
        _by_proxy(team, proxy)
        team.start()
        while injected < times and team.busy:
            team.wait_for_answers(2)
            time.sleep(choose.uniform(0.0, 0.1))
            proxy.cut_all()
            injected += team.busy
        return Outcome(injected, team.finish())
