"""Makes the images that break decoders (reliability.md 4.8), each from a few lines instead of a stored binary."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

RAMP = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5  # (6, 8): gray, all values different


def encode(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(array, **options):
    return encode(Image.fromarray(np.asarray(array)), **options)


def noise(height=64, width=96, seed=0):
    """A color image that does not compress, so that cutting a file in half loses pixels."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def photo(height=64, width=96):
    """A smooth color image, which JPEG keeps nearly exactly."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, 255 - x * 255 // width], axis=2).astype(np.uint8)


def jpeg(array=None, **options):
    return encode(Image.fromarray(photo() if array is None else array), "JPEG", **options)


def _chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bomb(width, height, rows=None):
    """A 1-bit PNG of the given size; without rows it is a header and next to nothing."""
    body = b"" if rows is None else zlib.compress(b"\0" * ((1 + (width + 7) // 8) * rows), 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = _chunk(b"IHDR", header) + _chunk(b"IDAT", body or b"x" * 17) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def oriented(orientation, array):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "SECRET CAMERA"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)  # GPS latitude
    return encode(Image.fromarray(array), "PNG", exif=exif)
