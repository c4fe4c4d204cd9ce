"""The doctor's look at the machine: disks, the versions of what Borderline stands on, and the GPU."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from flows.doctor import Finding, finding
from flows.doctor_files import disk
from flows.settings import Settings

_DRIVER = Path("/proc/driver/nvidia/version")


def examine(settings: Settings, *, deep: bool) -> Iterator[Finding]:
    """Yield the findings; `deep` imports torch, which takes seconds."""
    yield from disk(settings)
    yield from versions(requires("borderline") if _installed("borderline") else None)
    yield from gpu(deep)


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def versions(wanted: list[str] | None) -> Iterator[Finding]:
    """Yield what is installed in another version than Borderline was tested with.

    Args:
        wanted: Requirements as Borderline's own metadata state them; None where it is not installed.
    """
    if wanted is None:
        yield finding("versions", "Borderline runs from a folder", "warn", "install it, to have its versions checked")
        return
    needs = [Requirement(line) for line in wanted]
    needs = [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    bad = 0
    for need in needs:
        have = version(need.name) if _installed(need.name) else None
        if have is None or not need.specifier.contains(have, prereleases=True):
            bad += 1
            said = f"{need.name} {have or 'is missing'}, tested with {need.specifier or 'any'}"
            yield finding("versions", said, "problem", f'pip install "{need.name}{need.specifier}"')
    if not bad:
        shown = ", ".join(f"{name} {version(name)}" for name in ("torch", "prefect", "sqlalchemy", "streamlit"))
        yield finding("versions", f"all {len(needs)} fit: {shown}")


def gpu(deep: bool) -> Iterator[Finding]:
    """Yield what is known of a GPU; without `deep` nothing that is slow to import is asked."""
    driver = _DRIVER.read_text().splitlines()[0] if _DRIVER.is_file() else ""
    faiss = "FAISS is there" if find_spec("faiss") else "FAISS is missing: no neighbors are shown"
    if not driver:
        yield finding("GPU", f"no NVIDIA driver; work runs on the CPU; {faiss}")
        return
    if not deep:
        yield finding("GPU", f"{driver}; {faiss} (--deep asks torch)")
        return
    import torch

    if torch.cuda.is_available():
        yield finding("GPU", f"{torch.cuda.get_device_name()}, torch {torch.__version__}; {faiss}")
    else:
        yield finding("GPU", f"{driver}, but torch sees none", "warn", "install a torch that fits the driver")
