"""The soak, short: two rounds by themselves, three things killed at random, a team of five at the HTTP API."""

from __future__ import annotations

from argparse import Namespace

import numpy as np
import pytest

from benchmarks.soak import soak
from benchmarks.soak_site import pick


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
