"""The GitHub workflow: actions by commit, rights to read alone, and what it runs is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.supply_chain.locks import ROOT
from tests.support import NO_DATA

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*$")


def read(path: Path) -> dict[Any, Any]:
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_there_is_a_workflow() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_commit_with_its_version_beside_it(path: Path) -> None:
    used = [line.strip().removeprefix("- ") for line in path.read_text().splitlines() if "uses:" in line]
    assert len(used) >= 5
    assert [line for line in used if not PINNED.fullmatch(line)] == []
    shas: dict[str, set[str]] = {}
    for line in used:
        action, rest = line.removeprefix("uses: ").split("@")
        shas.setdefault(action, set()).add(rest)
    assert {action: len(found) for action, found in shas.items()} == dict.fromkeys(shas, 1)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_it_may_read_and_nothing_else(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert [name for name, job in workflow["jobs"].items() if "permissions" in job] == []
    triggers = workflow[True]  # YAML 1.1 reads 'on' as true
    assert "pull_request_target" not in triggers
    assert "secrets." not in path.read_text()
    checkouts = [
        step for job in workflow["jobs"].values() for step in job["steps"] if "checkout" in step.get("uses", "")
    ]
    assert {step["with"]["persist-credentials"] for step in checkouts} == {False}


def test_it_runs_lint_tests_audit_and_the_bill_of_materials() -> None:
    jobs = read(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]
    run = {step["run"] for job in jobs.values() for step in job["steps"] if "run" in step}
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    wanted = {line.removeprefix("make ") for line in run if line.startswith("make ")}
    assert wanted == {"lint", "test", "audit", "sbom"} <= set(targets)
    assert all(job["timeout-minutes"] for job in jobs.values())


def test_a_hosted_runner_says_that_it_has_no_real_data() -> None:
    """Else its tests would always fail: GitHub sets CI, which makes a missing part a failure."""
    jobs = read(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]
    (step,) = [step for step in jobs["tests"]["steps"] if step.get("run") == "make test"]
    assert step["env"]["BORDERLINE_TEST_DATA"] == f"${{{{ vars.BORDERLINE_TEST_DATA || '{NO_DATA}' }}}}"
