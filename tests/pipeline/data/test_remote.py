"""Object stores: a real server that speaks S3's protocol on this machine, killed, restarted, and full of odd files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from pipeline.data.sources import open_source, remote
from pipeline.data.sources.remote import RemoteSource
from pipeline.errors import DataError, ImageRejected
from tests.pipeline.data.corpus import RAMP, png
from tests.s3 import Bucket, s3_bucket


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with s3_bucket() as made:
        yield made


def listed(source: Any) -> list[tuple[str, str | None, str | None]]:
    return [(item.name, item.known_class, item.split) for item in source]


def test_class_folders_of_a_bucket(bucket: Bucket) -> None:
    names = ("birds/robin/1.png", "birds/robin/more/10.png", "birds/robin/more/9.png", "birds/wren/1.png")
    bucket.put(*names, "birds/loose.png", "birds/.hidden.png", "birds-too/2.png", data=png(RAMP))
    bucket.put("birds/", "birds/wren/", data=b"")  # what consoles leave where a folder was made
    source = open_source(f"s3://{bucket.name}/birds/")
    root = f"s3://{bucket.name}/birds"
    assert source.classes == ("robin", "wren")
    assert listed(source) == [
        (f"{root}/loose.png", None, None),
        (f"{root}/robin/1.png", "robin", None),
        (f"{root}/robin/more/9.png", "robin", None),
        (f"{root}/robin/more/10.png", "robin", None),
        (f"{root}/wren/1.png", "wren", None),
    ]
    first = next(iter(source))
    assert first.load() == png(RAMP)
    assert first.path is None
    assert source.description == f"5 files in {root}, 2 classes"


def test_splits_one_image_and_files_that_are_none(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put("s/train/a/1.png", "s/val/a/2.png", data=png(RAMP))
    bucket.put("s/train/a/notes.txt", data=b"words")
    bucket.put("s/train/a/nothing.png", data=b"")
    source = RemoteSource(f"s3://{bucket.name}/s")
    items = {item.name.removeprefix(f"s3://{bucket.name}/s/"): item for item in source}
    assert {name: item.split for name, item in items.items()} == {
        "train/a/1.png": "pool", "train/a/notes.txt": "pool", "train/a/nothing.png": "pool",
        "val/a/2.png": "validation",
    }  # fmt: skip
    assert items["train/a/nothing.png"].load() == b""
    with pytest.raises(ImageRejected, match=r"not an image but a \.txt file"):
        items["train/a/notes.txt"].load()
    bucket.client.delete_object(Bucket=bucket.name, Key="s/val/a/2.png")
    with pytest.raises(ImageRejected, match="it cannot be read"):
        items["val/a/2.png"].load()
    monkeypatch.setattr(remote, "BYTE_CAP", len(png(RAMP)) - 1)
    with pytest.raises(ImageRejected, match="larger than the limit"):
        items["train/a/1.png"].load()
    [one] = RemoteSource(f"s3://{bucket.name}/s/train/a/1.png")
    assert one.name == f"s3://{bucket.name}/s/train/a/1.png"


@pytest.mark.parametrize(("url", "words"), [
    ("s3://{bucket}/nobody", "got"),
    ("s3://no-such-bucket-here/x", "got"),
    ("s3://AKIAKEY:verysecret@{bucket}/birds", "credentials"),
    ("s3://{bucket}/birds?X-Amz-Signature=verysecret", "credentials"),
    ("abfs://me:verysecret@account/x", "credentials"),
    ("http://127.0.0.1/verysecret", "got another"),
    ("simplecache::s3://{bucket}/verysecret", "none of them"),
    ("s3:///verysecret", "no bucket"),
])  # fmt: skip
def test_urls_that_cannot_be_read_and_no_secret_is_repeated(bucket: Bucket, url: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        open_source(url.format(bucket=bucket.name))
    if "credentials" in words or "another" in words:
        assert "verysecret" not in str(error.value)


def test_a_list_in_a_bucket_is_no_images(bucket: Bucket) -> None:
    bucket.put("lists/all.csv", data=b"path,label\n")
    with pytest.raises(DataError, match="download them first"):
        RemoteSource(f"s3://{bucket.name}/lists")


def test_a_store_that_comes_back_is_asked_again(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    bucket.put("again/1.png", data=png(RAMP))
    [item] = RemoteSource(f"s3://{bucket.name}/again")
    waited: list[float] = []

    def come_back(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            bucket.start()

    monkeypatch.setattr(remote, "pause", come_back)
    bucket.stop()
    assert item.load() == png(RAMP)
    assert waited == [0.5, 1.0]


def test_a_store_that_stays_away_ends_the_reading(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no fault of the image: nothing is rejected, and the next run goes on."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    bucket.put("away/1.png", data=png(RAMP))
    [item] = RemoteSource(f"s3://{bucket.name}/away")
    monkeypatch.setattr(remote, "pause", lambda _: None)
    bucket.stop()
    try:
        with pytest.raises(DataError, match="after 5 tries") as error:
            item.load()
    finally:
        bucket.start()
    assert not isinstance(error.value, ImageRejected)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(DataError, match=r"pip install 'borderline\[objects\]'"):
        RemoteSource("s3://bucket/birds")


def test_memory_and_files_on_this_machine(tmp_path: Path) -> None:
    with fsspec.open("memory://pictures/cat/1.png", "wb") as file:
        file.write(png(RAMP))
    [item] = open_source("memory://pictures")
    assert (item.name, item.known_class, item.load()) == ("memory://pictures/cat/1.png", "cat", png(RAMP))
    folder = tmp_path / "with space" / "cat"
    folder.mkdir(parents=True)
    (folder / "1.png").write_bytes(png(np.asarray(RAMP)))
    [plain] = open_source(tmp_path / "with space")
    [same] = open_source(f"file://{str(tmp_path).replace(os.sep, '/')}/with%20space")
    assert (
        (same.name, same.path, same.remote) == (plain.name, plain.path, False) == ("cat/1.png", folder / "1.png", False)
    )
    with pytest.raises(DataError, match="three slashes"):
        open_source("file://server/share")
