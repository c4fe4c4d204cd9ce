"""The compose file and the image by their rules: valid, no secret in them, nothing open, no more rights than needed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from labeler_ui.accounts import oidc
from tests.compose.composefile import FILE, ROOT, fill, lasting, load

COMPOSE = load()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LASTING = lasting(COMPOSE)
SCHEMA = Path(__file__).with_name("compose-spec.json")
DOCKERFILE = (ROOT / "Dockerfile").read_text()
TAG = re.compile(r"[a-z0-9./-]+:[a-z0-9]*\d+\.\d+[a-z0-9.-]*")  # at least two numbers: a line, not 'whatever is new'
TEMPORARY = {str(Path("/", "tmp"))}
each = pytest.mark.parametrize("name", sorted(SERVICES))


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines() if line.strip()]


def test_the_file_fits_the_compose_specification() -> None:
    text = SCHEMA.read_bytes()
    assert hashlib.sha256(text).hexdigest() in Path(SCHEMA.with_name("README.md")).read_text()
    validator = jsonschema.Draft202012Validator(json.loads(text))
    assert [error.message for error in validator.iter_errors(COMPOSE)] == []
    wrong = {**COMPOSE, "services": {"page": {**SERVICES["page"], "pids_limits": 3}}}
    assert list(validator.iter_errors(wrong))


def test_variables_are_filled_in_as_compose_does() -> None:
    assert fill("${A:-1}-${B:-2}-$${C}", {"A": "x"}) == "x-2-${C}"
    with pytest.raises(KeyError, match="set it"):
        fill("${A:?set it}", {})
    assert load({"BORDERLINE_PORT": "9000"})["services"]["page"]["ports"] == ["127.0.0.1:9000:8501"]


def test_the_services_are_those_of_a_team() -> None:
    assert set(SERVICES) == {"postgres", "migrate", "prefect", "worker", "worker-gpu", "page"}
    assert set(LASTING) == set(SERVICES) - {"migrate"}
    assert {name for name in SERVICES if "profiles" in SERVICES[name]} == {"worker-gpu"}
    (device,) = SERVICES["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert SERVICES["worker-gpu"]["environment"]["BORDERLINE_DEVICE"] == "cuda"
    assert SERVICES["worker"]["environment"]["BORDERLINE_DEVICE"] == "cpu"


def test_one_worker_takes_the_other_s_place_by_the_settings_alone() -> None:
    """A profile or a scale in a command would be forgotten by the next one: an upgrade's `up`."""
    assert SERVICES["worker"]["scale"] == "1"
    assert "scale" not in SERVICES["worker-gpu"]
    assert load({"BORDERLINE_CPU_WORKERS": "0"})["services"]["worker"]["scale"] == "0"
    page = (ROOT / "docs" / "operations.md").read_text()
    assert "COMPOSE_PROFILES=gpu\nBORDERLINE_CPU_WORKERS=0\n" in page
    assert "--profile" not in page


def test_a_worker_has_a_place_for_backups_that_it_may_write() -> None:
    """A new volume takes the owner of the image's folder; a folder of the machine is somebody's own choice."""
    place = {"type": "volume", "source": "backups", "target": "/srv/backups"}
    for name in ("worker", "worker-gpu"):
        assert place in SERVICES[name]["volumes"]
        assert SERVICES[name]["environment"]["BORDERLINE_BACKUP_FOLDER"] == place["target"]
    assert re.search(r"install --directory --owner=10001 .*--mode=0700 .*/srv/backups\b", DOCKERFILE)
    chosen = load({"BORDERLINE_BACKUPS": "/mnt/backups"})["services"]["worker"]["volumes"]
    assert {**place, "type": "bind", "source": "/mnt/backups"} in chosen


