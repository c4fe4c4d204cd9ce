"""Classes and probabilities for any images, by a project's current model: what the user came for."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from db import model_versions, projects
from db.exchange.cells import formula_safe
from db.records import ModelVersion, Project
from flows.errors import UsageError
from flows.learning import device_of, load_version
from flows.outputs import fold
from flows.report import Reporter
from flows.store import Store
from pipeline.data.decode import ImageSpec, decode_image
from pipeline.data.pool import ImagePool
from pipeline.data.sources import Source
from pipeline.errors import ImageRejected
from pipeline.training.inference import predict_logits

CHUNK = 512


@dataclass
class PredictReport:
    """How many images got a prediction, and which could not be read and why."""

    predicted: int = 0
    rejected: list[tuple[str, str]] = field(default_factory=list)


class RowWriter(Protocol):
    """Takes predictions chunk by chunk."""

    def write(self, names: list[str], probabilities: NDArray[np.float32]) -> None:
        """Write a chunk: names (B,), probabilities (B, L) of the classes in use."""


def current_model(store: Store, project: Project) -> ModelVersion:
    """Return the project's current model version.

    Raises:
        UsageError: Nothing is trained yet.
    """
    version = model_versions.current(store.database, project.id)
    if version is None:
        raise UsageError(
            f"expected a trained model in {project.name!r}, got none yet; "
            f"do: label some images, then borderline round {project.name}"
        )
    return version


def predict_source(store: Store, name: str, source: Source, writer: RowWriter, reporter: Reporter) -> PredictReport:
    """Predict every image of a source, a chunk at a time; a bad image is reported and never stops the rest."""
    project = projects.get_project(store.database, store.actor, name)
    if len(source) == 0:
        raise UsageError(f"expected images in {source.description}, got none; do: check the path")
    device = device_of(store)
    model = load_version(store, current_model(store, project)).to(device).eval()
    report = PredictReport()
    items = iter(source)
    spec = ImageSpec(image_size=project.image_size, channels=project.channels)
    while chunk := list(islice(items, CHUNK)):
        names, images = [], []
        for item in chunk:
            try:
                images.append(decode_image(item.load(), spec).pixels)
                names.append(item.name)
            except ImageRejected as error:
                report.rejected.append((item.name, error.reason))
        if names:
            writer.write(names, fold(project, _probabilities(model, np.stack(images), device)))
        report.predicted += len(names)
        reporter.progress(report.predicted + len(report.rejected), len(source), "predicting")
    return report


def _probabilities(model: nn.Module, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.float32]:
    pool = ImagePool.from_tensor(torch.from_numpy(images))
    _, logits = predict_logits(model, pool, device=device)  # (B, K)
    return torch.softmax(logits.double(), dim=1).float().numpy()


class CsvWriter:
    """Rows ``name, class, probability, p_<class>...`` as CSV; names cannot act as formulas in a spreadsheet."""

    def __init__(self, file: TextIO, classes: tuple[str, ...]) -> None:
        self._classes = classes
        self._rows = csv.writer(file)
        self._rows.writerow(["name", "class", "probability", *(formula_safe(f"p_{name}") for name in classes)])

    def write(self, names: list[str], probabilities: NDArray[np.float32]) -> None:
        """Write a chunk: names (B,), probabilities (B, L) of the classes in use."""
        for name, row in zip(names, probabilities, strict=True):
            best = int(row.argmax())
            figures = [f"{value:.6f}" for value in row]
            self._rows.writerow([formula_safe(name), formula_safe(self._classes[best]), figures[best], *figures])


class ParquetWriter:
    """The same columns as Parquet, one row group a chunk, names as they are."""

    def __init__(self, path: Path, classes: tuple[str, ...]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._classes = classes
        figures = [(f"p_{name}", pa.float32()) for name in classes]
        self._schema = pa.schema(
            [("name", pa.string()), ("class", pa.string()), ("probability", pa.float32()), *figures]
        )
        self._writer = pq.ParquetWriter(path, self._schema)

    def write(self, names: list[str], probabilities: NDArray[np.float32]) -> None:
        """Write a chunk: names (B,), probabilities (B, L) of the classes in use."""
        import pyarrow as pa

        best = probabilities.argmax(axis=1)  # (B,)
        columns: list[Any] = [names, [self._classes[place] for place in best], probabilities.max(axis=1)]
        columns += [probabilities[:, place] for place in range(len(self._classes))]
        self._writer.write_table(pa.table(columns, schema=self._schema))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


@contextmanager
def open_writer(out: Path, classes: tuple[str, ...]) -> Iterator[RowWriter]:
    """Open a CSV or Parquet file by its suffix; it appears under its name only when it is complete.

    Raises:
        UsageError: Another suffix, or a folder that is not there.
    """
    if out.suffix not in (".csv", ".parquet"):
        raise UsageError(f"expected a file that ends in .csv or .parquet, got {out.name!r}")
    if not out.parent.is_dir():
        raise UsageError(f"expected the folder {out.parent} to exist; do: make it first")
    partial = out.with_name(f".{out.name}.partial")
    try:
        if out.suffix == ".csv":
            with partial.open("w", newline="", encoding="utf-8") as file:
                yield CsvWriter(file, classes)
        else:
            writer = ParquetWriter(partial, classes)
            yield writer
            writer.close()
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
