"""docs/operations.md, its settings and systemd units say what there is; test_machine.py runs the commands."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from flows.doctor_files import BACKUP_DAYS
from labeler_ui.accounts import oidc
from tests.compose.composefile import ROOT, load
from tests.compose.document import ADMIN, DOCKER, DOCUMENT, MACHINE, SERVICE, blocks

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))


def test_every_command_is_run_or_said_not_to_be() -> None:
    assert {block.who for block in blocks()} == {SERVICE, ADMIN, MACHINE, DOCKER}
    for block in blocks():
        for line in block.text.splitlines():
            if line.startswith("docker "):
                assert block.who == DOCKER, line
    assert "never started under Docker" in DOCUMENT
    assert "**Not run:** everything marked `docker`" in DOCUMENT


def test_the_settings_file_names_settings_that_there_are() -> None:
    """A misspelled one would be ignored; those of the compose file are the same ones."""
    said = re.findall(r"^(BORDERLINE_\w+)=", (ROOT / "deploy" / "borderline.env").read_text(), flags=re.MULTILINE)
    assert len(said) == len(set(said))
    code = "".join(path.read_text() for part in ("flows", "labeler_ui", "db") for path in (ROOT / part).rglob("*.py"))
    in_compose = {name for service in load()["services"].values() for name in service["environment"]}
    for name in {*said, *in_compose, *re.findall(r"`(BORDERLINE_\w+)`", DOCUMENT)}:
        if not name.startswith("BORDERLINE_") or name in COMPOSE_VARIABLES:
            continue
        field = name.removeprefix("BORDERLINE_").lower()
        if name.startswith(oidc.PREFIX) and f'"{name.removeprefix(oidc.PREFIX)}"' in code.replace("{PREFIX}", ""):
            continue
        assert name.removesuffix("_FILE") in code or re.search(rf"^    {field}: ", code, flags=re.MULTILINE), name


COMPOSE_VARIABLES = set(re.findall(r"\$\{(BORDERLINE_\w+)", (ROOT / "docker-compose.yml").read_text()))


def test_every_variable_of_the_compose_file_is_in_the_table() -> None:
    table = "".join(re.findall(r"^\|.*$", DOCUMENT, flags=re.MULTILINE))
    assert {name for name in COMPOSE_VARIABLES if f"`{name}`" not in table} == set()


def test_what_the_page_says_about_backups_is_so() -> None:
    assert f"the last backup older than {BACKUP_DAYS} days (`borderline doctor` warns)" in DOCUMENT
    settings = (ROOT / "deploy" / "borderline.env").read_text()
    (folder,) = re.findall(r"^BORDERLINE_BACKUP_FOLDER=(.*)$", settings, flags=re.MULTILINE)
    unit = (ROOT / "deploy" / "systemd" / "borderline-worker.service").read_text()
    assert re.findall(r"^ReadWritePaths=-?(.*)$", unit, flags=re.MULTILINE) == [folder]
    assert f"borderline backup --to {folder}" in DOCUMENT


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_runs_a_service_with_few_rights(unit: Path) -> None:
    parsed = configparser.RawConfigParser(strict=False)
    parsed.optionxform = str  # type: ignore[assignment]
    parsed.read(unit)
    service = parsed["Service"]
    name = unit.stem.removeprefix("borderline-")
    assert service["ExecStart"] == f"/opt/borderline/.venv/bin/borderline {name}"
    assert load()["services"][name]["command"][:2] == ["borderline", name]
    assert service["User"] == "borderline"
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["ProtectSystem"] == "strict"
    families = {"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"}  # the last one lists interfaces: getifaddrs
    assert set(service["RestrictAddressFamilies"].split()) == families
    assert service["EnvironmentFile"] == "/etc/borderline/borderline.env"


def test_systemd_reads_the_units(tmp_path: Path) -> None:
    """What it finds wrong but for the program itself, which is not installed where the units look for it."""
    program = "/opt/borderline/.venv/bin/borderline"
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(program, "/bin/true"))
    (tmp_path / "postgresql.service").write_text("[Service]\nExecStart=/bin/true\n")
    try:
        command = ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir())]
        said = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no systemd-analyze")
    assert (said.returncode, said.stdout + said.stderr) == (0, "")
