"""Texts as they go into files that people open: spreadsheets must not run them, nor Markdown nor HTML take them as markup.

OWASP ASVS 5.0, 1.2.10 asks for a leading apostrophe before what a spreadsheet takes for a formula; after a semicolon,
a tab or a line break a cell of its own may begin. The store's exports do the same; neither package may import the
other.
"""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterable, Sequence

_STARTS = re.escape("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20")  # the last four are the full-width = + - @
_RISKY = re.compile(rf"(?:\A|(?<=[;\t\r\n]))(?='*[{_STARTS}])")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$:@/])")


def formula_safe(text: str) -> str:
    """Return text that a spreadsheet shows and never runs.

    >>> formula_safe("=1+1"), formula_safe("cat"), formula_safe("a;=1+1")
    ("'=1+1", 'cat', "a;'=1+1")
    """
    return _RISKY.sub("'", text)


def markdown_text(text: str) -> str:
    r"""Return text that Markdown and HTML show as it is.

    >>> print(markdown_text("[x](javascript:1) <b>"))
    \[x\]\(javascript\:1\) &lt;b&gt;
    """
    return html.escape(_MARKDOWN.sub(r"\\\1", " ".join(text.split())), quote=False)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV: numbers in full, nothing for None, texts that no spreadsheet takes for a formula."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([formula_safe(name) for name in header])
    for row in rows:
        writer.writerow(["" if cell is None else formula_safe(cell) if isinstance(cell, str) else cell for cell in row])
    return file.getvalue()
