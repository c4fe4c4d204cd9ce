"""Images whose classes are all known, as simulations and comparisons read them: with a test split, classes hidden."""

from __future__ import annotations

from pathlib import Path

from db.records import Project
from flows.errors import UsageError
from flows.ingest import IngestOptions, ingest_source
from flows.jobs import working
from flows.report import Reporter
from flows.store import Store
from pipeline.data.sources import Source, open_source, with_test_split

TEST_FRACTION = 0.2
SPLIT_SEED = 0
_MOST_SIDE = 64


def open_known(dataset: str, data_dir: Path | None) -> Source:
    """Open a data set with a test split: its own, or a fifth of each class drawn by the images' names.

    Raises:
        UsageError: It has no classes.
        DataError: It cannot be read.
    """
    source = open_source(dataset, data_dir=data_dir)
    if len(source.classes) < 2:
        raise UsageError(
            "expected images with known classes (class folders, IDX labels, a list with labels), "
            f"got {source.description}"
        )
    return with_test_split(source, TEST_FRACTION, SPLIT_SEED)


def pool_size(source: Source) -> int:
    """Return how many images of a source can be asked."""
    return sum(item.split not in ("test", "validation") for item in source)


def read_known(store: Store, project: Project, source: Source, reporter: Reporter) -> None:
    """Take the images of a source into a project, their classes kept for the simulated annotator alone."""
    with working(store, project.id, "ingest", reporter) as job:
        ingest_source(store, project.id, source, IngestOptions(labels="hide"), job)


def image_shape(source: Source, most: int = _MOST_SIDE) -> tuple[int, int]:
    """Return the side and the channels that suit a source, by its first readable image: (S, C)."""
    from pipeline.data.decode import ImageSpec, decode_image
    from pipeline.errors import ImageRejected

    for item in source:
        try:
            decoded = decode_image(item.load(), ImageSpec(image_size=16, channels=3))
        except ImageRejected:
            continue
        gray = bool((decoded.pixels[0] == decoded.pixels[1]).all() and (decoded.pixels[1] == decoded.pixels[2]).all())
        side = min(max(decoded.width, decoded.height), most)
        return max(side, 28), 1 if gray else 3
    raise UsageError(f"expected at least one readable image, got none in {source.description}")
