"""What travels: ids and paths there, arrays back; large ones as files that go once they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.shards.parcels import pack, pool_of, shard_rows, unpack
from flows.shards.ray_shards import shard_size
from pipeline.data.pool import ImagePool
from pipeline.errors import DataError
from tests.flows.shards.conftest import Bench


def test_shards_are_the_pool_cut_in_pieces(bench: Bench) -> None:
    pool = bench.context.pool.subset(np.sort(bench.context.pool.ids)[::-1])
    rows = list(shard_rows(pool, 50))
    parts = [pool_of(row) for row in rows]
    assert [len(part) for part in parts] == [50, 50, 20]
    assert np.array_equal(np.concatenate([part.ids for part in parts]), pool.ids)
    for part in parts:
        assert np.array_equal(part.take(part.ids).numpy(), pool.take(part.ids).numpy())
    assert all(isinstance(value, int | bytes | str) for row in rows for value in row.values())  # no pixels, no objects


def test_only_files_that_hold_images_are_named(bench: Bench) -> None:
    first = bench.context.pool.subset(bench.context.pool.ids[:10]).located()
    assert len(first.paths) == 1
    assert first.shard.max() == 0


def test_images_in_memory_do_not_travel() -> None:
    with pytest.raises(DataError, match="a pool in files"):
        list(shard_rows(ImagePool.from_tensor(np_images()), 2))


def np_images():
    import torch

    return torch.zeros(3, 1, 4, 4, dtype=torch.uint8)


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    arrays = {
        "ids": np.arange(5),
        "none": np.empty((0, 3)),
        "half": np.linspace(0, 1, 7, dtype=np.float16),
        "large": np.random.default_rng(0).random((1000, 300), dtype=np.float32),
        "sure": np.array([True]),
    }
    found, files = unpack(pack(arrays, tmp_path))
    assert found.keys() == arrays.keys()
    assert all(
        np.array_equal(found[name], array) and found[name].dtype == array.dtype for name, array in arrays.items()
    )
    assert files == list(tmp_path.iterdir())
    assert len(files) == 1


def test_a_file_that_this_machine_does_not_see(tmp_path: Path) -> None:
    packed = pack({"large": np.zeros(1 << 20)}, tmp_path)
    for file in tmp_path.iterdir():
        file.unlink()
    with pytest.raises(DataError, match="all machines see"):
        unpack(packed)


@pytest.mark.parametrize(("images", "actors"), [(1, 1), (300, 2), (60_000, 2), (1_000_000, 16), (10**8, 8)])
def test_no_actor_is_idle_and_shards_are_whole_batches(images: int, actors: int) -> None:
    size = shard_size(images, actors)
    assert size % 4096 == 0
    assert 4096 <= size <= 65_536
    assert images / size >= actors or size == 4096
