"""Names and notes are data: this is how they get into Streamlit's Markdown without becoming markup."""

from __future__ import annotations

import re

_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&\"'/=^%])")


def plain(text: str) -> str:
    r"""Return text that Markdown, links, colors, icons, formulas and HTML leave as it is.

    >>> plain("[x](javascript:alert)")
    '\\[x\\]\\(javascript\\:alert\\)'
    """
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
