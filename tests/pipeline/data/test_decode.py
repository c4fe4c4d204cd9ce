"""The corpus of images that break decoders: each gives golden pixels, or one line that says what is wrong with it."""

import io
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.data.decode import ImageSpec, decode_image
from pipeline.errors import DataError, ImageRejected
from tests.pipeline.data.corpus import RAMP, bomb, encode, jpeg, noise, oriented, photo, png

GRAY8 = ImageSpec(8, 1)
COLOR8 = ImageSpec(8, 3)
NOISE_PNG = png(noise())


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


CUT = "the file is cut off: it ends before the image does"
REJECTED = {
    "JPEG cut in half": (jpeg(noise())[:3000], CUT),
    "JPEG without its last two bytes": (jpeg(noise())[:-2], CUT),
    "PNG cut in half": (NOISE_PNG[: len(NOISE_PNG) // 2], CUT),
    "PNG without its end": (NOISE_PNG[:-12], CUT),
    "WebP cut in half": (encode(Image.fromarray(noise()), "WEBP")[:1500], "damaged|cut off"),
    "TIFF cut in half": (encode(Image.fromarray(noise()), "TIFF")[:9000], "damaged|cut off"),
    "GIF cut in half": (encode(Image.fromarray(noise()).convert("P"), "GIF")[:3000], CUT),
    "BMP cut in half": (encode(Image.fromarray(noise()), "BMP")[:9000], CUT),
    "header alone": (jpeg()[:20], "header is damaged or cut off"),
    "zero bytes": (b"", "the file is empty"),
    "text": (b"This was a text file.\n" * 9, "this is text, not an image"),
    "text in UTF-8": ("Größe\n".encode() * 500, "this is text, not an image"),
    "SVG": (b'<?xml version="1.0"?>\n<svg onload="alert(1)"/>', "SVG"),
    "web page": (b"<!DOCTYPE html><title>404</title>", "web page"),
    "PDF": (b"%PDF-1.7 ...", "PDF"),
    "Photoshop": (b"8BPS\0\1" + bytes(30), "Photoshop"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
    "FITS": (b"SIMPLE  =                    T" + b" " * 2850, "FITS"),
    "HEIC": (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
    "random bytes": (np.random.default_rng(0).bytes(500), "not an image in a known format"),
    "ICO, an image of no allowed format": (encode(Image.fromarray(noise(16, 16)), "ICO"), "not an image in a known"),
    "PPM, an image of no allowed format": (encode(Image.fromarray(noise(16, 16)), "PPM"), "not an image in a known"),
    "74-byte bomb of 2,500 megapixels": (bomb(50000, 50000), "far more pixels than the limit of 50 million"),
    "169 megapixels in a small PNG": (bomb(13000, 13000, 13000), "13000 x 13000 = 169 million pixels"),
    "89 megapixels, of which Pillow says nothing": (bomb(9400, 9400, 9400), "88 million pixels"),
    "PNG with a flipped byte in its pixels": (flipped(NOISE_PNG, len(NOISE_PNG) // 2), "the image data is damaged"),
    "PNG with a flipped checksum": (flipped(NOISE_PNG, len(NOISE_PNG) - 14), "the image data is damaged"),
    "float TIFF with a NaN": (encode(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF"), "NaN"),
    "LAB TIFF": (encode(Image.new("LAB", (4, 4)), "TIFF"), "color mode LAB"),
}


@pytest.mark.parametrize("case", REJECTED)
def test_a_bad_file_is_rejected_with_a_reason_that_a_person_understands(case):
    data, reason = REJECTED[case]
    with pytest.raises(ImageRejected, match=reason) as caught:
        decode_image(data, COLOR8)
    assert caught.value.reason == str(caught.value)
    assert "\n" not in caught.value.reason
    assert len(caught.value.reason) < 130


def test_a_warning_of_pillow_that_was_made_an_error_is_a_rejection_too():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageRejected, match="far more pixels"):
            decode_image(REJECTED["169 megapixels in a small PNG"][0], COLOR8)


def test_the_bombs_are_as_small_as_they_claim():
    assert len(REJECTED["74-byte bomb of 2,500 megapixels"][0]) == 74
    assert len(REJECTED["169 megapixels in a small PNG"][0]) < 164_000


def test_the_cap_is_a_parameter_and_holds_for_arrays_too():
    assert decode_image(png(RAMP), GRAY8, pixel_cap=48).width == 8
    with pytest.raises(ImageRejected, match="limit"):
        decode_image(png(RAMP), GRAY8, pixel_cap=47)
    with pytest.raises(ImageRejected, match="limit"):
        decode_image(RAMP, GRAY8, pixel_cap=47)


def pixels(data, size, channels=1):
    return decode_image(data, ImageSpec(size, channels)).pixels


SQUARE = RAMP[:6, :6].copy()
WIDE = (np.arange(36).reshape(6, 6) * 1872).astype(np.uint16)  # 0 to 65520
RGBA = np.zeros((2, 2, 4), np.uint8) + np.array([200, 0, 100, 0], np.uint8)
RGBA[:, :, 3] = [[255, 0], [128, 255]]
FRAMES = [Image.new("L", (2, 2), value) for value in (10, 90, 200)]
STARTS = [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"RIFF"]


def palette(transparent):
    image = Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    return encode(image, "PNG", **({"transparency": 1} if transparent else {}))


GOLDEN = {  # name: (data, size, channels, expected (C, S, S), a word of the notes)
    "gray": (png(SQUARE), 6, 1, SQUARE[None], None),
    "gray to color": (png(SQUARE), 6, 3, np.stack([SQUARE] * 3), None),
    "color": (png(noise(6, 6)), 6, 3, noise(6, 6).transpose(2, 0, 1), None),
    "color to gray by luma": (png(np.full((2, 2, 3), (255, 0, 0), np.uint8)), 2, 1, np.full((1, 2, 2), 76), None),
    "16-bit PNG is divided by 257, not cut at 255": (png(WIDE), 6, 1, np.rint(WIDE / 257)[None], "257"),
    "16-bit TIFF": (encode(Image.fromarray(WIDE), "TIFF"), 6, 1, np.rint(WIDE / 257)[None], "257"),
    "1 bit": (png(SQUARE > 99), 6, 1, np.where(SQUARE > 99, 255, 0)[None], None),
    "palette": (palette(False), 2, 3, [[[10, 40], [70, 10]], [[20, 50], [80, 20]], [[30, 60], [90, 30]]], None),
    "palette with a transparent color": (
        palette(True), 2, 3, [[[10, 255], [70, 10]], [[20, 255], [80, 20]], [[30, 255], [90, 30]]], "white",
    ),
    "gray with alpha": (png(np.dstack([SQUARE, SQUARE * 0])), 6, 1, np.full((1, 6, 6), 255), "white"),
    "gray with opaque alpha": (png(np.dstack([SQUARE, SQUARE * 0 + 255])), 6, 1, SQUARE[None], None),
    "RGBA on white": (
        png(RGBA), 2, 3, [[[200, 255], [227, 200]], [[0, 255], [127, 0]], [[100, 255], [177, 100]]], "white",
    ),
    "RGBA array on white": (
        RGBA, 2, 3, [[[200, 255], [227, 200]], [[0, 255], [127, 0]], [[100, 255], [177, 100]]], "white",
    ),
    "float TIFF of 0 to 1": (
        encode(Image.fromarray((SQUARE / 255).astype(np.float32)), "TIFF"), 6, 1, SQUARE[None], "scaled",
    ),
    "float TIFF of other values": (
        encode(Image.fromarray(np.array([[-1.0, 0.0], [1.0, 3.0]], np.float32)), "TIFF"), 2, 1, [[[0, 64], [128, 255]]],
        "-1 to 3",
    ),
    "CMYK TIFF": (
        encode(Image.new("CMYK", (2, 2), (255, 0, 0, 0)), "TIFF"), 2, 3,
        [[[0, 0], [0, 0]], [[255, 255], [255, 255]], [[255, 255], [255, 255]]], "CMYK",
    ),
    "BMP": (encode(Image.fromarray(SQUARE), "BMP"), 6, 1, SQUARE[None], None),
    "WebP, lossless": (
        encode(Image.fromarray(noise(6, 6)), "WEBP", lossless=True), 6, 3, noise(6, 6).transpose(2, 0, 1), None,
    ),
    "animated GIF: first frame": (
        encode(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), 2, 1, np.full((1, 2, 2), 10), "first",
    ),
    "array as it is": (SQUARE, 6, 1, SQUARE[None], None),
    "flat array": (SQUARE.ravel(), 6, 1, SQUARE[None], None),
    "planes first": (noise(6, 6).transpose(2, 0, 1), 6, 3, noise(6, 6).transpose(2, 0, 1), None),
    "boolean array": (SQUARE > 99, 6, 1, np.where(SQUARE > 99, 255, 0)[None], None),
    "float array": (SQUARE / 255, 6, 1, SQUARE[None], None),
    "1 x 1 grows": (png(np.array([[77]], np.uint8)), 4, 1, np.full((1, 4, 4), 77), None),
}  # fmt: skip


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_pixels(case):
    data, size, channels, expected, note = GOLDEN[case]
    image = decode_image(data, ImageSpec(size, channels))
    assert image.pixels.dtype == np.uint8
    assert image.pixels.shape == (channels, size, size)
    assert np.array_equal(image.pixels, np.asarray(expected))
    assert (note in " ".join(image.notes)) if note else not image.notes


def test_cmyk_jpeg_is_not_a_negative():
    ink = Image.fromarray(photo()).convert("CMYK")
    image = decode_image(encode(ink, "JPEG", quality=95), ImageSpec(96, 3))
    assert np.abs(image.pixels[:, 16:80].astype(int) - photo().transpose(2, 0, 1)).mean() < 3


UPRIGHT = np.array([[10, 20], [30, 40], [50, 60]], np.uint8)
LYING = {  # how EXIF wants the stored pixels, for the upright ones above
    1: UPRIGHT, 2: UPRIGHT[:, ::-1], 3: UPRIGHT[::-1, ::-1], 4: UPRIGHT[::-1],
    5: UPRIGHT.T, 6: np.rot90(UPRIGHT), 7: UPRIGHT[::-1, ::-1].T, 8: np.rot90(UPRIGHT, -1),
}  # fmt: skip


@pytest.mark.parametrize("orientation", LYING)
def test_exif_turns_pixels_and_display_alike_and_does_not_travel_on(orientation):
    data = oriented(orientation, np.ascontiguousarray(LYING[orientation]))
    assert b"SECRET CAMERA" in data
    image = decode_image(data, ImageSpec(3, 1))
    assert (image.width, image.height) == (2, 3)
    assert np.array_equal(image.pixels[0, :, :2], UPRIGHT)
    shown = Image.open(io.BytesIO(image.display))
    assert np.array_equal(np.asarray(shown), UPRIGHT)
    assert not dict(shown.getexif())
    assert b"SECRET" not in image.display
    assert any("EXIF" in note for note in image.notes) == (orientation != 1)


def test_a_polyglot_loses_its_tail():
    tail = b"<html><script>alert(1)</script></html>"
    image = decode_image(jpeg() + tail, COLOR8)
    assert tail not in image.display
    assert b"script" not in image.display


def test_comments_and_profiles_do_not_travel_on():
    data = jpeg(photo(300, 400), comment=b"my home", icc_profile=b"profile" * 30)
    display = decode_image(data, COLOR8).display
    assert b"my home" not in display
    assert b"profile" not in display


def test_a_png_named_jpg_is_taken_for_what_it_is():
    assert decode_image(png(RAMP), GRAY8).format == "PNG"


def test_a_line_of_20000_pixels_becomes_a_line():
    line = np.full((1, 20000), 200, np.uint8)
    image = decode_image(png(line), ImageSpec(64, 1))
    assert (image.width, image.height) == (20000, 1)
    assert image.pixels.sum() == 64 * 200
    assert (image.pixels[0].sum(axis=1) > 0).sum() == 1
    shown = Image.open(io.BytesIO(image.display))
    assert shown.size == (1024, 1)


def test_shape_is_kept_and_the_rest_is_black():
    image = decode_image(np.full((10, 40), 255, np.uint8), ImageSpec(20, 1)).pixels[0]
    assert (image[8:13, :][:5] == 255).all() or (image[7:12] == 255).all()
    assert image.sum() == 5 * 20 * 255
    assert (image[:7] == 0).all()
    assert (image[13:] == 0).all()


def test_shrinking_is_antialiased():
    """A checkerboard of single pixels becomes gray; without antialiasing it becomes black, white or stripes."""
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert np.abs(decode_image(board, GRAY8).pixels.astype(int) - 128).max() <= 2


@pytest.mark.parametrize(
    ("side", "kind", "longest"), [(256, "image/png", 256), (257, "image/jpeg", 257), (1500, "image/jpeg", 1024)]
)
def test_small_images_are_shown_exactly_and_large_ones_as_jpeg(side, kind, longest):
    original = photo(side // 2, side)
    image = decode_image(original, COLOR8)
    shown = np.asarray(Image.open(io.BytesIO(image.display)))
    assert image.media_type == kind
    assert max(shown.shape) == longest
    if kind == "image/png":
        assert np.array_equal(shown, original)
    elif side == longest:
        assert np.abs(shown.astype(int) - original).mean() < 3


def test_people_see_color_where_the_model_gets_gray():
    assert Image.open(io.BytesIO(decode_image(png(noise(8, 8)), GRAY8).display)).mode == "RGB"


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((2, 3, 4, 5)), "expected an image of shape"),
        (np.zeros((5, 5, 2)), "expected an image of shape"),
        (np.zeros(10), "flat row"),
        (np.zeros((0, 4)), "empty"),
        (np.array([["a"]]), "expected numbers"),
        (np.array([[np.nan, 1.0]]), "NaN"),
        (np.array([[np.inf, 1.0]]), "infinite"),
    ],
)
def test_arrays_that_are_no_images_are_rejected(array, reason):
    with pytest.raises(ImageRejected, match=reason):
        decode_image(array, GRAY8)


@pytest.mark.parametrize(("size", "channels"), [(0, 1), (5000, 1), (28, 2), (28, 4)])
def test_a_spec_that_no_model_takes_is_an_error(size, channels):
    with pytest.raises(DataError, match="expected"):
        ImageSpec(size, channels)


@given(data=st.binary(max_size=200), head=st.sampled_from(STARTS))
def test_no_bytes_raise_anything_but_a_rejection(data, head):
    with pytest.raises(ImageRejected):
        decode_image(head + data, GRAY8)


@given(at=st.integers(0, len(NOISE_PNG) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_of_a_png_is_noticed_or_harmless(at, bit):
    """Each chunk has a checksum: what is accepted has the pixels of the original."""
    damaged = bytearray(NOISE_PNG)
    damaged[at] ^= 1 << bit
    try:
        image = decode_image(bytes(damaged), ImageSpec(96, 3))
    except ImageRejected:
        return
    assert np.array_equal(image.pixels, pixels(NOISE_PNG, 96, 3))
