"""The one decoder: what people are shown and what models are trained on come from the same decoded pixels.

A file is decoded in full (a header says little about what follows), from an allow-list of formats, under a cap on
pixels that is checked before any pixel is read. What is wrong with it is said in one line that a person understands.

How an image becomes pixels: EXIF orientation is applied; 16-bit gray is divided by 257; CMYK becomes RGB; see-through
parts are laid on white; of an animation the first frame is taken. It is then scaled (antialiased) to fit inside the
model's square with its shape kept, and the rest is black. An image of exactly the model's size is kept bit for bit.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pipeline.data.display import encode_display
from pipeline.data.modes import normalize
from pipeline.data.reasons import reason_for, unknown_content
from pipeline.data.values import Pixels, as_image, to_uint8, value_range
from pipeline.errors import DataError, ImageRejected

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
PIXEL_CAP = 50_000_000

# Pillow warns of large images and odd metadata on standard error; we say it by the file's name, or reject the file.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class ImageSpec:
    """The arrays that a model gets.

    Attributes:
        image_size: Pixels a side, S.
        channels: 1 (gray) or 3 (RGB).
    """

    image_size: int
    channels: int

    def __post_init__(self) -> None:
        if not 1 <= self.image_size <= 4096:
            raise DataError(f"expected an image size of 1 to 4096 pixels, got {self.image_size}")
        if self.channels not in (1, 3):
            raise DataError(f"expected 1 (gray) or 3 (color) channels, got {self.channels}")


@dataclass(frozen=True)
class DecodedImage:
    """One image, ready for a model and for a browser.

    Attributes:
        pixels: uint8 (C, S, S) for the model.
        display: An encoded file for people, made from the same decoded pixels; without metadata.
        media_type: Of `display`: `image/png` or `image/jpeg`.
        width: Of the upright original, in pixels.
        height: Of the upright original, in pixels.
        notes: What was done to it that a person may want to know, one phrase each.
        format: Of the original file (`PNG`, ...), or None for an array.
    """

    pixels: Pixels
    display: bytes
    media_type: str
    width: int
    height: int
    notes: tuple[str, ...]
    format: str | None = None


def decode_image(data: bytes | NDArray[Any], spec: ImageSpec, *, pixel_cap: int = PIXEL_CAP) -> DecodedImage:
    """Decode a file's bytes, or take an array, into what a model and a browser get.

    Args:
        data: The bytes of an image file, or an array (H, W), (H, W, C) or (C, H, W).
        spec: The model's image size and channels.
        pixel_cap: Images with more pixels are rejected; decoding takes about 4 bytes a pixel, for one image a thread.

    Raises:
        ImageRejected: The image cannot be used; `reason` says why.
    """
    if isinstance(data, np.ndarray):
        image, notes, kind = _from_array(data, pixel_cap)
    else:
        image, notes, kind = _from_file(bytes(data), pixel_cap)
    pixels = fit_image(image, spec)
    display, media_type = encode_display(image)
    height, width = image.shape[:2]
    return DecodedImage(pixels, display, media_type, width, height, notes, kind)


def _from_array(array: NDArray[Any], pixel_cap: int) -> tuple[Pixels, tuple[str, ...], None]:
    array = as_image(array)
    _check_cap(array.shape[1], array.shape[0], pixel_cap)
    if array.dtype != np.uint8:
        array = to_uint8(array, *value_range(array))
    notes: tuple[str, ...] = ()
    if array.ndim == 3 and array.shape[2] == 4:
        array, notes = normalize(Image.fromarray(array, "RGBA"))
    return np.ascontiguousarray(array), notes, None


def _from_file(data: bytes, pixel_cap: int) -> tuple[Pixels, tuple[str, ...], str | None]:
    if not data:
        raise ImageRejected("the file is empty")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return _load(image, data, pixel_cap)
    except ImageRejected:
        raise
    except UnidentifiedImageError:
        raise ImageRejected(unknown_content(data)) from None
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, ...: all mean 'damaged'
        raise ImageRejected(reason_for(error, data, pixel_cap)) from error


def _load(image: Image.Image, data: bytes, pixel_cap: int) -> tuple[Pixels, tuple[str, ...], str | None]:
    kind = image.format
    _check_cap(*image.size, pixel_cap)
    if kind == "PNG":  # load() reads no checksum, so that a flipped bit could pass as another color
        with Image.open(io.BytesIO(data), formats=("PNG",)) as again:
            again.verify()
    frames = ("several frames: only the first is used",) if getattr(image, "is_animated", False) else ()
    _check_cap(*image.size, pixel_cap)
    image.load()
    pixels, notes = normalize(image)
    return pixels, frames + notes, kind


def _check_cap(width: int, height: int, pixel_cap: int) -> None:
    if width * height > pixel_cap:
        raise ImageRejected(
            f"it has {width} x {height} = {width * height / 1e6:.0f} million pixels, more than the limit of "
            f"{pixel_cap / 1e6:.0f} million"
        )
    if width < 1 or height < 1:
        raise ImageRejected(f"it has no pixels: {width} x {height}")


def fit_image(image: Pixels, spec: ImageSpec) -> Pixels:
    """Bring an image (H, W) or (H, W, 3) to (C, S, S): shape kept, centered on black."""
    size = spec.image_size
    height, width = image.shape[:2]
    if image.ndim == 3 and spec.channels == 1:
        image = np.asarray(Image.fromarray(image).convert("L"))  # luma by ITU-R 601
    if (height, width) != (size, size):
        scale = size / max(width, height)
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
        resized = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
        image = np.zeros((size, size, *resized.shape[2:]), np.uint8)
        top, left = (size - height) // 2, (size - width) // 2
        image[top : top + height, left : left + width] = resized
    if image.ndim == 2:
        return np.ascontiguousarray(np.broadcast_to(image, (spec.channels, size, size)))
    return np.ascontiguousarray(np.moveaxis(image, 2, 0))
