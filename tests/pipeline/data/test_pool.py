"""A pool gives the right pixels for ids in any order, from any number of shards, without reading them all."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data import pool as pool_module
from pipeline.data.pool import ImagePool
from pipeline.errors import DataError, FileDamaged
from pipeline.files import sha256_file

REPOSITORY = Path(__file__).parents[3]


def make_pool(folder, lengths=(5, 3, 4), channels=3, size=2, seed=0):
    """A pool whose image's first pixel tells its id: rows are shuffled over the shards."""
    generator = np.random.default_rng(seed)
    total = sum(lengths)
    ids = generator.permutation(total).astype(np.int64) * 7 + 3
    pixels = generator.integers(0, 256, (total, channels, size, size), dtype=np.uint8)
    pixels[:, 0, 0, 0] = ids % 256
    paths, start = [], 0
    for number, length in enumerate(lengths):
        paths.append(folder / f"{number}.npy")
        np.save(paths[-1], pixels[start : start + length])
        start += length
    shard = np.repeat(np.arange(len(lengths)), lengths).astype(np.int32)
    row = np.concatenate([np.arange(length) for length in lengths]).astype(np.int32)
    shuffle = generator.permutation(total)
    pool = ImagePool(ids[shuffle], shard[shuffle], row[shuffle], paths)
    return pool, dict(zip(ids.tolist(), pixels, strict=True))


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return make_pool(tmp_path_factory.mktemp("pool"))


@given(data=st.data())
def test_take_returns_rows_in_the_order_of_ids(truth, data):
    pool, pixels = truth
    ids = data.draw(st.lists(st.sampled_from(sorted(pixels)), max_size=20) | st.permutations(sorted(pixels)))
    images = pool.take(ids)
    assert images.dtype == torch.uint8
    assert len(images) == len(ids)
    for image, name in zip(images, ids, strict=True):
        assert np.array_equal(image.numpy(), pixels[name])


@given(data=st.data())
def test_a_subset_is_a_pool_of_those_ids_in_that_order(truth, data):
    pool, pixels = truth
    ids = data.draw(st.permutations(sorted(pixels)))[: data.draw(st.integers(1, len(pixels)))]
    subset = pool.subset(ids).subset(ids[::-1])
    assert subset.ids.tolist() == ids[::-1]
    assert np.array_equal(subset.take(ids).numpy(), np.stack([pixels[name] for name in ids]))
    outside = sorted(set(pixels) - set(ids))
    if outside:
        with pytest.raises(DataError, match="ids of this pool"):
            subset.take(outside[:1])


@pytest.mark.parametrize("batch_size", [1, 5, 12, 100])
def test_batches_go_through_the_pool_once_in_its_order(truth, batch_size):
    pool, pixels = truth
    batches = list(pool.batches(batch_size))
    assert np.concatenate([ids for ids, _ in batches]).tolist() == pool.ids.tolist()
    assert all(len(ids) == len(images) <= batch_size for ids, images in batches)
    for ids, images in batches:
        assert np.array_equal(images.numpy(), np.stack([pixels[int(name)] for name in ids]))


def test_shape_length_and_an_empty_pool(truth):
    pool, _ = truth
    assert (len(pool), pool.image_shape) == (12, (3, 2, 2))
    assert pool.take([]).shape == (0, 3, 2, 2)
    empty = pool.subset([])
    assert len(empty) == 0
    assert list(empty.batches(4)) == []
    for call in (lambda: empty.image_shape, lambda: empty.take([3]), lambda: next(pool.batches(0))):
        with pytest.raises(DataError, match="expected"):
            call()


def test_ids_are_read_only(truth):
    with pytest.raises(ValueError, match="read-only"):
        truth[0].ids[0] = 1


def test_taken_images_are_copies(truth):
    pool, pixels = truth
    name = int(pool.ids[0])
    pool.take([name]).zero_()
    assert np.array_equal(pool.take([name])[0].numpy(), pixels[name])


def test_images_in_memory():
    images = torch.arange(24, dtype=torch.uint8).reshape(6, 1, 2, 2)
    pool = ImagePool.from_tensor(images)
    assert pool.ids.tolist() == list(range(6))
    assert torch.equal(pool.take([4, 1]), images[[4, 1]])
    assert torch.equal(ImagePool.from_tensor(images, ids=range(10, 16)).take([15]), images[5:])
    with pytest.raises(DataError, match="uint8"):
        ImagePool.from_tensor(images.float())
    with pytest.raises(DataError, match="one length"):
        ImagePool.from_tensor(images, ids=[1])


