"""IDX, npy and npz files: mapped, checked, with their labels and splits; nothing in them is run."""

import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.data.sources import digits, open_source
from pipeline.data.sources.idx import read_idx
from pipeline.errors import DataError, ImageRejected
from tests.support import test_data as real_data

REPOSITORY = Path(__file__).parents[3]


def write_idx(path, array):
    kinds = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}
    header = struct.pack(">HBB", 0, kinds[array.dtype.name], array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    data = header + array.astype(array.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


IMAGES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)


def mnist_like(folder, suffix=""):
    folder.mkdir(exist_ok=True)
    write_idx(folder / f"train-images-idx3-ubyte{suffix}", IMAGES)
    write_idx(folder / f"train-labels-idx1-ubyte{suffix}", np.array([3, 0, 1, 2, 3], np.uint8))
    write_idx(folder / f"t10k-images-idx3-ubyte{suffix}", IMAGES[:2] + 100)
    write_idx(folder / f"t10k-labels-idx1-ubyte{suffix}", np.array([1, 1], np.uint8))
    return folder


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_an_idx_folder_keeps_its_official_split(tmp_path, suffix):
    source = open_source(mnist_like(tmp_path, suffix))
    items = list(source)
    assert len(items) == len(source) == 7
    assert source.classes == ("0", "1", "2", "3")
    assert sorted((item.known_class, item.split) for item in items) == [
        ("0", "pool"), ("1", "pool"), ("1", "test"), ("1", "test"), ("2", "pool"), ("3", "pool"), ("3", "pool"),
    ]  # fmt: skip
    by_name = {item.name: item for item in items}
    assert np.array_equal(by_name["train-images-idx3-ubyte[4]"].load(), IMAGES[4])
    assert by_name["train-images-idx3-ubyte[1]"].known_class == "0"
    assert all(item.path is None for item in items)


def test_a_plain_file_and_its_gzipped_twin_count_once(tmp_path):
    assert len(open_source(mnist_like(mnist_like(tmp_path), ".gz"))) == 7


def test_one_idx_file_and_one_without_labels(tmp_path):
    folder = mnist_like(tmp_path / "a")
    source = open_source(folder / "t10k-images-idx3-ubyte")
    assert [(item.known_class, item.split) for item in source] == [("1", "test")] * 2
    (folder / "t10k-labels-idx1-ubyte").unlink()
    assert open_source(folder / "t10k-images-idx3-ubyte").classes == ()
    with pytest.raises(DataError, match="label file beside t10k"):
        open_source(folder)


@pytest.mark.parametrize("kind", ["uint8", "int16", "int32", "float32", "float64"])
def test_idx_types(tmp_path, kind):
    write_idx(tmp_path / "x", IMAGES.astype(kind))
    assert np.array_equal(read_idx(tmp_path / "x"), IMAGES)


def test_emnist_is_turned_upright_and_its_letters_start_at_one(tmp_path):
    write_idx(tmp_path / "emnist-letters-train-images-idx3-ubyte", IMAGES)
    write_idx(tmp_path / "emnist-letters-train-labels-idx1-ubyte", np.array([1, 2, 3, 26, 1], np.uint8))
    write_idx(tmp_path / "emnist-letters-test-images-idx3-ubyte", IMAGES[:1])
    write_idx(tmp_path / "emnist-letters-test-labels-idx1-ubyte", np.array([26], np.uint8))
    source = open_source("emnist-letters", data_dir=tmp_path)
    items = list(source)
    assert [item.known_class for item in items] == ["a", "b", "c", "z", "a", "z"]
    assert items[-1].split == "test"
    assert np.array_equal(items[1].load(), IMAGES[1].T)


def test_qmnist_takes_the_class_from_its_wide_labels(tmp_path):
    wide = np.zeros((5, 8), np.int32)
    wide[:, 0] = [9, 8, 7, 6, 5]
    for part in ("train", "test"):
        write_idx(tmp_path / f"qmnist-{part}-images-idx3-ubyte", IMAGES)
        write_idx(tmp_path / f"qmnist-{part}-labels-idx2-int", wide)
    source = open_source("qmnist", data_dir=tmp_path)
    assert [item.known_class for item in source] == ["9", "8", "7", "6", "5"] * 2
    assert [item.split for item in source] == ["pool"] * 5 + ["test"] * 5


def test_names_find_plain_idx_files_where_they_lie(tmp_path):
    mnist_like(tmp_path)
    assert open_source("MNIST", data_dir=tmp_path).classes == tuple("0123456789")
    assert open_source("fashionmnist", data_dir=tmp_path).classes[0] == "T-shirt/top"
    (tmp_path / "x" / "KMNIST").mkdir(parents=True)
    mnist_like(tmp_path / "x" / "KMNIST" / "raw")
    assert open_source("kmnist", data_dir=tmp_path / "x").classes[:2] == ("o", "ki")


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("damage", ["short", "long", "magic", "empty", "labels"])
def test_a_damaged_idx_file_is_one_clear_error(tmp_path, suffix, damage):
    mnist_like(tmp_path, suffix)
    path = tmp_path / f"train-images-idx3-ubyte{suffix}"
    data = gzip.decompress(path.read_bytes()) if suffix else path.read_bytes()
    data = {"short": data[:-1], "long": data + b"x", "magic": b"P5" + data[2:], "empty": b"", "labels": data}[damage]
    path.write_bytes(gzip.compress(data) if suffix else data)
    if damage == "labels":
        write_idx(tmp_path / f"train-labels-idx1-ubyte{suffix}", np.array([1], np.uint8))
    with pytest.raises(DataError, match="expected"):
        open_source(tmp_path)


def test_a_cut_gzip_file_is_one_clear_error(tmp_path):
    mnist_like(tmp_path, ".gz")
    path = tmp_path / "train-images-idx3-ubyte.gz"
    os.truncate(path, path.stat().st_size - 9)
    with pytest.raises(DataError, match="damaged or cut off"):
        open_source(tmp_path)


def test_a_gzip_bomb_fills_no_disk(tmp_path, monkeypatch):
    """What comes out is cut at the size that the header declares."""
    written = []
    header = struct.pack(">HBB3I", 0, 8, 3, 1, 2, 2)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + bytes(50_000_000)))

    class Counting:
        def __init__(self, **options):
            pass

        def write(self, data):
            written.append(len(data))

        def flush(self):
            pass

        def close(self):
            pass

    monkeypatch.setattr("pipeline.data.sources.spool.tempfile.TemporaryFile", Counting)
    with pytest.raises(DataError, match="got more"):
        read_idx(tmp_path / "train-images-idx3-ubyte.gz")
    assert sum(written) <= 4


