from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import StrategyError
from pipeline.features.store import FeatureStore, blocks


def test_rows_lie_in_the_order_of_the_ids_however_they_come(tmp_path: Path) -> None:
    store = FeatureStore(np.array([9, 4, 7]), tmp_path / "scratch")
    store.put(np.array([7, 9]), torch.tensor([[7.0, 0.5], [9.0, 0.5]]))
    store.put(np.array([4]), torch.tensor([[4.0, 0.5]]))
    assert store.rows[:, 0].tolist() == [4.0, 7.0, 9.0]
    assert store.rows.dtype == np.float16
    assert isinstance(store.rows, np.memmap)
    assert store.take(np.array([9, 4]))[:, 0].tolist() == [9.0, 4.0]
    assert list((tmp_path / "scratch").iterdir()) == []  # no file is left behind, whatever happens


def test_bfloat16_features_are_taken() -> None:
    store = FeatureStore(np.array([1]))
    store.put(np.array([1]), torch.tensor([[1.5]], dtype=torch.bfloat16))
    assert store.rows.tolist() == [[1.5]]


def test_blocks_cover_all_rows() -> None:
    rows = np.arange(21, dtype=np.float16).reshape(7, 3)
    parts = list(blocks(rows, 6))
    assert [where.stop - where.start for where, _ in parts] == [2, 2, 2, 1]
    assert torch.equal(torch.cat([some for _, some in parts]), torch.from_numpy(rows).float())


def test_unfinished_or_unfit_features_are_clear_errors() -> None:
    store = FeatureStore(np.arange(2))
    with pytest.raises(StrategyError, match="features of 2 images, got 0"):
        _ = store.rows
    for bad in (70_000.0, float("inf"), float("nan")):
        with pytest.raises(StrategyError, match="at most 65,504"):
            store.put(np.array([0]), torch.tensor([[bad]]))
    wide = FeatureStore(np.arange(1), dtype=np.float32)
    wide.put(np.array([0]), torch.tensor([[70_000.0]]))
    assert wide.rows[0, 0] == 70_000.0
