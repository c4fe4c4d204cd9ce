"""Saves and loads translations as safetensors: plain tensors and text, no code; the hash is checked before anything.

The file holds the ids of the common images and a hash of their pixels, not the images: those are in the pool, and
whoever loads gives them back. A notebook, which has no pool, can have them kept in the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from pipeline.augmentation.drawing import pick, pixels_sha256
from pipeline.augmentation.translation.maker import TranslationMaker
from pipeline.augmentation.translation.networks import Translator
from pipeline.errors import DataError, FileDamaged, ModelError
from pipeline.files import FileRecord, atomic_write_bytes, check_file
from pipeline.training.labeled import LabeledImages

_KEY = "borderline"
_KIND = "translation"


def save_maker(
    maker: TranslationMaker, path: Path, metadata: dict[str, str], *, keep_images: bool = False
) -> FileRecord:
    """Write a translation with what is needed to build it again.

    Args:
        maker: A maker of `train_translation`.
        path: Where; replaced whole or not at all.
        metadata: Text kept beside the weights, such as the recipe's repr and the seed.
        keep_images: Whether the common images are written too, and not only their ids.

    Returns:
        The file's record; keep the sha256, `load_maker` asks for it. The same maker and text give the same bytes.
    """
    tensors = {f"translator.{name}": value for name, value in maker.translator.state_dict().items()}
    tensors["common.ids"] = maker.common.ids
    if keep_images:
        tensors["common.images"] = maker.common.images
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    record = {
        "kind": _KIND, "source": maker.source, "target": maker.target, "pixels": pixels_sha256(maker.common),
        "network": maker.translator.sizes, "metadata": metadata,
    }  # fmt: skip
    return atomic_write_bytes(path, save(plain, {_KEY: json.dumps(record, sort_keys=True)}))


def load_maker(path: Path, sha256: str, common: LabeledImages | None = None) -> tuple[TranslationMaker, dict[str, str]]:
    """Load a translation, on the CPU and in eval mode, with its text.

    Args:
        path: A file of `save_maker`.
        sha256: The hash that was recorded when it was written.
        common: The common images, found by their ids; more than were drawn from do not matter. Not needed where the
            file keeps them.

    Raises:
        FileDamaged: The file is missing, or is not the one that was recorded.
        ModelError: It is not a file of `save_maker`.
        DataError: The common images are missing, or are not those it was saved with.
    """
    check_file(path, sha256)
    record, tensors = _read(path.read_bytes(), path)
    translator = Translator(**record["network"])
    translator.load_state_dict(
        {name.removeprefix("translator."): value for name, value in tensors.items() if name.startswith("translator.")}
    )
    maker = TranslationMaker(
        translator=translator.eval(),
        source=record["source"],
        target=record["target"],
        common=_common(record, tensors, common),
    )
    return maker, dict(record["metadata"])


def ids_of(path: Path, sha256: str) -> Tensor:
    """Return the ids int64 (N,) of the common images that `load_maker` will ask for.

    Raises:
        FileDamaged: The file is missing, or is not the one that was recorded.
        ModelError: It is not a file of `save_maker`.
    """
    check_file(path, sha256)
    return _read(path.read_bytes(), path)[1]["common.ids"]


def _read(data: bytes, path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        record = json.loads(header["__metadata__"][_KEY])
        tensors = load(data)
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(f"expected a translation of Borderline at {path}, got another file: {error!r}") from error
    except SafetensorError as error:
        raise FileDamaged(f"expected whole weights at {path}, got: {error}") from error
    if record.get("kind") != _KIND:
        raise ModelError(f"expected a translation of Borderline at {path}, got {record.get('kind', 'a classifier')}")
    return record, tensors


def _common(record: dict[str, Any], tensors: dict[str, Tensor], given: LabeledImages | None) -> LabeledImages:
    ids = tensors["common.ids"]
    if "common.images" in tensors:
        found = LabeledImages(tensors["common.images"], torch.full_like(ids, record["source"]), ids)
    elif given is not None:
        found = pick(given, ids)
    else:
        raise DataError(f"expected the {len(ids)} common images, got none; give them, see ids_of, or save with images")
    if pixels_sha256(found) != record["pixels"]:
        raise DataError("expected the common images as they were, got other pixels under their ids; train anew")
    return found
