"""From a source to shards: nothing is lost, nothing comes twice, bad files are named, and memory stays flat."""

import hashlib
import io
import os
import resource
import time
import tracemalloc
from functools import partial

import numpy as np
import pytest
from PIL import Image

from pipeline.data.decode import ImageSpec, decode_image
from pipeline.data.pool import ImagePool
from pipeline.data.seen import SeenHashes
from pipeline.data.shards import (
    AlreadyKnown,
    Duplicate,
    PreparedShard,
    Rejection,
    content_hash,
    prepare_shards,
)
from pipeline.data.sources import SourceItem, open_source
from pipeline.errors import DataError
from pipeline.files import check_file
from tests.pipeline.data.corpus import RAMP, bomb, jpeg, noise, photo, png
from tests.pipeline.data.test_folders import put
from tests.support import test_data as real_data

SPEC = ImageSpec(8, 1)


def nothing(hashes):
    return set()


def run(source, out_dir, spec=SPEC, known=nothing, **options):
    return list(prepare_shards(source, spec, out_dir, known=known, **options))


def samples(outcomes):
    return [sample for outcome in outcomes if isinstance(outcome, PreparedShard) for sample in outcome.samples]


def of(kind, outcomes):
    return [outcome for outcome in outcomes if isinstance(outcome, kind)]


def folder_of(root, count=30):
    for number in range(count):
        put(root, f"{'cat' if number % 3 else 'dog'}/{number}.png", data=png(noise(8, 8, number)))
    return open_source(root)


@pytest.mark.parametrize("workers", [1, 4])
def test_every_image_is_in_its_row_and_in_its_piece_of_the_pack(tmp_path, workers):
    source = folder_of(tmp_path / "in")
    progress = []
    outcomes = run(source, tmp_path / "out", workers=workers, max_images=7, on_progress=lambda *p: progress.append(p))
    assert [len(shard.samples) for shard in outcomes] == [7, 7, 7, 7, 2]
    assert progress == sorted(progress)
    assert progress[-1] == (30, 30)
    assert [sample.name for sample in samples(outcomes)] == [item.name for item in source]
    for shard in outcomes:
        check_file(shard.pixels.path, shard.pixels.sha256)
        check_file(shard.display.path, shard.display.sha256)
        array, pack = np.load(shard.pixels.path), shard.display.path.read_bytes()
        assert (array.shape, array.dtype) == ((len(shard.samples), 1, 8, 8), np.uint8)
        for sample in shard.samples:
            data = (tmp_path / "in" / sample.name).read_bytes()
            expected = decode_image(data, SPEC)
            assert np.array_equal(array[sample.row], expected.pixels)
            assert pack[sample.display_offset :][: sample.display_length] == expected.display
            assert sample.sha256 == hashlib.sha256(data).hexdigest()
            assert sample.source_path == tmp_path / "in" / sample.name
            assert (sample.known_class, sample.split, sample.copied) == (sample.name[:3], "pool", None)
            assert (sample.width, sample.height, sample.media_type) == (8, 8, "image/png")
        assert sum(sample.display_length for sample in shard.samples) == len(pack)


def test_a_pool_over_the_shards_gives_what_was_decoded(tmp_path):
    shards = run(folder_of(tmp_path / "in"), tmp_path / "out", max_images=7)
    number = np.repeat(np.arange(len(shards)), [len(shard.samples) for shard in shards])
    row = np.array([sample.row for sample in samples(shards)])
    pool = ImagePool(np.arange(30), number, row, [shard.pixels.path for shard in shards])
    names = [sample.name for sample in samples(shards)]
    for place in (29, 0, 13):
        expected = decode_image((tmp_path / "in" / names[place]).read_bytes(), SPEC).pixels
        assert np.array_equal(pool.take([place])[0].numpy(), expected)


