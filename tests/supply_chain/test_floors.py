"""No locked package is older than the version that closed a hole we know of.

A scanner may be blind (reliability.md, F12), so what is known is written down here, as of 2026-11: not a complete
audit. Each number was found in the project's own advisory or release notes, or in several independent reports.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.version import Version

from tests.supply_chain.locks import LOCKS, ROOT, pins


class Floor(NamedTuple):
    """A package, the first version without the hole, its number, and what it was."""

    package: str
    version: str
    advisory: str
    why: str


FLOORS = (
    Floor("aiohttp", "3.13.3", "CVE-2025-69223", "a compressed request fills the memory"),
    Floor("authlib", "1.6.9", "CVE-2026-27962", "a key in the token's own header is believed: anybody can log in"),
    Floor("authlib", "1.6.7", "CVE-2026-28802", "a token with the algorithm 'none' passes"),
    Floor("cryptography", "46.0.6", "CVE-2026-34073", "names that a certificate excludes pass as wildcards"),
    Floor("h11", "0.16.0", "CVE-2025-43859", "malformed chunked bodies are accepted: request smuggling"),
    Floor("jinja2", "3.1.6", "CVE-2025-27516", "the sandbox is left by the filter attr"),
    Floor("numpy", "1.16.1", "CVE-2019-6446", "load() unpickles (it does not any more by default)"),
    Floor("pillow", "12.2.0", "CVE-2026-40192", "a FITS file that unpacks without end"),
    Floor("pillow", "12.1.1", "CVE-2026-25990", "a PSD file writes out of bounds"),
    Floor("pillow", "12.3.0", "reliability.md 3.1", "a later batch in decoders that we leave out"),
    Floor("prefect", "3.6.25", "CVE-2026-5366", "code is run by a flag of the git storage"),
    Floor("protobuf", "6.33.5", "CVE-2026-0994", "nested messages get around the limit of depth"),
    Floor("pyarrow", "14.0.1", "CVE-2023-47248", "reading a file runs code"),
    Floor("pygments", "2.20.0", "CVE-2026-4539", "a pattern that takes very long"),
    Floor("python-multipart", "0.0.27", "CVE-2026-42561", "headers of parts without end"),
    Floor("python-multipart", "0.0.22", "CVE-2026-24486", "an upload's name leads out of the folder"),
    Floor("ray", "2.55.0", "CVE-2026-32981", "the dashboard shows files of the machine"),
    Floor("requests", "2.32.4", "CVE-2024-47081", ".netrc's password goes to another host"),
    Floor("setuptools", "78.1.1", "CVE-2025-47273", "a download's name leads out of the folder"),
    Floor("starlette", "0.49.1", "CVE-2025-62727", "a Range header that takes quadratic time"),
    Floor("streamlit", "1.54.0", "CVE-2026-33682", "on Windows a path makes the server ask another one"),
    Floor("torch", "2.10.0", "CVE-2026-24747", "weights_only loading corrupts memory"),
    Floor("tornado", "6.5.5", "CVE-2026-35536", "attributes are put into a cookie"),
    Floor("urllib3", "2.7.0", "CVE-2026-44431", "headers go along to another host (and CVE-2026-44432)"),
    Floor("werkzeug", "3.1.6", "CVE-2026-27199", "names of Windows devices pass safe_join"),
)


def broken(lock: Path) -> list[str]:
    """Return what of a lock is below a floor."""
    found = {(pin.name, pin.version) for pin in pins(lock)}
    return [
        f"{name} {version} is older than {floor.version}: {floor.advisory}, {floor.why}"
        for floor in FLOORS
        for name, version in sorted(found)
        if name == floor.package and version < Version(floor.version)
    ]


@pytest.mark.parametrize("lock", [path for path in LOCKS if path.parent == ROOT], ids=lambda path: path.name)
def test_nothing_is_older_than_the_version_that_closed_a_hole(lock: Path) -> None:
    assert broken(lock) == []


def test_every_floor_is_of_a_package_that_we_install() -> None:
    assert {floor.package for floor in FLOORS} <= {pin.name for pin in pins(ROOT / "requirements.lock")}


def test_an_old_version_would_be_noticed(tmp_path: Path) -> None:
    lock = tmp_path / "old.lock"
    lock.write_text(f"pillow==12.2.9 \\\n    --hash=sha256:{'0' * 64}\ntorch==2.9.1+cpu --hash=sha256:{'0' * 64}\n")
    assert [line.split(":")[0] for line in broken(lock)] == [
        "pillow 12.2.9 is older than 12.3.0",
        "torch 2.9.1+cpu is older than 2.10.0",
    ]
