"""Long work says how long it will still take."""

from __future__ import annotations

import pytest

from flows.report import TimeLeft


def test_the_time_left_is_told_once_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 60.0, 100.0])
    monkeypatch.setattr("flows.report.Pace.__init__.__kwdefaults__", {"done": 0, "clock": lambda: next(clock)})
    left = TimeLeft()
    assert left.added_to("training", 0, 10) == "training"
    assert left.added_to("training", 2, 10) == "training, about 4 min left"
    assert left.added_to("ranking", 0, 0) == "ranking"  # other work, of unknown length
