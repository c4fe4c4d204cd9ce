"""`make sbom`: a valid bill of materials that names what is locked, version by version, with hashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.supply_chain.locks import ROOT, pins


def test_the_bill_of_materials_is_valid_and_names_every_locked_package(tmp_path: Path) -> None:
    venv, out = Path(sys.executable).parents[1], tmp_path / "sbom.json"
    assert "--validate" in (ROOT / "Makefile").read_text().split("\nsbom:", 1)[1].split("\n\n")[0]
    command = ["make", "-s", "sbom", f"VENV={venv}", f"STAMP={tmp_path}", f"SBOM={out}"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    text = out.read_text(encoding="utf-8")
    bill = json.loads(text)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "borderline"
    wanted = {(pin.name, str(pin.version)): set(pin.hashes) for pin in pins(ROOT / "requirements.lock")}
    found = {
        (part["name"].lower().replace("_", "-").replace(".", "-"), part["version"]): part for part in bill["components"]
    }
    assert set(found) == set(wanted)
    for key, part in found.items():
        hashes = {entry["content"] for reference in part["externalReferences"] for entry in reference.get("hashes", [])}
        assert hashes == wanted[key], key
    assert str(ROOT) not in text
