"""A device's slot belongs to one chip of one host, whoever shares the home folder; comparisons have their own."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from flows import devices
from flows.devices import comparison_slot, device_slot
from flows.report import SilentReporter
from flows.store import Store


class MustNotWait(SilentReporter):
    """Raises as soon as somebody waits."""

    def progress(self, done: int, total: int, text: str) -> None:
        raise BlockingIOError(text)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    chips = [SimpleNamespace(uuid="chip-a"), SimpleNamespace(uuid="chip-b")]
    monkeypatch.setattr(torch.cuda, "get_device_properties", chips.__getitem__)


def on(store: Store, device: str, count: str = "1") -> Store:
    return replace(store, settings=store.settings.model_copy(update={"device": device, "devices": count}))


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("first", "second", "waits"),
    [
        (("cuda:0", "1"), ("cuda:1", "1"), False),
        (("cuda:1", "1"), ("cuda:1", "1"), True),
        (("cuda", "1"), ("cuda:0", "1"), True),
        (("cuda", "auto"), ("cuda:1", "1"), True),
        (("cpu", "1"), ("cuda:0", "1"), False),
        (("cpu", "1"), ("cpu", "1"), True),
    ],
)
def test_a_slot_is_one_device(store: Store, first: tuple[str, str], second: tuple[str, str], waits: bool) -> None:
    refused = pytest.raises(BlockingIOError, match="waiting for the device") if waits else nullcontext()
    with device_slot(on(store, *first), MustNotWait()), refused, device_slot(on(store, *second), MustNotWait()):
        pass
    with device_slot(on(store, *second), MustNotWait()):  # it was given back
        pass


def test_hosts_that_share_a_home_have_their_own_slots(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with device_slot(store, MustNotWait()):
        (tmp_path / "boot").write_text("another machine\n")
        monkeypatch.setattr(devices, "BOOT_ID", tmp_path / "boot")
        with device_slot(store, MustNotWait()):
            pass


@pytest.mark.usefixtures("two_gpus")
def test_comparisons_take_turns_on_a_gpu_and_hold_up_no_round(store: Store) -> None:
    def must_not_wait() -> None:
        raise BlockingIOError

    with comparison_slot(store, "cuda:0", must_not_wait):
        with pytest.raises(BlockingIOError), comparison_slot(store, "cuda", must_not_wait):
            pytest.fail("two comparisons shared a GPU")
        with comparison_slot(store, "cuda:1", must_not_wait), device_slot(on(store, "cuda:0"), MustNotWait()):
            pass
    with comparison_slot(store, "cpu", must_not_wait), comparison_slot(store, "cpu", must_not_wait):
        pass  # processes share the cores
