"""Says in one friendly line why a file is not a usable image: a decoder's own words help nobody find the cause."""

from __future__ import annotations

from PIL import Image

READ = "JPEG, PNG, WebP, BMP, GIF and TIFF are read"
CUT_OFF = "the file is cut off: it ends before the image does"
DAMAGED = "the image data is damaged"

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
)
_FOREIGN = (
    (b"%PDF", "a PDF document, not an image: export its pages as PNG"),
    (b"8BPS", "a Photoshop file: save it as PNG"),
    (b"%!PS", "a PostScript file, not an image: export it as PNG"),
    (b"PK\x03\x04", "a ZIP archive, not an image: unpack it first"),
    (b"\x1f\x8b", "a gzip archive, not an image: unpack it first"),
    (b"SIMPLE  =", "a FITS file: save it as TIFF or as an array"),
)


def unknown_content(data: bytes) -> str:
    """Say what bytes are that no allowed decoder takes.

    >>> unknown_content(b"Dear diary, today I renamed a file.")
    'this is text, not an image'
    """
    head = data[:2048]
    for signature, reason in _FOREIGN:
        if head.startswith(signature):
            return reason
    if head[4:8] == b"ftyp":
        return f"a HEIC, AVIF or video file: save it as JPEG or PNG ({READ})"
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return f"it starts as a {kind} but its header is damaged or cut off"
    return _as_text(head) or f"not an image in a known format ({READ})"


def reason_for(error: Exception, data: bytes, pixel_cap: int) -> str:
    """Translate what a decoder raised."""
    text = str(error).lower()
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"it claims far more pixels than the limit of {pixel_cap / 1e6:.0f} million"
    if isinstance(error, MemoryError):
        return "it does not fit into memory"
    if "truncated" in text or "unexpected end" in text or isinstance(error, EOFError):
        return CUT_OFF
    if data.startswith(_SIGNATURES[0][0]) and b"IEND" not in data[-64 * 1024 :]:
        return CUT_OFF
    return DAMAGED


def _as_text(head: bytes) -> str | None:
    lowered = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in lowered:
        return "an SVG drawing, which can carry scripts and is not read: export it as PNG"
    if lowered.startswith((b"<!doctype html", b"<html")):
        return "this is a web page, not an image: the download may have failed"
    if b"\0" in head:
        return None
    try:
        text = head.decode("utf-8", errors="strict" if len(head) < 2048 else "ignore")
    except UnicodeDecodeError:
        return None
    printable = sum(character.isprintable() or character.isspace() for character in text)
    return "this is text, not an image" if printable == len(text) else None
