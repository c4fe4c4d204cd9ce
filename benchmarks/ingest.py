"""How fast images get into a project: sources, decoding, shards and SQL, against reading and decoding alone.

Claims: 60,000 small images in about a minute on 2 cores; memory does not grow with the number of images.
"""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import arguments, report, timed
from db import projects
from db.records import ProjectSpec
from flows.ingest import IngestOptions, ingest_source
from flows.report import SilentReporter
from flows.settings import Settings
from flows.store import open_store
from pipeline.data.decode import ImageSpec, decode_image
from pipeline.data.sources import Source, open_source


class First:
    """The first images of a source."""

    def __init__(self, source: Source, count: int) -> None:
        self.classes = source.classes
        self.description = source.description
        self._source = source
        self._count = min(count, len(source))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Any:
        for _, item in zip(range(self._count), self._source, strict=False):
            yield item


def decode_only(source: Source, spec: ImageSpec) -> None:
    """Read and decode every image in one thread: what any ingest must at least do."""
    for item in source:
        decode_image(item.load(), spec)


def measure(name: str, source: Source, spec: ImageSpec, home: Path) -> dict[str, Any]:
    """Ingest a source into a new project on SQLite, twice, and compare with decoding alone."""
    decoding, _ = timed(lambda: decode_only(source, spec))
    with open_store(Settings(home=home), system=True) as store:
        classes = tuple(source.classes)
        project = projects.create_project(
            store.database,
            store.actor,
            ProjectSpec(name=name, classes=classes, image_size=spec.image_size, channels=spec.channels),
        )

        def ingest() -> Any:
            return ingest_source(store, project.id, source, IngestOptions(labels="hide"), SilentReporter())

        first, added = timed(ingest)
        again, _ = timed(ingest)
    return {
        "images": name,
        "count": len(source),
        "seconds": first,
        "images_per_second": len(source) / first,
        "again_seconds": again,
        "decoding_alone_one_thread": decoding,
        "ratio": first / decoding,
        "added": added.added,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Measure digits of MNIST and photos of clothing."""
    given = arguments(__doc__)
    mnist, photos = (6_000, 200) if given.quick else (70_000, 4_000)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        sets = [
            ("mnist", First(open_source(Path(given.data) / "mnist"), mnist), ImageSpec(image_size=28, channels=1)),
            ("clothing-small", First(open_source(Path(given.data) / "clothing-small"), photos), ImageSpec(64, 3)),
        ]
        for name, source, spec in sets:
            rows.append(measure(name, source, spec, Path(folder) / name))
    report("Ingest: files to shards and SQL (SQLite, synchronous=FULL)", rows, given)


if __name__ == "__main__":
    main()