def test_bad_files_are_named_with_their_reason_and_stop_nothing(tmp_path):
    bad = {
        "truncated.jpg": (jpeg(noise())[:3000], "cut off"),
        "zero.png": (b"", "the file is empty"),
        "also zero.png": (b"", "the file is empty"),
        "renamed.png": (b"I am a text.", "this is text, not an image"),
        "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        "bomb.png": (bomb(50000, 50000), "pixels"),
        "large.png": (bomb(9400, 9400, 9400), "88 million pixels"),
        "README.txt": (b"hello", "not an image but a .txt file"),
    }
    for name, (data, _) in bad.items():
        put(tmp_path / "in", name, data=data)
    put(tmp_path / "in", "good.png", "zz/good.png", data=png(RAMP))
    (tmp_path / "in" / "link.png").symlink_to("/etc/hostname")
    outcomes = run(open_source(tmp_path / "in"), tmp_path / "out")
    reasons = {outcome.name: outcome.reason for outcome in of(Rejection, outcomes)}
    assert set(reasons) == {*bad, "link.png"}
    for name, (_, reason) in bad.items():
        assert reason in reasons[name]
    assert "leaves the folder" in reasons["link.png"]
    assert [sample.name for sample in samples(outcomes)] == ["good.png"]
    assert [(twin.name, twin.known_class) for twin in of(Duplicate, outcomes)] == [("zz/good.png", "zz")]


def test_a_name_that_is_no_text_is_rejected_and_can_be_printed(tmp_path):
    put(tmp_path / "in", "a.png")
    (tmp_path / "in" / os.fsdecode(b"\xff.png")).write_bytes(png(RAMP))
    outcomes = run(open_source(tmp_path / "in"), tmp_path / "out")
    (bad,) = of(Rejection, outcomes)
    assert "UTF-8" in bad.reason
    bad.name.encode()


def test_duplicates_are_kept_once_wherever_they_come(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (700, 4, 4), dtype=np.uint8)
    images[600] = images[3]
    images[4] = images[3]
    np.save(tmp_path / "x.npy", images)
    outcomes = run(open_source(tmp_path / "x.npy"), tmp_path / "out", max_images=50)
    assert [twin.name for twin in of(Duplicate, outcomes)] == ["x.npy[4]", "x.npy[600]"]
    assert {twin.of_sha256 for twin in of(Duplicate, outcomes)} == {content_hash(images[3])}
    assert len(samples(outcomes)) == 698
    assert len({sample.sha256 for sample in samples(outcomes)}) == 698
    everything = run(open_source(tmp_path / "x.npy"), tmp_path / "out", keep_duplicates=True)
    assert [sample.name for sample in samples(everything)] == [f"x.npy[{i}]" for i in range(700)]


def test_a_second_run_finds_all_known_and_decodes_nothing(tmp_path, monkeypatch):
    source = folder_of(tmp_path / "in")
    stored = {sample.sha256: sample for sample in samples(run(source, tmp_path / "out"))}
    before = sorted((tmp_path / "out").iterdir())
    monkeypatch.setattr("pipeline.data.shards.decode_image", None)
    again = run(source, tmp_path / "out", known=lambda hashes: set(hashes) & set(stored), default_split="test")
    assert len(again) == 30
    assert all(isinstance(outcome, AlreadyKnown) for outcome in again)
    assert {outcome.sha256 for outcome in again} == set(stored)
    assert {(o.name[:3] == o.known_class, o.split) for o in again} == {(True, "test")}
    assert sorted((tmp_path / "out").iterdir()) == before


def test_the_store_is_asked_in_the_callers_thread_and_for_each_hash_once(tmp_path):
    import threading

    asked, threads = [], set()

    def known(hashes):
        threads.add(threading.current_thread())
        asked.extend(hashes)
        return set()

    run(folder_of(tmp_path / "in"), tmp_path / "out", known=known, workers=4)
    assert threads == {threading.current_thread()}
    assert len(asked) == len(set(asked)) == 30