def test_npy_files_of_all_shapes(tmp_path):
    for number, shape in enumerate([(5, 4, 3), (5, 4, 3, 3), (5, 3, 4, 6), (5, 16)]):
        np.save(tmp_path / f"{number}.npy", np.zeros(shape, np.uint8))
    loaded = [next(iter(open_source(tmp_path / f"{number}.npy"))).load().shape for number in range(4)]
    assert loaded == [(4, 3), (4, 3, 3), (4, 6, 3), (4, 4)]


def test_a_folder_of_npy_is_a_class_a_file(tmp_path):
    for name, count in (("train", 2), ("cat", 3), ("dog10", 1), ("dog9", 1)):
        np.save(tmp_path / f"{name}.npy", np.full((count, 16), len(name), np.uint8))
    source = open_source(tmp_path)
    assert source.classes == ("cat", "dog9", "dog10", "train")
    assert [(item.name, item.known_class) for item in source][:2] == [("cat.npy[0]", "cat"), ("cat.npy[1]", "cat")]
    assert len(source) == 7


def test_a_dark_image_keeps_the_scale_of_its_neighbors(tmp_path):
    images = np.stack([np.full((2, 2), 255.0), np.full((2, 2), 1.0)])
    np.save(tmp_path / "x.npy", images)
    assert list(open_source(tmp_path / "x.npy"))[1].load().max() == 1


def test_a_nan_spoils_its_own_image_alone(tmp_path):
    images = np.ones((2, 2, 2))
    images[0, 0, 0] = np.nan
    np.save(tmp_path / "x.npy", images)
    bad, good = open_source(tmp_path / "x.npy")
    with pytest.raises(ImageRejected, match="NaN"):
        bad.load()
    assert good.load().min() == 255


@pytest.mark.parametrize("compressed", [False, True])
def test_npz_with_an_official_split(tmp_path, compressed):
    save = np.savez_compressed if compressed else np.savez
    save(
        tmp_path / "x.npz", x_train=IMAGES, y_train=np.array([[10], [9], [9], [10], [9]]), x_test=IMAGES[:1],
        y_test=np.array([[10]]),
    )  # fmt: skip
    source = open_source(tmp_path / "x.npz")
    assert source.classes == ("9", "10")
    assert [(item.known_class, item.split) for item in source] == [
        ("10", "pool"), ("9", "pool"), ("9", "pool"), ("10", "pool"), ("9", "pool"), ("10", "test"),
    ]  # fmt: skip
    assert np.array_equal(list(source)[3].load(), IMAGES[3])


def test_npz_with_names_as_labels_and_without_labels(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.asfortranarray(IMAGES), labels=np.array(["b", "a", "a", "b", "c"]))
    source = open_source(tmp_path / "a.npz")
    assert [item.known_class for item in source] == ["b", "a", "a", "b", "c"]
    assert np.array_equal(list(source)[2].load(), IMAGES[2])
    np.savez(tmp_path / "b.npz", whatever=IMAGES)
    assert open_source(tmp_path / "b.npz").classes == ()


