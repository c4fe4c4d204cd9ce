"""One attempt at images of rare classes: train a maker, make candidates, let the gate judge them; safe to run twice.

What is done is told by rows: a version with its candidates is one transaction, a decision another. A killed run finds
the rows, a checkpoint, or files of the same bytes, and goes on; so it ends as one that was never killed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from db import synthetic
from db.records import GeneratorVersion
from flows.augment_gate import decide, not_worth_making, said_of
from flows.augment_plan import GROWTH_JUDGES, GROWTH_TRAINS, Filling, grew
from flows.augment_version import new_version
from flows.augment_work import Judged, Work
from flows.devices import device_slot


def attempt(work: Work, fillings: Sequence[Filling]) -> list[Judged]:
    """Make images of some classes by one maker, or find that the last ones still serve; return what became of them."""
    store, targets = work.store, [filling.target for filling in fillings]
    key = work.key(targets[0])
    version = synthetic.find(store.database, store.actor, work.project.id, key)
    last = None if work.wish.anew or version is not None else _last(work, targets)
    if last is not None and _still_serves(work, last, targets):
        version = last
    if version is None or _undecided(work, version):
        with device_slot(store, work.reporter):
            if version is None:
                refused = not_worth_making(work, targets)
                if len(refused) == len(targets):
                    return [work.told(target, None, decision) for target, decision in refused.items()]
                again = last if last is not None and _can_make_more(work, last, targets) else None
                split = work if again is None else work.split_as(again.metrics["held_out"])
                version = new_version(split, key, fillings, refused, again)
            for target in _undecided(work, version):
                decide(work, version, target)
    work.checkpoint(key).unlink(missing_ok=True)
    said = said_of(work, version)
    return [work.told(target, version.number, said[target]) for target in targets if target in said]


def _last(work: Work, targets: Sequence[int]) -> GeneratorVersion | None:
    """Return the newest version of this kind; of translations, that of this class."""
    for group in synthetic.groups(work.store.database, work.store.actor, work.project.id):
        version = group.version
        if version.kind == work.wish.kind and (version.kind == "gan" or version.metrics["targets"] == list(targets)):
            return version
    return None


def _still_serves(work: Work, version: GeneratorVersion, targets: Sequence[int]) -> bool:
    """Whether a version was made for all of these classes, and labels grew but little since it was judged."""
    known = set(targets) <= set(version.metrics["targets"])
    return known and _fits(work, version) and not _grew(work, version.metrics["labels"], targets, GROWTH_JUDGES)


def _can_make_more(work: Work, version: GeneratorVersion, targets: Sequence[int]) -> bool:
    """Whether labels grew but little since a version's maker was trained."""
    return _fits(work, version) and not _grew(work, version.metrics["trained_on"], targets, GROWTH_TRAINS)


def _fits(work: Work, version: GeneratorVersion) -> bool:
    """Whether the classes, and where the gate measures, are those of a version."""
    known = version.metrics
    return known["classes"] == list(work.material.classes) and (known["held_out"] is not None) == work.material.aside


def _grew(work: Work, before: Mapping[str, int], targets: Sequence[int], share: float) -> bool:
    """Whether labels grew by a share, in all or of one of these classes."""
    now = work.material.labels
    return grew(sum(before.values()), sum(now.values()), share) or any(
        grew(before[str(target)], now[target], share) for target in targets
    )


def _undecided(work: Work, version: GeneratorVersion) -> list[int]:
    """Return the classes in use that a version was made for and the gate has not decided on."""
    said = said_of(work, version)
    return [target for target in version.metrics["targets"] if target in work.material.classes and target not in said]
