"""Seeding torch's global generators: the numbers of `torch.manual_seed`, without what it keeps for a GPU."""

from __future__ import annotations

import torch

from pipeline.models.state import private_randomness, seed_global


def test_the_numbers_are_those_of_torch() -> None:
    with private_randomness():
        seed_global(7)
        ours = torch.rand(3)
        torch.manual_seed(7)
        assert torch.equal(ours, torch.rand(3))


def test_many_seedings_leave_nothing_behind() -> None:
    waiting = torch.cuda._queued_calls  # what torch wants to do once a GPU is in use
    with private_randomness():
        before = len(waiting)
        for seed in range(100):
            seed_global(seed)
        assert len(waiting) == before