@pytest.mark.parametrize(
    ("ids", "shard", "row", "reason"),
    [
        ([1, 1], [0, 0], [0, 1], "each sample id once"),
        ([1, 2], [0], [0], "one length"),
        ([1.5, 2], [0, 0], [0, 1], "integers"),
        ([1, 2], [0, 1], [0, 0], "shards 0 to 0"),
        ([1, 2], [0, 0], [0, -1], "rows from 0"),
    ],
)
def test_an_index_that_does_not_fit_is_an_error(tmp_path, ids, shard, row, reason):
    np.save(tmp_path / "0.npy", np.zeros((2, 1, 2, 2), np.uint8))
    with pytest.raises(DataError, match=reason):
        ImagePool(np.array(ids), np.array(shard), np.array(row), [tmp_path / "0.npy"])


@pytest.mark.parametrize("damage", ["missing", "short", "float", "fewer rows", "another size", "objects"])
def test_a_damaged_shard_is_said_to_be_damaged(tmp_path, damage):
    pool, _ = make_pool(tmp_path)
    path = tmp_path / "1.npy"
    if damage == "missing":
        path.unlink()
    elif damage == "short":
        os.truncate(path, path.stat().st_size - 1)
    elif damage == "objects":
        np.save(path, np.array([{}] * 3), allow_pickle=True)
    else:
        shape = {"fewer rows": (2, 3, 2, 2), "another size": (3, 3, 4, 4)}.get(damage, (3, 3, 2, 2))
        np.save(path, np.zeros(shape, np.float32 if damage == "float" else np.uint8))
    with pytest.raises(FileDamaged, match="expected"):
        pool.take(pool.ids)


def test_few_shards_are_open_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(pool_module, "_OPEN_MAPS", 2)
    pool, pixels = make_pool(tmp_path, lengths=(2,) * 6)
    for name in [*pool.ids.tolist() * 2]:
        assert np.array_equal(pool.take([name])[0].numpy(), pixels[name])
        assert len(pool._shards._open) <= 2


def test_many_threads_may_read(tmp_path, monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.setattr(pool_module, "_OPEN_MAPS", 1)
    pool, pixels = make_pool(tmp_path, lengths=(2,) * 6)

    def read(name):
        return np.array_equal(pool.take([name])[0].numpy(), pixels[name])

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(read, pool.ids.tolist() * 30))


def test_reading_a_few_images_does_not_read_the_pool(tmp_path):
    """A shard of 256 MB, of which ten images are taken: the process grows by far less."""
    path = tmp_path / "0.npy"
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (8192, 1, 182, 182))
    array[::1000] = 9
    array.flush()
    code = (
        "import sys, resource, numpy as np; from pathlib import Path; from pipeline.data.pool import ImagePool\n"
        "grown = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "ids = np.arange(8192); before = grown()\n"
        "pool = ImagePool(ids, np.zeros(8192, np.int32), ids.astype(np.int32), [Path(sys.argv[1])])\n"
        "images = pool.take(ids[::1000]); assert int(images.min()) == 9\n"
        "print(grown() - before)"
    )
    command = [sys.executable, "-c", code, str(path)]
    result = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert float(result.stdout) < 60


def test_the_pool_needs_no_pillow():
    code = "import sys, pipeline.data.pool; print([name for name in ('PIL', 'sklearn') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


def hashed(folder):
    """A pool that knows the hashes of its shards."""
    pool, _ = make_pool(folder)
    paths = [folder / f"{number}.npy" for number in range(3)]
    return paths, lambda: ImagePool(pool.ids, pool._shard, pool._row, paths, [sha256_file(path) for path in paths])


def test_a_bit_that_turned_is_refused_by_the_shards_hash(tmp_path):
    paths, opened = hashed(tmp_path)
    good = opened()
    assert len(good.take(good.ids)) == 12
    bad = opened()
    data = bytearray(paths[1].read_bytes())
    data[-1] ^= 1
    paths[1].write_bytes(data)
    with pytest.raises(FileDamaged, match=r"1\.npy.*restore it from a backup"):
        bad.take(bad.ids)


def test_a_shard_is_hashed_once_a_process_while_it_stays_the_same(tmp_path, monkeypatch):
    _, opened = hashed(tmp_path)
    checked = []
    monkeypatch.setattr(pool_module, "check_file", lambda path, sha256: checked.append(path.name))
    for pool in (opened(), opened()):
        pool.take(pool.ids)
    assert sorted(checked) == ["0.npy", "1.npy", "2.npy"]


def test_hashes_come_for_all_shards_or_none(tmp_path):
    pool, _ = make_pool(tmp_path)
    with pytest.raises(DataError, match="a hash for each of 3 shards"):
        ImagePool(pool.ids, pool._shard, pool._row, [tmp_path / f"{number}.npy" for number in range(3)], ["0" * 64])
