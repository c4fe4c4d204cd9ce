"""docker-compose.yml as a person's `docker compose` would read it: anchors merged, variables filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<how>:-|:\?)(?P<rest>[^}]*))?\})")


def load(variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read the file with these variables set and no others; mounts in their short form are written out."""
    compose: dict[str, Any] = _filled(yaml.safe_load(FILE.read_text()), variables or {})
    for service in compose["services"].values():
        service["volumes"] = [_long(mount) for mount in service["volumes"]]
    return compose


def _long(mount: dict[str, Any] | str) -> dict[str, Any]:
    """As Compose does: what begins as a path does is a folder of the machine, any other source a volume."""
    if isinstance(mount, dict):
        return mount
    source, target = mount.split(":")
    return {"type": "bind" if source.startswith(("/", ".", "~")) else "volume", "source": source, "target": target}


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, variables) for inner in value]
    return fill(value, variables) if isinstance(value, str) else value


def fill(text: str, variables: Mapping[str, str]) -> str:
    """Fill in ${NAME}, ${NAME:-default} and ${NAME:?message}; $$ is a dollar sign."""

    def one(found: re.Match[str]) -> str:
        if found["name"] is None:
            return "$"
        value = variables.get(found["name"], "")
        if not value and found["how"] == ":?":
            raise KeyError(found["rest"])
        return value or (found["rest"] or "")

    assert "${" not in VARIABLE.sub("", text), f"a variable that this reader does not know: {text}"
    return VARIABLE.sub(one, text)


def lasting(compose: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The services that run on, without the one-shots."""
    return {name: service for name, service in compose["services"].items() if service["restart"] != "no"}
