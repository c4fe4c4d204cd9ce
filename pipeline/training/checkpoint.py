"""Where a killed training takes up again: weights, optimizer and counters in one file, written whole.

The file is safetensors followed by the SHA-256 of it all: safetensors itself does not see that a bit turned, and a
training that goes on from other weights ends as another model without anybody knowing.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

from pipeline.errors import TrainingError
from pipeline.files import atomic_write_bytes

_DIGEST_BYTES = hashlib.sha256().digest_size
_log = logging.getLogger(__name__)

State = dict[str, Any]


def write_checkpoint(
    path: Path, *, key: str, model: nn.Module, optimizer: Optimizer, kept: dict[str, Tensor], state: State
) -> None:
    """Write everything that the next step depends on.

    Args:
        path: Where; replaced atomically.
        key: What the run is (recipe, seed, images); a checkpoint of another run is never taken up.
        model: Its parameters and buffers.
        optimizer: Its moments.
        kept: The best weights so far by validation; empty without one.
        state: JSON-able counters.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"kept.{name}": value for name, value in kept.items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    record = {"key": key, "state": json.dumps(state)}
    data = save(plain, {"borderline": json.dumps(record, sort_keys=True)})
    atomic_write_bytes(path, data + hashlib.sha256(data).digest())


def checkpoint_bytes(path: Path | None) -> bytes | None:
    """Return what a checkpoint's file holds; None without one, or where it cannot be read, which the log says."""
    if path is None or not path.exists():
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        _log.warning("The checkpoint %s cannot be read (%s); training starts anew.", path, error)
        return None


def read_checkpoint(
    path: Path | None, *, key: str, model: nn.Module, optimizer: Optimizer
) -> tuple[State, dict[str, Tensor]] | None:
    """Take up from a checkpoint's file, if there is one: `checkpoint_bytes`, then `take_up`."""
    data = checkpoint_bytes(path)
    return None if data is None else take_up(data, path, key=key, model=model, optimizer=optimizer)


def take_up(
    data: bytes, path: Path | None, *, key: str, model: nn.Module, optimizer: Optimizer
) -> tuple[State, dict[str, Tensor]] | None:
    """Put a checkpoint's weights and moments in place, and return its counters and kept weights.

    Args:
        data: What `checkpoint_bytes` gave.
        path: Where it lies, for the log.
        key: What the run is.
        model: Gets the weights.
        optimizer: Gets the moments.

    Returns:
        None when it belongs to another run, or when it is damaged: then training starts anew, and the log says why.
    """
    try:
        data = _unsealed(data)
        tensors = load(data)
        record = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["borderline"])
    except (SafetensorError, ValueError, KeyError) as error:
        _log.warning("The checkpoint %s is damaged (%s); training starts anew.", path, error)
        return None
    if record["key"] != key:
        _log.info("The checkpoint %s belongs to another training; this one starts anew.", path)
        return None
    model.load_state_dict(_below("model.", tensors))
    optimizer.load_state_dict({"state": _moments(tensors), "param_groups": optimizer.state_dict()["param_groups"]})
    return json.loads(record["state"]), _below("kept.", tensors)


def _unsealed(sealed: bytes) -> bytes:
    data, digest = sealed[:-_DIGEST_BYTES], sealed[-_DIGEST_BYTES:]
    if hashlib.sha256(data).digest() != digest:
        raise ValueError("its bytes are not the ones that were written")
    return data


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a model's parameters and buffers."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def finite_or_raise(loss: float, step: int) -> float:
    """Return the loss.

    Raises:
        TrainingError: It is not a finite number.
    """
    if loss != loss or loss in (float("inf"), float("-inf")):
        raise TrainingError(
            f"expected a finite training loss, got {loss} before step {step}; lower the recipe's learning rate, "
            "and look for images or weights with NaN"
        )
    return loss


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _moments(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in _below("optimizer.", tensors).items():
        index, key = name.split(".", 1)
        moments.setdefault(int(index), {})[key] = value
    return moments
