"""The soak, short: two rounds by themselves, three things killed at random, a team of five at the HTTP API."""

from __future__ import annotations

from argparse import Namespace

import numpy as np
import pytest

from benchmarks.soak import in_words, soak, totals
from benchmarks.soak_site import pick, role_of, settings_for, team_services
from flows.settings import BOOT


@pytest.mark.alone
@pytest.mark.timeout(900)
def test_a_short_soak_on_embedded_parts(tmp_path) -> None:
    given = Namespace(rounds=2, kills=3, minutes=10.0, seed=0, gap=8.0, keep_logs=str(tmp_path), only="")
    row = soak("sqlite", given)
    assert row["broken"] == 0, row
    assert row["rounds"] >= 2, row
    assert row["kills"] == 3, row
    assert row["acknowledged"] >= 40, row


def test_what_dies_is_chosen_by_its_seed_among_what_is_there() -> None:
    targets = {"page": [1], "flow run": [2, 3]}
    chosen = [pick(targets, np.random.default_rng(seed)) for seed in range(20)]
    assert chosen == [pick(targets, np.random.default_rng(seed)) for seed in range(20)]
    assert {role for role, _ in chosen if role} == {"page", "flow run"}
    assert pick(targets, np.random.default_rng(0), only=("postmaster",)) is None


def test_a_team_runs_the_worker_as_it_is_deployed(tmp_path) -> None:
    services = {one.name: one for one in team_services(settings_for(tmp_path, url="postgresql://host/labels"))}
    assert [role_of(one.command) for one in services.values()] == ["Prefect server", "page", "worker"]
    environment = services["worker"].environment
    assert BOOT not in environment  # each start has a name of its own, or the next worker waits for a dead one's runs
    assert environment["BORDERLINE_PREFECT_API_URL"].startswith("http://127.0.0.1:")
    assert role_of(["python", "-m", "flows.cli", "up"]) == "borderline up"
    assert role_of(["python", "-m", "prefect.engine"]) == "flow run"
    assert role_of(["sleep"]) is None


def test_what_was_killed_is_told_by_role_and_engines_are_counted_together() -> None:
    one = {"kills": 3, "acknowledged": 40, "lost": 0, "doubled": 0, "over_assigned": 0, "bad_hashes": 0, "rounds": 12}
    other = {**one, "lost": 1, "rounds": 10}
    assert totals([one, other]) == {
        "kills": 6, "acknowledged": 80, "lost": 1, "doubled": 0, "over_assigned": 0, "bad_hashes": 0, "rounds": 10,
    }  # fmt: skip
    assert in_words({"page": 1, "worker": 2}) == "worker 2, page 1"