class Canary:
    """Makes a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("kind", ["npy", "npz", "folder"])
def test_python_objects_in_arrays_are_never_loaded(tmp_path, kind):
    canary = tmp_path / "canary"
    array = np.array([Canary(canary)] * 3, dtype=object)
    target = tmp_path / "x" / ("x.npz" if kind == "npz" else "x.npy")
    target.parent.mkdir()
    np.savez(target, images=array) if kind == "npz" else np.save(target, array, allow_pickle=True)
    with pytest.raises(DataError, match="Python objects, which are never loaded"):
        open_source(target.parent if kind == "folder" else target)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.npy", np.zeros((5, 10), np.uint8), "flat row"),
        ("x.npy", np.zeros(5, np.uint8), "shape"),
        ("x.npy", np.zeros((5, 4, 4), np.complex64), "complex64"),
        ("x.npy", np.zeros((0, 4, 4), np.uint8), "got none"),
        ("x.npy", b"\x93NUMPY", "array of numbers"),
        ("x.npy", b"", "array of numbers"),
        ("x.npz", {"a": IMAGES, "b": IMAGES}, "got a, b; rename"),
        ("x.npz", {"images": IMAGES, "labels": np.zeros(4, int)}, "got 4"),
        ("x.npz", {"images": IMAGES, "labels": np.zeros((5, 3), int)}, "one integer or name"),
        ("x.npz", {"images": IMAGES, "labels": np.zeros(5)}, "one integer or name"),
        ("x.npz", b"PK\x03\x04 no archive", "archive"),
    ],
)
def test_arrays_that_cannot_be_used_are_one_clear_error(tmp_path, name, content, reason):
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif isinstance(content, dict):
        np.savez(tmp_path / name, **content)
    else:
        np.save(tmp_path / name, content)
    with pytest.raises(DataError, match=reason):
        open_source(tmp_path / name)


def test_digits_are_real_images():
    source = open_source("digits")
    assert (len(source), source.classes) == (1797, tuple("0123456789"))
    image = next(iter(source)).load()
    assert (image.shape, image.dtype, int(image.max())) == ((8, 8), np.uint8, 239)  # 15 of 16


def test_digits_are_those_that_scikit_learn_gives(monkeypatch):
    fast, classes = digits.read_digits()
    monkeypatch.setattr(digits, "_FILE", "moved.csv.gz")
    slow, same_classes = digits.read_digits()
    assert np.array_equal(fast, slow)
    assert np.array_equal(classes, same_classes)
    assert slow.shape == (1797, 8, 8)


def test_digits_and_shards_need_neither_scikit_learn_nor_torch():
    code = (
        "import sys, pipeline.data.shards; from pipeline.data.sources import open_source; open_source('digits')\n"
        "print([name for name in ('torch', 'torchvision', 'sklearn', 'scipy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


def test_torchvisions_arrays_become_pool_and_test(monkeypatch):
    colors = np.arange(2 * 3 * 6 * 6, dtype=np.uint8).reshape(2, 3, 6, 6)

    def fake(name, folder, **options):
        if name == "CIFAR10":
            return SimpleNamespace(data=colors.transpose(0, 2, 3, 1), targets=[9, int(options["train"])])
        return SimpleNamespace(data=colors, labels=np.array([0, 9 if options["split"] == "test" else 1]))

    monkeypatch.setattr("pipeline.data.sources.benchmarks._torchvision", fake)
    cifar, svhn = list(open_source("CIFAR10")), list(open_source("svhn"))
    assert [(item.known_class, item.split) for item in cifar] == [
        ("truck", "pool"), ("automobile", "pool"), ("truck", "test"), ("airplane", "test"),
    ]  # fmt: skip
    assert [(item.known_class, item.split) for item in svhn] == [
        ("0", "pool"), ("1", "pool"), ("0", "test"), ("9", "test"),
    ]  # fmt: skip
    assert np.array_equal(cifar[1].load(), svhn[1].load())


def test_without_files_and_network_a_name_is_one_clear_error(tmp_path):
    """The proxy of this process leads nowhere, whatever the machine's network."""
    code = (
        "import sys; from pathlib import Path; from pipeline.data.sources import open_source\n"
        "from pipeline.errors import DataError\n"
        "for name in ('mnist', 'qmnist', 'emnist-letters', 'cifar10', 'svhn'):\n"
        "    try: open_source(name, data_dir=Path(sys.argv[1]) / name)\n"
        "    except DataError as error: print(error)"
    )
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=REPOSITORY, env={**os.environ, **nowhere, "no_proxy": ""}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = result.stdout.strip().splitlines()
    assert len(lines) == 5
    assert all("a network to download them" in line for line in lines)


def test_the_official_mnist():
    source = open_source("mnist", data_dir=real_data("mnist"))
    splits = [item.split for item in source]
    assert (splits.count("pool"), splits.count("test")) == (60_000, 10_000)
    first = {item.name: item for item in source}["train-images-idx3-ubyte[0]"]
    assert first.known_class == "5"
    assert first.load().sum() == 27525


def test_quickdraw_arrays():
    source = open_source(real_data("quickdraw"))
    assert (len(source), len(source.classes)) == (57_920, 16)
    assert next(iter(source)).load().shape == (28, 28)
