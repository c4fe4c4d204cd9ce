"""A project of handwritten digits that is ready to label: twenty known classes, one trained model, one ranked pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from db import projects, samples
from db import rounds as round_store
from db.errors import NotFound
from db.records import Project, ProjectSpec
from flows.ingest import IngestOptions, ingest_source
from flows.jobs import working
from flows.report import terminal_reporter
from flows.rounds import run_round
from flows.settings import Settings
from flows.store import Store, open_store
from pipeline.data.sources import Source, SourceItem, open_source, with_test_split

SEED_LABELS_PER_CLASS = 2
TEST_FRACTION = 0.25
GUIDELINES = """Which digit is it? These were written by hand and scanned at 8 x 8 pixels, so some are hard.

Press the key of the digit you see. Not sure? Press X. Space skips. U takes the last answer back.
"""


def prepare_demo(name: str, say: Callable[[str], None], settings: Settings | None = None) -> None:
    """Make the demo's project, unless it is there, and run its first round, so that the page opens on real queries.

    Args:
        name: Name of the project.
        say: Receives one line a step.
        settings: Where; None reads the environment.
    """
    with open_store(settings, system=True) as store:
        try:
            project = projects.get_project(store.database, store.actor, name)
            say(f"Project {name!r} is there already: going on with it.")
        except NotFound:
            say("Reading 1,797 handwritten digits (they come with scikit-learn) ...")
            project = _create(store, name)
        _read(store, project)
        if not round_store.history(store.database, store.actor, project.id):
            say("Training the first model on twenty labels and ranking the rest ...")
            with terminal_reporter(silent=False) as bar:
                outcome = run_round(store, project.id, bar)
            say(outcome.sentence)


def _create(store: Store, name: str) -> Project:
    spec = ProjectSpec(
        name=name,
        classes=tuple("0123456789"),
        image_size=16,  # twice the digits' own 8 pixels: a round takes seconds on two cores
        channels=1,
        model="convnet",
        strategy="dfal",
        cold_start="random_sampling",  # twenty labels are there: a model chooses from the first round on
        batch_size=10,
        guidelines=GUIDELINES,
    )
    return projects.create_project(store.database, store.actor, spec)


def _read(store: Store, project: Project) -> None:
    """Read the digits and use the classes of twenty; both add nothing when they are there."""
    if samples.counts(store.database, project.id).test:  # the last to be read: a reading that was killed goes on
        return
    source = with_test_split(open_source("digits"), TEST_FRACTION, seed=0)
    with terminal_reporter(silent=False) as bar, working(store, project.id, "ingest", bar) as job:
        ingest_source(
            store, project.id, FewOfEachClass(source, SEED_LABELS_PER_CLASS), IngestOptions(labels="use"), job
        )
        ingest_source(store, project.id, source, IngestOptions(labels="hide"), job)


class FewOfEachClass:
    """The first pool images of each class of a source: their classes are used as labels, all others are hidden."""

    def __init__(self, source: Source, count: int) -> None:
        self.classes = source.classes
        self.description = f"{count} of each class of {source.description}"
        self._items = list(_first_of_each(source, count))

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[SourceItem]:
        return iter(self._items)


def _first_of_each(source: Source, count: int) -> Iterator[SourceItem]:
    taken: Counter[str | None] = Counter()
    for item in source:
        if item.split == "pool" and taken[item.known_class] < count:
            taken[item.known_class] += 1
            yield item
