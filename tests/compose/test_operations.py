"""docs/operations.md: every command in it that needs no Docker, systemd or packages is run as it stands there."""

from __future__ import annotations

import configparser
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.compose.composefile import ROOT, load
from tests.compose.stack import Stack

DOCUMENT = (ROOT / "docs" / "operations.md").read_text()
SERVICE, ADMIN = "service", "admin"
NOT_RUN = {"docker", "machine"}
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))


@dataclass(frozen=True)
class Block:
    """Commands out of the document, and who gives them."""

    who: str
    text: str

    @property
    def name(self) -> str:
        return re.sub(r"\W+", "-", self.text)[:60]


def blocks() -> list[Block]:
    found = []
    for words, text in re.findall(r"^```(\S[^\n]*)\n(.*?)^```$", DOCUMENT, flags=re.MULTILINE | re.DOTALL):
        language, _, who = words.partition(" ")
        if language == "sh":
            found.append(Block(who, text))
    return found


RUN = [block for block in blocks() if block.who not in NOT_RUN]


def test_every_command_is_run_or_said_not_to_be() -> None:
    assert {block.who for block in blocks()} == {SERVICE, ADMIN, *NOT_RUN}
    for block in blocks():
        for line in block.text.splitlines():
            if line.startswith("docker "):
                assert block.who == "docker", line
    assert "never started under Docker" in DOCUMENT
    assert "**Not run:** everything marked `docker`" in DOCUMENT


def local(team: Stack, text: str) -> str:
    """The document's paths and ports on this machine."""
    folder = team.folder
    text = text.replace("/etc/borderline/secrets borderline", f"/etc/borderline/secrets {team.group}")
    text = text.replace("/etc/borderline/secrets", f"{folder}/secrets")  # those of the databases that run already
    text = text.replace("/etc/borderline", f"{folder}/etc").replace("/var/lib/borderline", f"{folder}/home")
    text = text.replace("/srv/images", f"{folder}/pictures").replace("/srv", str(folder / "tmp"))
    text = re.sub(r"(?:sudo .*\\\n)", "", text)  # who gives the commands is decided here
    return re.sub(r"\b(?:8501|4200|5432)\b", lambda port: team.ports[port[0]], text)


@pytest.fixture(scope="module")
def place(team: Stack) -> Stack:
    """What is in /etc/borderline and /srv/images."""
    (team.folder / "etc").mkdir()
    (team.folder / "etc" / "borderline.env").write_text(local(team, (ROOT / "deploy" / "borderline.env").read_text()))
    pictures = team.folder / "pictures"
    pictures.mkdir()
    for shade in range(20):
        Image.new("RGB", (32, 32), (12 * shade, 255 - 12 * shade, 128)).save(pictures / f"{shade:02}.png")
    return team


def run(team: Stack, block: Block) -> subprocess.CompletedProcess[str]:
    settings = f"set -o allexport; source {team.folder}/etc/borderline.env; set +o allexport\n"
    script = "set -euo pipefail\n" + (settings if block.who == SERVICE else "") + local(team, block.text)
    environment = {name: value for name, value in team.environment("postgres").items() if "PASSWORD" not in name}
    if block.who == ADMIN:
        environment |= team.administration
    prefix = team.prefix if block.who == SERVICE else []
    # `cp` to the folder of settings would lose what was adapted to this machine
    script = script.replace(
        f"cp deploy/borderline.env {team.folder}/etc/borderline.env", "test -s deploy/borderline.env"
    )
    command = [*prefix, "bash", "-c", script]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=600)


@pytest.mark.postgresql
@pytest.mark.alone
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("block", RUN, ids=lambda block: block.name)
def test_a_block_of_commands_does_what_it_says(place: Stack, block: Block) -> None:
    ended = run(place, block)
    assert ended.returncode == 0, f"{block.text}\n{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}"


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
        assert name.removesuffix("_FILE") in code or re.search(rf"^    {field}: ", code, flags=re.MULTILINE), name


COMPOSE_VARIABLES = set(re.findall(r"\$\{(BORDERLINE_\w+)", (ROOT / "docker-compose.yml").read_text()))


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