def test_a_login_provider_is_told_to_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = {f"{oidc.PREFIX}{name}": name for name in ("METADATA_URL", "CLIENT_ID", "ADMINS", "NAME")}
    service = load({"BORDERLINE_ACCOUNTS": "oidc", **told})["services"]["page"]
    assert service["environment"]["BORDERLINE_ACCOUNTS"] == "oidc"
    given = tmp_path / "oidc_client_secret"
    for name, value in (service["environment"] | {"BORDERLINE_HOME": str(tmp_path)}).items():
        monkeypatch.setenv(name, value.replace("/run/secrets", str(tmp_path)))
    for name in ("BORDERLINE_DATABASE_PASSWORD_FILE", "BORDERLINE_DATABASE_URL"):
        monkeypatch.delenv(name)
    given.write_text("")
    with pytest.raises(ValueError, match="got an empty file"):
        oidc.secrets()
    given.write_text("hush\n")
    auth = oidc.secrets()["auth"]
    assert (auth["client_id"], auth["client_secret"], auth["server_metadata_url"]) == (
        "CLIENT_ID", "hush", "METADATA_URL"
    )  # fmt: skip
    assert (oidc.administrators(), oidc.provider_name()) == (["ADMINS"], "NAME")


@each
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    user, group = map(int, service["user"].split(":"))
    assert user > 0
    assert group > 0
    assert (name == "postgres") == (user != 10001)
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["pids_limit"] > 0
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert {entry.partition(":")[0] for entry in service["tmpfs"]} - {"/var/run/postgresql"} == TEMPORARY
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices", "userns_mode"} & set(service)


def test_only_the_page_is_reached_and_only_from_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"page": ["127.0.0.1:8501:8501"]}
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name, service in SERVICES.items():
        outside = {"inside", "outside"} if name in {"page", "worker", "worker-gpu"} else {"inside"}
        assert set(service["networks"]) == outside, name


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    else:
        yield str(value)


def test_there_is_no_password_but_in_files() -> None:
    for name, service in SERVICES.items():
        environment = service["environment"]
        for key, value in environment.items():
            if re.search("password|secret|token|auth_string|api_key", key, re.IGNORECASE):
                assert key.endswith("_FILE"), f"{name}: {key}"
                assert value in {f"/run/secrets/{secret}" for secret in service["secrets"]}, f"{name}: {key}"
    assert not [text for text in strings(COMPOSE) if re.search(r"://[^/@]*:[^/@]*@", text)]
    assert "trust" not in FILE.read_text()
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert COMPOSE["secrets"] == {name: {"file": f"./secrets/{name}"} for name in used}
    assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_images_are_pinned_by_tag() -> None:
    images = [service["image"] for service in SERVICES.values()]
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    for image in {*images, *bases}:
        assert TAG.fullmatch(image), image
        assert "latest" not in image
        assert "sha256" not in image
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert set(images) == {"postgres:17.10-trixie", f"borderline:{version}"}


