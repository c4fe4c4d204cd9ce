"""Takes secrets and control characters out of texts before they are written to a log or shown as an error.

Two ways, for neither is enough alone: forms that secrets have (addresses with a password, our tokens, headers), and
the very values that this process was given (`hide`), whatever form they are in.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from urllib.parse import quote, quote_plus, unquote

HIDDEN = "***"
SHORTEST = 6  # of a value that is searched for: a shorter one would take half of the text away
_WORDS = r"password|passwd|passphrase|secret|api[_-]?key|access[_-]?key|private[_-]?key|token"
_NAMES = rf"(?:[\w-]*?(?:{_WORDS})[\w-]{{0,40}}|pwd)"  # bounded, as all else here: a long line must not take seconds
_COOKIES = r"(?:borderline_session|_streamlit_user\w*|_streamlit_xsrf|csrf-token|oidc\w*)"
_VALUE = r"""(?:b?"(?:[^"\\]|\\.)*"|b?'(?:[^'\\]|\\.)*'|b?["']?[^\s,;&)\]}"']+)"""

_RULES = [
    # name and password before the host of an address; greedy, for people forget to encode an @ in a password
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,30}://[^\s:/@?#'\"]{0,200}):\S{0,500}@"), rf"\1:{HIDDEN}@"),
    (re.compile(r"(?i)(\b(?:set-)?cookie\b['\"]?\s*[:=,]\s*b?['\"]?)[^\r\n'\"]+"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)\b({_COOKIES}=)[^\s;,'\"]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)(\bauthorization\b['\"]?\s*[:=,]\s*b?['\"]?)[^\r\n'\"]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer)\s+[^\s'\",)]{16,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\b(blt_|whs_)[A-Za-z0-9_-]{8,}"), rf"\1{HIDDEN}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]+)?"), HIDDEN),  # the page's own, JWT
    (re.compile(rf"(?i)((?<![\w-]){_NAMES}['\"]?\s*[=:]\s*){_VALUE}"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)(['\"]{_NAMES}['\"]\s*,\s*){_VALUE}"), rf"\1{HIDDEN}"),  # pairs, as headers come in a scope
]
_SECRET_VARIABLE = re.compile(rf"(?i){_WORDS}|AUTH_STRING$")  # but not PWD, which is a folder
_known: set[str] = set()
_lock = threading.Lock()


def hide(*secrets: str | None) -> None:
    """Take these values out of every text from now on, as they are and as an address or a ``repr`` would have them."""
    found = {secret for secret in secrets if secret and len(secret) >= SHORTEST}
    forms = {form for secret in found for form in (secret, quote(secret, safe=""), quote_plus(secret), unquote(secret))}
    forms |= {repr(form)[1:-1] for form in forms}
    with _lock:
        _known.update(form for form in forms if len(form) >= SHORTEST)


def hide_environment(environment: Mapping[str, str]) -> None:
    """Hide what variables hold whose names say that it is a secret."""
    for name, value in environment.items():
        if _SECRET_VARIABLE.search(name) and not name.endswith("_FILE"):
            hide(value)


def redact(text: str) -> str:
    """Return the text without secrets.

    >>> redact("postgresql://ada:hunter22@db/zoo said: bearer blt_abcdefgh1234")
    'postgresql://ada:***@db/zoo said: bearer ***'
    >>> redact("login?name=ada&password=hunter22, 3 tokens in the bucket")
    'login?name=ada&password=***, 3 tokens in the bucket'
    """
    for secret in sorted(_known, key=len, reverse=True):  # the longest first: one may hold another
        text = text.replace(secret, HIDDEN)
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text


def line(text: str) -> str:
    r"""Return the text as one line without secrets; what moves a terminal's cursor is written as a code.

    >>> print(line("red: \x1b[31m, and a line\nthat is none"))
    red: \x1b[31m, and a line\nthat is none
    """
    return _visible(redact(text), keep="")


def lines(text: str) -> str:
    """Return a text of several lines, such as a traceback, without secrets and with nothing but tabs and line feeds."""
    return _visible(redact(text), keep="\n\t")


def _visible(text: str, keep: str) -> str:
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign in keep else _code(sign) for sign in text)


def _code(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
