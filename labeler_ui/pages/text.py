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


_HARMFUL = (
    (re.compile(r"!(?=\[)"), "&#33;"),  # an image is fetched from wherever it says, by everybody who looks
    (re.compile(r"(?<=\])\((?!\s*<?https?://)"), "&#40;"),  # a link to anything but a web page
    (re.compile(r"(?<=\]):(?!\s*<?https?://)"), "&#58;"),  # the same, defined below the text
    (re.compile(r"<(?!https?://)"), "&lt;"),  # HTML, and addresses of other kinds in angle brackets
)


def safe_markdown(text: str) -> str:
    r"""Return Markdown that somebody wrote, without images, and with links to web pages alone.

    What is taken out stays readable as text. HTML is never rendered: pages do not ask Streamlit for it.

    >>> safe_markdown("![x](http://evil/x.png) [y](javascript:alert(1)) [z](https://ok.org)")
    '&#33;[x](http://evil/x.png) [y]&#40;javascript:alert(1)) [z](https://ok.org)'
    """
    for pattern, instead in _HARMFUL:
        text = pattern.sub(instead, text)
    return text
