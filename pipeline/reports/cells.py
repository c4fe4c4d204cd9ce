"""Texts as they go into files that people open: no spreadsheet runs them, no Markdown or HTML takes them as markup.

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
_MARKDOWN = re.compile(r"([\\`*_{}\[\]#|~$!@]|(?<=www)\.|:(?=//)|\A[-+=]|(?<=\A\d)[.)])", re.IGNORECASE)
_NUMBERS = re.compile(r"[\d\s.,\[\]+:−–-]*")


def formula_safe(text: str) -> str:
    """Return text that a spreadsheet shows and never runs.

    >>> formula_safe("=1+1"), formula_safe("cat"), formula_safe("a;=1+1")
    ("'=1+1", 'cat', "a;'=1+1")
    """
    return _RISKY.sub("'", text)


def markdown_text(text: str) -> str:
    r"""Return text that Markdown and HTML show as it is; figures with their intervals need nothing.

    >>> print(markdown_text("[x](javascript:1) <b>"), markdown_text("91.2 [90.8, 91.6]"))
    \[x\](javascript:1) &lt;b&gt; 91.2 [90.8, 91.6]
    """
    one_line = " ".join(text.split())
    if _NUMBERS.fullmatch(one_line):
        return one_line
    return html.escape(_MARKDOWN.sub(r"\\\1", one_line), quote=False)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV: numbers in full, nothing for None, texts that no spreadsheet takes for a formula."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([formula_safe(name) for name in header])
    for row in rows:
        writer.writerow(["" if cell is None else formula_safe(cell) if isinstance(cell, str) else cell for cell in row])
    return file.getvalue()
