"""Images as routes: the re-encoded display bytes of one sample, for its project's people only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response

from db import copy_answers, samples, synthetic
from db.records import Display
from labeler_ui.api.guards import Call, Refusal

if TYPE_CHECKING:
    from labeler_ui.api.v1.entry import ApiCall

MEDIA_TYPES = frozenset({"image/png", "image/webp", "image/jpeg"})
SYNTHETIC_HEADER = "X-Borderline-Synthetic"
LARGEST_DISPLAY = 64 * 1024 * 1024


def image(call: Call) -> Response:
    """Answer with one sample's display image, or 304 when the browser has it already."""
    return show(
        call, samples.display_of(call.database, call.actor, call.project_id, call.request.path_params["sample_id"])
    )


def synthetic_image(call: Call) -> Response:
    """Answer with the display image of one generated image, and say in a header that it is none of a photo's."""
    wanted = call.request.path_params["synthetic_id"]
    answer = show(call, synthetic.display_of(call.database, call.actor, call.project_id, wanted))
    answer.headers[SYNTHETIC_HEADER] = "made by a generator, not a photo"
    return answer


def asked(call: Call) -> Response:
    """Answer with the picture that a query asks about: the one way for images and for copies that are checked."""
    query_id = call.request.path_params["query_id"]
    return show(call, copy_answers.picture_to_label(call.database, call.actor, call.project_id, query_id))


def show(call: Call | ApiCall, display: Display, *, vary: str = "X-Borderline-Token") -> Response:
    """Answer with a part of a pack file, or 304 when the asker has it already.

    Args:
        call: The checked request; who may see the image was decided when `display` was looked up.
        display: Where the image lies.
        vary: The header that says who asks.

    Raises:
        Refusal: The file is gone, damaged, or not below BORDERLINE_HOME.
    """
    etag = f'"{display.etag}"'
    headers = {
        "Cache-Control": "private, max-age=86400, immutable",
        "ETag": etag,
        "Vary": vary,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if call.request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    if display.media_type not in MEDIA_TYPES:
        raise Refusal(500, "damaged", "This image is stored in a form that cannot be shown.")
    path = contained(call.database.home, display.path)
    data = read_slice(path, display.offset, display.length)
    return Response(data, media_type=display.media_type, headers=headers)


def contained(home: Path, relative: str) -> Path:
    """Return the real path of a stored file, refusing whatever lies outside of `home`.

    Args:
        home: BORDERLINE_HOME.
        relative: A path as SQL has it, relative to `home`.

    Raises:
        Refusal: The path leads out of `home`, through `..`, an absolute path or a link.
    """
    root = home.resolve()
    path = (root / relative).resolve()
    if not path.is_relative_to(root):
        raise Refusal(404, "not_found", "This image is not among the project's files.")
    return path


def read_slice(path: Path, offset: int, length: int) -> bytes:
    """Return `length` bytes from `offset` of a pack file.

    Raises:
        Refusal: The file is gone, too short, or the slice makes no sense.
    """
    if not 0 < length <= LARGEST_DISPLAY or offset < 0:
        raise Refusal(500, "damaged", "This image's place in its file is damaged. Ingest it again.")
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(length)
    except OSError as error:
        raise Refusal(404, "not_found", "This image's file is gone. Ingest it again.") from error
    if len(data) != length:
        raise Refusal(500, "damaged", "This image's file is cut short. Ingest it again.")
    return data
