"""The commands of docs/operations.md, in their order."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.compose.composefile import ROOT

DOCUMENT = (ROOT / "docs" / "operations.md").read_text()
SERVICE, ADMIN, MACHINE, DOCKER = "service", "admin", "machine", "docker"


@dataclass(frozen=True)
class Block:
    """Commands out of the document, and who gives them: the user `borderline`, root, or nobody here."""

    who: str
    text: str


def blocks() -> list[Block]:
    found = []
    for words, text in re.findall(r"^```(\S[^\n]*)\n(.*?)^```$", DOCUMENT, flags=re.MULTILINE | re.DOTALL):
        language, _, who = words.partition(" ")
        if language == "sh":
            found.append(Block(who, text))
    return found
