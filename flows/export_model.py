"""Hands a project's model to others: safetensors with a model card, torch.export and ONNX."""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from db import projects
from db.records import ModelVersion, Project
from db.space import require_disk
from flows.errors import UsageError
from flows.learning import load_version
from flows.predict import current_model
from flows.store import Store
from flows.words import recall_words
from pipeline.files import check_file

FORMATS = ("safetensors", "pt2", "onnx")

CARD = """# {project}: an image classifier

Trained by Borderline on {labels} labels{copies}; version {number} of its project.

| | |
|---|---|
| architecture | `{architecture}` |
| input | float32 `(B, {channels}, {size}, {size})`, pixels in [0, 1]; normalization is inside the model |
| images | scaled to fit inside {size} x {size} with their shape kept, padded with black |
| output | logits `(B, {count})`; softmax gives probabilities |
| classes, in order | {classes} |{merged}
| recipe | `{recipe}` |
| seed | {seed} |
| sha256 of the weights | `{sha256}` |

## How good it is
{figures}

These are figures of this very version on images it was never trained on, not the best of several.
"""


def export_model(store: Store, name: str, folder: Path, formats: tuple[str, ...] = FORMATS) -> list[Path]:
    """Write a project's current model in formats that others load.

    Args:
        store: The open store.
        name: The project.
        folder: Made when missing; files of the same name are replaced.
        formats: Out of ``safetensors``, ``pt2`` (torch.export) and ``onnx``.

    Returns:
        The files written: the model card and the classes come with any format.

    Raises:
        UsageError: Nothing is trained yet, or an unknown format.
        FileDamaged: The stored weights are not those that were written.
        NoSpace: The disk is nearly full.
    """
    unknown = [item for item in formats if item not in FORMATS]
    if unknown:
        raise UsageError(f"expected formats out of {', '.join(FORMATS)}, got {', '.join(unknown)}")
    project = projects.get_project(store.database, store.actor, name)
    version = current_model(store, project)
    require_disk(folder.absolute(), store.settings.free_space_floor, len(formats) * version.size)
    folder.mkdir(parents=True, exist_ok=True)
    model = load_version(store, version).eval()
    example = torch.zeros(2, project.channels, project.image_size, project.image_size)  # (B, C, S, S)
    names = project.output_names[: model.architecture.classes]
    written = [_write_card(folder, project, version, names), _write_classes(folder, names)]
    if "safetensors" in formats:
        check_file(store.path(version.path), version.sha256)
        written.append(Path(shutil.copyfile(store.path(version.path), folder / "model.safetensors")))
    if "pt2" in formats:
        written.append(_write_pt2(model, example, folder / "model.pt2"))
    if "onnx" in formats:
        written.append(_write_onnx(model, example, folder / "model.onnx"))
    return written


def _write_card(folder: Path, project: Project, version: ModelVersion, names: Sequence[str]) -> Path:
    path = folder / "README.md"
    copies = f" and {version.copies_used} adversarial copies" if version.copies_used else ""
    path.write_text(
        CARD.format(
            project=project.name,
            labels=version.labels_used,
            copies=copies,
            number=version.number,
            architecture=version.architecture,
            channels=project.channels,
            size=project.image_size,
            count=len(names),
            classes=", ".join(names),
            merged=_merged(project, len(names)),
            recipe=version.recipe,
            seed=version.seed,
            sha256=version.sha256,
            figures=_figures(project, version),
        ),
        encoding="utf-8",
    )
    return path


def _figures(project: Project, version: ModelVersion) -> str:
    from pipeline.statistics import wilson_interval

    lines = []
    for split in ("test",):  # the validation split chose the weights: a figure on it would flatter
        figure: dict[str, Any] | None = version.metrics.get(split)
        if figure:
            low, high = wilson_interval(figure["correct"], figure["total"])
            lines.append(f"- {split}: {figure['accuracy']:.1%} of {figure['total']:,} images [{low:.1%}, {high:.1%}]")
            lines += _by_class(project, figure)
    return "\n".join(lines) or "No labeled test split: see the project's holdout on its Progress page."


def _by_class(project: Project, figure: dict[str, Any]) -> list[str]:
    """Say how even the figure is over the classes; nothing for a version from before that was measured."""
    if "class_recall" not in figure:
        return []
    recall = {int(place): share for place, share in figure["class_recall"].items()}
    return [
        f"- balanced accuracy: {figure['balanced_accuracy']:.1%}, the mean over the classes",
        f"- found of each class, the worst first: {recall_words(project, recall, len(recall))}",
        f"- expected calibration error: {100 * figure['calibration_error']:.1f} points (15 bins of equal width)",
    ]


def _merged(project: Project, outputs: int) -> str:
    """Say of each output whose class is no longer in use what it means: a name may stand there twice."""
    lines = []
    for entry in project.retired:
        if entry.position < outputs:
            into = project.output_names[entry.position]
            what = "is no class any more" if entry.live_id is None else f"counts as {into}"
            lines.append(f"\n| output {entry.position} | was {entry.name}, {what} |")
    return "".join(lines)


def _write_classes(folder: Path, names: Sequence[str]) -> Path:
    path = folder / "classes.json"
    path.write_text(json.dumps(list(names), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return path


def _write_pt2(model: nn.Module, example: torch.Tensor, path: Path) -> Path:
    batch = torch.export.Dim("batch", min=1, max=65536)
    torch.export.save(torch.export.export(model, (example,), dynamic_shapes=({0: batch},)), path)
    return path


def _write_onnx(model: nn.Module, example: torch.Tensor, path: Path) -> Path:
    batch = torch.export.Dim("batch", min=1, max=65536)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnxscript's own deprecations
        torch.onnx.export(
            model,
            (example,),
            str(path),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: batch},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    return path