def test_new_images_among_old_ones_are_added(tmp_path):
    source = folder_of(tmp_path / "in", 10)
    stored = {sample.sha256 for sample in samples(run(source, tmp_path / "out"))}
    grown = folder_of(tmp_path / "in", 14)
    outcomes = run(grown, tmp_path / "out", known=lambda hashes: set(hashes) & stored)
    assert len(of(AlreadyKnown, outcomes)) == 10
    assert len(samples(outcomes)) == 4


def test_copies_are_named_by_content_and_keep_their_bytes(tmp_path):
    put(tmp_path / "in", "../in/weird name;$(x).jpg", data=png(RAMP))
    put(tmp_path / "in", "b.jpg", data=jpeg())
    np.save(tmp_path / "x.npy", RAMP[None])
    outcomes = run(open_source(tmp_path / "in"), tmp_path / "out", copy_to=tmp_path / "copies")
    by_name = {sample.name: sample for sample in samples(outcomes)}
    weird = by_name["weird name;$(x).jpg"]
    assert weird.copied.path == tmp_path / "copies" / weird.sha256[:2] / f"{weird.sha256}.png"
    assert weird.copied.path.read_bytes() == png(RAMP)
    assert weird.copied.sha256 == weird.sha256
    assert weird.notes == ("named .jpg but it is a PNG file",)
    assert by_name["b.jpg"].copied.path.suffix == ".jpg"
    assert by_name["b.jpg"].notes == ()
    stamp = weird.copied.path.stat().st_mtime_ns
    run(open_source(tmp_path / "in"), tmp_path / "out", copy_to=tmp_path / "copies")
    assert weird.copied.path.stat().st_mtime_ns == stamp
    weird.copied.path.write_bytes(b"damaged")
    run(open_source(tmp_path / "in"), tmp_path / "out", copy_to=tmp_path / "copies")
    check_file(weird.copied.path, weird.sha256)
    (row,) = samples(run(open_source(tmp_path / "x.npy"), tmp_path / "out", copy_to=tmp_path / "copies"))
    assert row.copied is None
    assert row.source_path is None


def test_a_shard_closes_at_its_bytes_of_pixels_or_of_display(tmp_path):
    source = folder_of(tmp_path / "in", 10)
    assert [len(s.samples) for s in run(source, tmp_path / "a", max_bytes=8 * 8 * 4)][:2] != [4, 4]  # display is larger
    for number in range(6):
        put(tmp_path / "flat", f"{number}.png", data=png(np.full((8, 8), number, np.uint8)))
    flat = run(open_source(tmp_path / "flat"), tmp_path / "b", spec=ImageSpec(64, 3), max_bytes=64 * 64 * 3 * 2)
    assert [len(shard.samples) for shard in flat] == [2, 2, 2]
    photos = tmp_path / "photos"
    for number in range(4):
        put(photos, f"{number}.png", data=png(noise(100, 100, number)))
    large = run(open_source(photos), tmp_path / "c", max_bytes=50_000)
    assert [len(shard.samples) for shard in large] == [2, 2]


def test_the_sources_split_wins_over_the_default(tmp_path):
    put(tmp_path / "in", "train/a/1.png", data=png(RAMP))
    put(tmp_path / "in", "test/a/2.png", data=png(RAMP + 1))
    outcomes = run(open_source(tmp_path / "in"), tmp_path / "out", default_split="validation")
    splits = {sample.name: sample.split for sample in samples(outcomes)}
    assert splits == {"train/a/1.png": "pool", "test/a/2.png": "test"}
    with pytest.raises(DataError, match="pool, validation, test"):
        prepare_shards(open_source(tmp_path / "in"), SPEC, tmp_path / "out", known=nothing, default_split="train")


def test_the_hash_of_an_array_tells_shape_and_type():
    same = [np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), np.zeros(6, np.uint8), np.zeros((2, 3), bool)]
    assert len({content_hash(array) for array in same}) == 4
    assert content_hash(RAMP) == content_hash(np.asfortranarray(RAMP))
    assert content_hash(b"abc") == hashlib.sha256(b"abc").hexdigest()


