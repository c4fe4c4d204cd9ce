"""Texts as they go into files that people open: spreadsheets that must not run them, Markdown, times.

OWASP ASVS 5.0, 1.2.10 asks for a leading apostrophe before what a spreadsheet takes for a formula. Where the list
separator is a semicolon, a tab or a line break the rest of a field is a cell of its own, so that is treated alike.
"""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime

FORMULA_STARTS = "=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20"  # the last four are the full-width = + - @
_STARTS = re.escape(FORMULA_STARTS)
_AT_START_OF_A_CELL = r"(?:\A|(?<=[;\t\r\n]))"
_RISKY = re.compile(rf"{_AT_START_OF_A_CELL}(?='*[{_STARTS}])")
_MADE_SAFE = re.compile(rf"{_AT_START_OF_A_CELL}'(?='*[{_STARTS}])")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$:@/])")


def formula_safe(text: str) -> str:
    """Return text that a spreadsheet shows and never runs; `plain_text` makes the original of it again.

    >>> formula_safe("=1+1"), formula_safe("cat.png"), formula_safe("a;=1+1")
    ("'=1+1", 'cat.png', "a;'=1+1")
    """
    return _RISKY.sub("'", text)


def plain_text(cell: str) -> str:
    """Undo `formula_safe`, exactly.

    >>> plain_text("'=1+1"), plain_text("'quoted'")
    ('=1+1', "'quoted'")
    """
    return _MADE_SAFE.sub("", cell)


def iso_time(ms: int) -> str:
    """Return a time in ms since 1970 as ISO 8601 in UTC.

    >>> iso_time(1_700_000_000_123)
    '2023-11-14T22:13:20.123Z'
    """
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def markdown_text(text: str) -> str:
    r"""Return text that Markdown and HTML show as it is.

    >>> print(markdown_text("[x](javascript:1) <b>"))
    \[x\]\(javascript\:1\) &lt;b&gt;
    """
    one_line = " ".join(text.split())
    return html.escape(_MARKDOWN.sub(r"\\\1", one_line), quote=False)


def yaml_text(text: str) -> str:
    r"""Return a text in double quotes that YAML reads as it is; it cannot end the entry or begin another.

    >>> print(yaml_text('a": b'))
    "a\U00000022: b"
    """
    plain = (char if " " <= char <= "~" and char not in '"\\' else f"\\U{ord(char):08X}" for char in text)
    return f'"{"".join(plain)}"'
