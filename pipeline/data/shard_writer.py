"""Collects decoded images and writes them as shards: few large files instead of a million small ones."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from pipeline.data.decode import DecodedImage, ImageSpec
from pipeline.data.records import PreparedSample, PreparedShard
from pipeline.data.sources.base import SourceItem
from pipeline.files import FileRecord, atomic_write


class ShardWriter:
    """Takes images one by one and gives a shard whenever one is full.

    File names are new each time: a run that was killed leaves at most files that no row names, and never changes one
    that a row names.

    Args:
        out_dir: Where shards are written.
        spec: The size and channels of each image.
        max_images: A shard closes at so many images,
        max_bytes: or at so many bytes of pixels, or of display files. About twice as much is held in memory.
    """

    def __init__(self, out_dir: Path, spec: ImageSpec, max_images: int, max_bytes: int) -> None:
        self._out_dir, self._spec = out_dir, spec
        row_bytes = spec.channels * spec.image_size**2
        self._max_images = max(1, min(max_images, max_bytes // row_bytes))
        self._max_bytes = max_bytes
        self._clear()

    def _clear(self) -> None:
        self._images: list[DecodedImage] = []
        self._samples: list[PreparedSample] = []
        self._offset = 0

    def add(
        self, item: SourceItem, sha256: str, image: DecodedImage, split: str, copied: FileRecord | None
    ) -> PreparedShard | None:
        """Take one image; return the shard that it filled, if it did."""
        sample = PreparedSample(
            sha256=sha256,
            name=item.name,
            source_path=item.path,
            copied=copied,
            split=split,
            known_class=item.known_class,
            width=image.width,
            height=image.height,
            row=len(self._images),
            display_offset=self._offset,
            display_length=len(image.display),
            media_type=image.media_type,
            notes=image.notes,
        )
        self._images.append(image)
        self._samples.append(sample)
        self._offset += len(image.display)
        full = len(self._images) >= self._max_images or self._offset >= self._max_bytes
        return self.close() if full else None

    def close(self) -> PreparedShard | None:
        """Write what has been collected; return None if that is nothing."""
        if not self._images:
            return None
        stem = self._out_dir / f"shard-{secrets.token_hex(8)}"
        pixels = atomic_write(stem.with_suffix(".npy"), self._write_pixels)
        display = atomic_write(stem.with_suffix(".pack"), self._write_display)
        shard = PreparedShard(pixels, display, self._samples)
        self._clear()
        return shard

    def _write_pixels(self, file: BinaryIO) -> None:
        size = self._spec.image_size
        shape = (len(self._images), self._spec.channels, size, size)
        header = {"descr": npy_format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": shape}
        npy_format.write_array_header_1_0(file, header)
        for image in self._images:
            file.write(image.pixels.tobytes())

    def _write_display(self, file: BinaryIO) -> None:
        for image in self._images:
            file.write(image.display)