def test_a_caller_that_stops_early_leaves_no_half_written_file(tmp_path):
    source = folder_of(tmp_path / "in")
    outcomes = prepare_shards(source, SPEC, tmp_path / "out", known=nothing, max_images=7, workers=2)
    first = next(outcomes)
    outcomes.close()
    assert sorted((tmp_path / "out").iterdir()) == sorted([first.pixels.path, first.display.path])


def test_an_error_of_ours_is_not_taken_for_a_bad_image(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.data.shards.atomic_write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        run(folder_of(tmp_path / "in"), tmp_path / "out", copy_to=tmp_path / "copies")


@pytest.mark.parametrize("merge_at", [1, 7, 10_000])
def test_seen_hashes_are_a_set(merge_at):
    seen, reference = SeenHashes(merge_at), set()
    generator = np.random.default_rng(0)
    numbers = generator.integers(0, 300, 1000)
    for number in numbers:
        digest = hashlib.sha256(bytes([number % 256, number // 256])).digest()
        digest = digest[:14] + (b"\0\0" if number % 2 else digest[14:16]) + digest[16:]  # keys that end in zeros
        assert seen.add(digest.hex()) == (digest not in reference)
        reference.add(digest)


class Synthetic:
    """Tiny arrays, made when they are asked for."""

    classes = ()
    description = "synthetic"

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __iter__(self):
        return (SourceItem(f"row {i}", None, partial(self.load, i)) for i in range(self.length))

    @staticmethod
    def load(number):
        image = np.zeros((4, 4), np.uint8)
        image.flat[:4] = [number % 256, number // 256 % 256, number // 65536, 7]
        return image


def peak_memory(length, folder):
    """The peak of what Python and NumPy held while a source of some length went through, in MB."""
    tracemalloc.start()
    try:
        count = 0
        for shard in prepare_shards(Synthetic(length), SPEC, folder, known=nothing, workers=2, max_images=1000):
            count += len(shard.samples)
            shard.pixels.path.unlink()
            shard.display.path.unlink()
        assert count == length
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_source(tmp_path):
    short, long = peak_memory(2_000, tmp_path), peak_memory(14_000, tmp_path)
    allowed = 150 * 12_000 / 1e6  # hashes of the last 65,536 images are still in Python's own set
    assert long < short + allowed


def test_memory_of_photos_stays_within_a_few_shards(tmp_path):
    """Forty photos of 3 MB decoded: what is held is the few under way, not the forty."""
    for number in range(40):
        put(tmp_path / "in", f"{number}.jpg", data=jpeg(np.roll(photo(1000, 1000), number, axis=1)))
    run(open_source(tmp_path / "in"), tmp_path / "warm-up", workers=1)
    tracemalloc.start()
    run(open_source(tmp_path / "in"), tmp_path / "out", workers=1, max_bytes=300_000)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert peak < 40


def test_60_000_images_take_well_under_a_minute(tmp_path):
    source = open_source("mnist", data_dir=real_data("mnist"))
    started = time.process_time()
    outcomes = run(source, tmp_path, spec=ImageSpec(28, 1), workers=2)
    assert len(samples(outcomes)) == 70_000
    assert time.process_time() - started < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 1024**2  # KB
    first = Image.open(io.BytesIO(outcomes[0].display.path.read_bytes()[: outcomes[0].samples[0].display_length]))
    assert first.size == (28, 28)


def test_photos_of_clothes(tmp_path):
    source = open_source(real_data("clothing-small", "test"))
    outcomes = run(source, tmp_path, spec=ImageSpec(64, 3), workers=2)
    assert (len(samples(outcomes)), len(source.classes)) == (372, 10)
    assert {sample.media_type for sample in samples(outcomes)} == {"image/jpeg"}
