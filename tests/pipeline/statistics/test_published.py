from __future__ import annotations

import pytest

from pipeline.statistics.published import MNIST, TABLES, TRANSFERS, published_table


@pytest.mark.parametrize("table", TABLES)
def test_each_row_has_a_figure_for_each_column(table: object) -> None:
    assert all(len(row) == len(table.labels) and all(0 < value < 1 for value in row) for row in table.accuracy.values())
    assert "running maximum" in table.remarks


def test_the_plateaus_that_give_the_running_maximum_away_are_kept() -> None:
    assert MNIST.accuracy["ceal"][1:] == (0.9069, 0.9069, 0.9069)
    assert MNIST.accuracy["bald"][2] == MNIST.accuracy["bald"][3]
    assert "Four classes" in published_table("quickdraw").remarks
    assert published_table("digits") is None
    assert TRANSFERS[0].accuracy["random_sampling"] == MNIST.accuracy["random_sampling"][-1]
