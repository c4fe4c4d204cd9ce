"""Every package is installed by its hash and from nowhere in particular; one altered byte and nothing is installed."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.supply_chain.locks import LOCKS, ROOT, pins


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_line_is_one_version_with_hashes_and_names_no_host(lock: Path) -> None:
    found = pins(lock)
    assert len(found) > 20
    assert [pin.name for pin in found if not pin.hashes] == []
    text = lock.read_text(encoding="utf-8")
    for word in ("://", "--index-url", "--extra-index-url", "--find-links", "--trusted-host", " @ ", "-e "):
        assert word not in text, word


def test_the_set_up_checks_the_hashes() -> None:
    installs = [
        line for line in (ROOT / "scripts" / "setup.sh").read_text().splitlines() if "requirements.lock" in line
    ]
    assert installs
    assert all("--require-hashes --only-binary :all:" in line for line in installs)  # a source could run code


def wheel(folder: Path) -> Path:
    """Make the smallest wheel there is."""
    path = folder / "tiny_canary-1.0-py3-none-any.whl"
    info = "tiny_canary-1.0.dist-info"
    files = {
        "tiny_canary.py": b"HERE = True\n",
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-canary\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files.items())
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            archive.writestr(name, data)
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def install(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    lock = folder / "tiny.lock"
    lock.write_text(line)
    uv = Path(sys.executable).with_name("uv")
    where = ["--no-index", "--find-links", str(folder), "--target", str(folder / "site"), "--no-cache"]
    command = [str(uv), "pip", "install", "--python", sys.executable, "--require-hashes", *where, "-r", str(lock)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_one_altered_hash_and_nothing_is_installed(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(wheel(tmp_path).read_bytes()).hexdigest()
    altered = sha256[:-1] + ("0" if sha256[-1] != "0" else "1")
    for line in (f"tiny-canary==1.0 --hash=sha256:{altered}\n", "tiny-canary==1.0\n"):
        refused = install(tmp_path, line)
        assert refused.returncode != 0
        assert "hash" in refused.stderr.lower()
        assert not (tmp_path / "site" / "tiny_canary.py").exists()
    done = install(tmp_path, f"tiny-canary==1.0 --hash=sha256:{sha256}\n")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "tiny_canary.py").exists()
