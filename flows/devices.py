"""One training or ranking at a time on a GPU: a file lock named after the chip, not after the folder or its number.

Hosts may share a home folder, a host may have several GPUs, and ``cuda:0`` of two containers may be two chips or one.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from flows.distributed import launch_of
from flows.learning import device_of
from flows.locks import file_lock
from flows.report import Reporter
from flows.store import Store

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # the same in all containers of a machine, unlike its name


@contextmanager
def device_slot(store: Store, reporter: Reporter) -> Iterator[None]:
    """Hold the slots of the devices that the settings name; they are the kernel's, so a killed holder frees them."""
    device = device_of(store)
    count = launch_of(store.settings, device).devices if device.type == "cuda" else 1

    def waiting() -> None:
        reporter.progress(0, 0, "waiting for the device")

    with _held(store, [f"device-{name}" for name in slot_names(device, count)], waiting):
        yield


@contextmanager
def comparison_slot(store: Store, device: str, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the slot of comparisons on a GPU; there is none on a CPU, where processes share the cores.

    It is not the slot of trainings: a comparison takes hours, and the people's next round must not wait for it.

    Args:
        store: The open store.
        device: 'cpu', 'cuda' or 'cuda:1'.
        waiting: Called while another comparison has it; raises to stop.
    """
    names = slot_names(torch.device(device)) if device.startswith("cuda") else []
    with _held(store, [f"compare-{name}" for name in names], waiting):
        yield


def slot_names(device: torch.device, count: int = 1) -> list[str]:
    """Return what tells a device, and those that follow it, from all others of all hosts."""
    if device.type != "cuda":
        return [f"{device.type}-{_host()}"]
    first = device.index or 0
    return [_chip(index) for index in range(first, first + count)]


def _chip(index: int) -> str:
    uuid = getattr(torch.cuda.get_device_properties(index), "uuid", None)
    return f"gpu-{uuid}" if uuid else f"cuda{index}-{_host()}"


def _host() -> str:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return socket.gethostname()


@contextmanager
def _held(store: Store, names: Sequence[str], waiting: Callable[[], None]) -> Iterator[None]:
    with ExitStack() as held:
        for name in sorted(names):  # in one order, so that no two wait for each other
            held.enter_context(file_lock(store.settings.run_folder / f"{name}.lock", while_waiting=waiting))
        yield
