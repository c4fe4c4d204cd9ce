"""Which URLs images may be read from, and that none carries a key: URLs are stored and shown, keys never are."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline.errors import DataError

PROTOCOLS = {
    "s3": "pip install 'borderline[objects]'",
    "gs": "pip install gcsfs",
    "gcs": "pip install gcsfs",
    "az": "pip install adlfs",
    "abfs": "pip install adlfs",
    "abfss": "pip install adlfs",
    "memory": "",
}
"""Protocols whose folders are read, and what brings them; the last is for tests."""

_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
_ACCOUNT = ("abfs", "abfss")  # container@account is how these name a place


def protocol_of(spec: str) -> str | None:
    """Return the protocol of a URL, in lower case; None for what is none.

    >>> protocol_of("s3://bucket/birds"), protocol_of("/data/birds")
    ('s3', None)
    """
    found = _URL.match(spec)
    return found[1].lower() if found else None


def path_of(url: str) -> Path:
    """Return the path that a `file://` URL names.

    Raises:
        DataError: It names another machine.
    """
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise DataError(f"expected file:///FOLDER, got a file URL of the host {parts.netloc!r}; write three slashes")
    return Path(url2pathname(parts.path))


def check_url(url: str) -> str:
    """Return a URL of a folder in an object store, without a slash at its end.

    Raises:
        DataError: Its protocol is not read from, it names no bucket, or it carries a key. The message never repeats it.
    """
    protocol = protocol_of(url)
    if protocol not in PROTOCOLS or "::" in url:
        shown = ", ".join(f"{name}://" for name in PROTOCOLS if name != "memory")
        raise DataError(f"expected a URL with {shown} or file://, got another; download the files first")
    place = url.split("://", 1)[1].split("/", 1)[0]
    if ("@" in place and (protocol not in _ACCOUNT or ":" in place)) or "?" in url:
        raise DataError(
            f"expected a plain {protocol}:// URL, got one with credentials or a query in it, which would be stored and "
            "shown; leave them out and let the provider's own environment variables or configuration name them"
        )
    if not place and protocol != "memory":
        raise DataError(f"expected {protocol}://BUCKET/FOLDER, got no bucket; name one")
    return f"{protocol}://{url.split('://', 1)[1].rstrip('/')}"
