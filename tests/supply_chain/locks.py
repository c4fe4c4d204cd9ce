"""Reads a lock file: names, versions, hashes, line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = sorted([*ROOT.glob("requirements*.lock"), *ROOT.glob("benchmarks/*.lock")])
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Pin:
    """One package at one version; universal locks have some at two, with markers that exclude each other."""

    name: str
    version: Version
    hashes: tuple[str, ...]
    line: str


def pins(lock: Path) -> list[Pin]:
    text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    return [_pin(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _pin(line: str) -> Pin:
    wanted = Requirement(line.split("--hash", 1)[0].strip())
    [exact] = wanted.specifier
    assert exact.operator == "==", line
    return Pin(canonicalize_name(wanted.name), Version(exact.version), tuple(HASH.findall(line)), line)
