"""Where a login may lead back to: a path of this page, never another site."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

LONGEST = 500


def safe_path(wanted: str | None) -> str:
    r"""Return a path of this page to go to after a login; '/' for whatever could lead elsewhere.

    Browsers read '\' as '/', and drop tabs and line ends, so those are refused, too.

    >>> safe_path("/progress?project=birds"), safe_path("https://evil.example"), safe_path("//evil.example")
    ('/progress?project=birds', '/', '/')
    >>> safe_path("/\\evil.example"), safe_path("/\t/evil.example"), safe_path("javascript:alert(1)")
    ('/', '/', '/')
    """
    path = wanted or "/"
    plain = path.isascii() and path.isprintable() and "\\" not in path and len(path) <= LONGEST
    if not plain or not path.startswith("/") or path.startswith("//"):
        return "/"
    parts = urlsplit(path)
    return "/" if parts.scheme or parts.netloc else path


def login_address(back: str) -> str:
    """Return the address of the login form that leads back to a path."""
    return "/login" if safe_path(back) == "/" else f"/login?next={quote(safe_path(back), safe='')}"