@pytest.mark.parametrize("name", sorted(LASTING))
def test_a_service_tells_whether_it_works(name: str) -> None:
    service = LASTING[name]
    assert service["restart"] == "unless-stopped"
    check = service["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)
    for other, wish in service.get("depends_on", {}).items():
        wanted = "service_completed_successfully" if other not in LASTING else "service_healthy"
        assert wish == {"condition": wanted}, f"{name} on {other}"


@each
def test_what_is_written_is_on_a_volume_and_images_are_only_read(name: str) -> None:
    mounts = SERVICES[name]["volumes"]
    for mount in mounts:
        if mount["type"] == "bind":
            assert mount["read_only"] is True
        else:
            assert mount["source"] in COMPOSE["volumes"]
            assert not mount.get("read_only")
    home = SERVICES[name]["environment"].get("BORDERLINE_HOME")
    assert name == "postgres" or home in {mount["target"] for mount in mounts}
    if name in {"page", "worker", "worker-gpu"}:
        assert SERVICES[name]["environment"]["BORDERLINE_INGEST_ROOT"] in {
            mount["target"] for mount in mounts if mount.get("read_only")
        }


def test_the_image_is_installed_from_hashes_and_does_not_run_as_root() -> None:
    words = instructions()
    last = max(place for place, (word, _) in enumerate(words) if word == "FROM")
    assert [rest for word, rest in words[last:] if word == "USER"] == ["10001:10001"]
    assert words[-1][0] == "CMD"
    runs = " && ".join(rest for word, rest in words if word == "RUN")
    installs = re.findall(r"pip install[^&]*", runs)
    assert len(installs) == 3
    for install in installs:
        locked = "--require-hashes" in install and install.split()[-1].endswith(".lock")
        assert locked or ("--no-index" in install and "--no-deps" in install), install
    assert not re.search(r"(?i)^(arg|env) .*(password|secret|token)", DOCKERFILE, re.MULTILINE)


def test_everything_the_image_copies_is_there_and_let_into_the_build() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")]
    sources = [source for group in copied for source in group]
    assert set(packages["packages"]) <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source in allowed
    stages = {rest.split()[-1] for word, rest in instructions() if word == "FROM"}
    assert set(re.findall(r"--from=(\w+)", DOCKERFILE)) <= stages


def locked(path: Path) -> dict[str, set[str]]:
    """Pins with their hashes."""
    found: dict[str, set[str]] = {}
    for block in re.split(r"\n(?=\S)", path.read_text().strip()):
        found.setdefault(block.split()[0], set()).update(re.findall(r"sha256:(\w{64})", block))
    return found


def test_the_images_packages_are_those_that_were_tested() -> None:
    """`make lock` writes both; the image's leaves out what only tests and developers need."""
    tested, installed = locked(ROOT / "requirements.lock"), locked(ROOT / "deploy" / "runtime.lock")
    assert set(installed) <= set(tested)
    for name, hashes in installed.items():
        assert hashes, name
        assert hashes <= tested[name], name
    names = {name.partition("==")[0] for name in installed}
    assert {"torch", "prefect", "psycopg", "streamlit", "s3fs", "ray"} <= names
    assert not names & {"pytest", "moto", "playwright", "mypy", "ruff"}
    assert all(locked(ROOT / "deploy" / "build.lock").values())


def test_secrets_are_made_once_and_closed(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"

    def make() -> dict[str, str]:
        subprocess.run([ROOT / "deploy" / "make_secrets.sh", folder, str(os.getgid())], check=True, capture_output=True)
        return {path.name: path.read_text() for path in folder.iterdir()}

    made = make()
    assert set(made) == set(COMPOSE["secrets"])
    assert made.pop("oidc_client_secret") == ""  # the provider's, not ours to make
    assert len(set(made.values())) == len(made)
    assert all(re.fullmatch(r"[0-9a-f]{64}\n", secret) for secret in made.values())
    assert not any(stat.S_IMODE(path.stat().st_mode) & 0o227 for path in folder.iterdir())
    assert not stat.S_IMODE(folder.stat().st_mode) & 0o027
    (folder / "database_password").unlink()
    (folder / "oidc_client_secret").chmod(0o600)
    (folder / "oidc_client_secret").write_text("the provider's\n")
    again = make()
    assert again.pop("oidc_client_secret") == "the provider's\n"
    assert again["database_password"] != made["database_password"]
    assert {**again, "database_password": ""} == {**made, "database_password": ""}


def test_secrets_can_be_reached_by_their_group_in_a_folder_that_was_not_there() -> None:
    """Root's umask is for the secrets alone; the settings beside them are read by the services, too."""
    if os.geteuid() != 0:
        pytest.skip("root alone can give files to a group and become another user")
    top = Path(tempfile.mkdtemp(prefix="bl-secrets-", dir="/tmp"))  # pytest's own folders are closed to other users
    try:
        top.chmod(0o755)
        script = [ROOT / "deploy" / "make_secrets.sh", top / "etc" / "borderline" / "secrets", "10001"]
        subprocess.run(["bash", "-c", 'umask 077; "$@"', "sh", *script], check=True, capture_output=True)
        file = top / "etc" / "borderline" / "secrets" / "database_password"
        for group, expected in ((10001, 0), (10002, 1)):
            who = ["setpriv", "--reuid=10001", f"--regid={group}", "--clear-groups"]
            read = subprocess.run([*who, "cat", file], capture_output=True, text=True)
            assert (read.returncode, read.stdout) == (expected, "" if expected else file.read_text()), read.stderr
    finally:
        shutil.rmtree(top)
