"""Saves and loads classifiers as safetensors: plain tensors and text, no code; the hash is checked before anything."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from pipeline.errors import FileDamaged, ModelError
from pipeline.files import FileRecord, atomic_write_bytes, check_file
from pipeline.models.base import Architecture, Classifier
from pipeline.models.registry import build_model, put_state

_KEY = "borderline"


def save_model(model: Classifier, path: Path, metadata: dict[str, str]) -> FileRecord:
    """Write a classifier's weights with what is needed to build it again.

    Args:
        model: A model of `build_model`.
        path: Where; replaced whole or not at all.
        metadata: Text kept beside the weights, such as the recipe's repr and the seed.

    Returns:
        The file's record; keep the sha256, `load_model` asks for it. The same weights and text give the same bytes.

    Raises:
        ModelError: The model was not made by `build_model`, so that it could not be built again.
    """
    architecture = getattr(model, "architecture", None)
    if not isinstance(architecture, Architecture):
        raise ModelError("expected a model of build_model, got one that could not be built again")
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
    record = {"architecture": architecture.to_json(), "metadata": metadata}
    return atomic_write_bytes(path, save(tensors, {_KEY: json.dumps(record, sort_keys=True)}))


def load_model(path: Path, sha256: str) -> tuple[Classifier, dict[str, str]]:
    """Load a classifier, on the CPU and in eval mode, with its text.

    Args:
        path: A file of `save_model`.
        sha256: The hash that was recorded when it was written. A model given by import path is imported, so trust the
            record that the hash comes from.

    Raises:
        FileDamaged: The file is missing, or is not the one that was recorded.
        ModelError: It is not a file of `save_model`.
    """
    check_file(path, sha256)
    data = path.read_bytes()
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        record = json.loads(header["__metadata__"][_KEY])
        architecture = Architecture(**json.loads(record["architecture"]))
        tensors = load(data)
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(f"expected a model file of Borderline at {path}, got another file: {error!r}") from error
    except SafetensorError as error:
        raise FileDamaged(f"expected whole weights at {path}, got: {error}") from error
    model = build_model(
        architecture.name,
        classes=architecture.classes,
        channels=architecture.channels,
        image_size=architecture.image_size,
        seed=0,
    )
    put_state(model, tensors, architecture.name)
    return model.eval(), dict(record["metadata"])
