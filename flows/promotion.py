"""Decides by the project's rule whether a newly trained model version becomes the one in use, and says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from db import errors, holdout, model_choices, model_versions, samples
from db.records import Measured, ModelVersion, PairedAnswer, Project, measured_on
from flows.learning import device_of, evaluate, load_version
from flows.outputs import live_positions
from flows.report import Reporter
from flows.store import Store
from pipeline.errors import FileDamaged

FEWEST_HOLDOUT = 30  # labeled holdout images below which two models are not told apart by them
_ROUNDING = 1e-9
_FIGURES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """Whether a version is the one in use now, and the same in words."""

    promoted: bool
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Duel:
    """Two versions on the same images.

    Attributes:
        new: Figure of the new one, in [0, 1].
        current: Figure of the one in use.
        images: On how many.
        source: 'validation' or 'holdout'.
    """

    new: float
    current: float
    images: int
    source: str


def settle(store: Store, project: Project, version: ModelVersion, reporter: Reporter) -> Promotion:
    """Make a version the one in use if the project's rule says so; run again it says the same.

    A version that was in use before and is not any more stays out: a person returned to another. An older version
    never takes over from a newer one by itself.

    Raises:
        FileDamaged: The file of one of the two is not the one that was written.
    """
    while True:
        current = model_versions.current(store.database, project.id)
        if current is not None and current.id == version.id:
            return Promotion(promoted=True, sentence=f"Model version {version.number} is in use.")
        if current is not None and _was_chosen(store, project, version):
            return Promotion(promoted=False, sentence=_stays(current, f"it was chosen after version {version.number}"))
        if current is not None and current.number > version.number:
            return Promotion(promoted=False, sentence=_stays(current, f"it is newer than version {version.number}"))
        decision = decide(store, project, version, current, reporter)
        if not decision.promoted:
            return decision
        over = None if current is None else current.id
        if _promote(store, project, version, decision.sentence, over):
            return decision  # else somebody chose another one meanwhile: compare with that


def _promote(store: Store, project: Project, version: ModelVersion, reason: str, over: int | None) -> bool:
    """Promote a version; a damaged file is the error that it is wherever flows read one."""
    try:
        return model_choices.promote(store.database, store.actor, project.id, version.id, reason, instead_of=over)
    except errors.FileDamaged as error:
        raise FileDamaged(str(error)) from error


def decide(
    store: Store, project: Project, new: ModelVersion, current: ModelVersion | None, reporter: Reporter
) -> Promotion:
    """Apply the rule to a new version and the one in use; changes nothing."""
    if current is None:
        return Promotion(promoted=True, sentence=f"Model version {new.number} is in use: it is the first.")
    if project.promote == "always":
        return Promotion(promoted=True, sentence=_taken(new, "the project always takes the newest"))
    if project.promote == "never":
        return Promotion(promoted=False, sentence=_stays(current, "this project changes its model by hand alone"))
    duel = measure(store, project, new, current, reporter)
    if duel is None:
        why = "there are no validation images, and too few labeled holdout images, to compare it on"
        return Promotion(promoted=True, sentence=_taken(new, why))
    figures = f"{_FIGURES[project.promote_by]} {duel.new:.1%} against {duel.current:.1%} of version {current.number}"
    told = f"{figures} on {duel.images:,} {duel.source} images{_margin(project)}"
    if passes(project, duel):
        return Promotion(promoted=True, sentence=_taken(new, told))
    what = "worse" if project.promote == "not_worse" else "not better"
    return Promotion(promoted=False, sentence=_stays(current, f"version {new.number} is {what}: {told}"))


def passes(project: Project, duel: Duel) -> bool:
    """Tell whether the new version's figure is enough by the rules 'not_worse' and 'better'."""
    ahead = duel.new - duel.current
    if project.promote == "better":
        return ahead > project.promote_margin + _ROUNDING
    return ahead >= -project.promote_margin - _ROUNDING


def measure(
    store: Store, project: Project, new: ModelVersion, current: ModelVersion, reporter: Reporter
) -> Duel | None:
    """Compare two versions on the validation split, else on labeled holdout images; None where neither can tell."""
    before = _on_validation(store, project, current, reporter)
    after = _on_validation(store, project, new, reporter)
    if before is not None and after is not None:
        figures = _figure(project, after), _figure(project, before)
        return Duel(new=figures[0], current=figures[1], images=after.total, source="validation")
    answers = holdout.pairs(store.database, store.actor, project.id, new.id, current.id)
    if len(answers) < FEWEST_HOLDOUT:
        return None
    shares = [_share(project, answers, which) for which in ("new_right", "old_right")]
    return Duel(new=shares[0], current=shares[1], images=len(answers), source="holdout")


def _on_validation(store: Store, project: Project, version: ModelVersion, reporter: Reporter) -> Measured | None:
    """Return a version's figures on today's validation images and classes, measured anew where either changed since."""
    images = len(samples.split_truth(store.database, project.id, "validation")[0])
    if not images:
        return None
    found = measured_on("validation", version.metrics)
    live = live_positions(project).tolist()
    if (
        found is not None
        and found.total == images
        and found.balanced_accuracy is not None
        and version.metrics.get("classes", live) == live
    ):
        return found
    device = device_of(store)
    model = load_version(store, version).to(device)
    return measured_on("validation", evaluate(store, project, model, device, reporter, ("validation",)))


def _figure(project: Project, found: Measured) -> float:
    if project.promote_by == "balanced_accuracy" and found.balanced_accuracy is not None:
        return found.balanced_accuracy
    return found.accuracy


def _share(project: Project, answers: Sequence[PairedAnswer], which: str) -> float:
    """Return the share of right answers, or its mean over the classes."""
    by_class: dict[int, list[bool]] = {}
    for answer in answers:
        by_class.setdefault(answer.position, []).append(getattr(answer, which))
    if project.promote_by == "balanced_accuracy":
        return sum(sum(right) / len(right) for right in by_class.values()) / len(by_class)
    return sum(map(sum, by_class.values())) / len(answers)


def _was_chosen(store: Store, project: Project, version: ModelVersion) -> bool:
    chosen = model_choices.choices(store.database, store.actor, project.id)
    return any(choice.model_version_id == version.id for choice in chosen)


def _taken(new: ModelVersion, why: str) -> str:
    return f"Model version {new.number}, trained on {new.labels_used:,} labels, is in use: {why}."


def _stays(current: ModelVersion, why: str) -> str:
    return f"Model version {current.number} stays in use: {why}."


def _margin(project: Project) -> str:
    return f", with a margin of {100 * project.promote_margin:g} points" if project.promote_margin else ""
