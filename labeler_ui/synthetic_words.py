"""What the Synthetic page says: the gate's figures in plain words, who decided what, and what the images changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from db.records import GeneratorVersion, SyntheticEvent, SyntheticGroup, SyntheticSample

NOT_PHOTOS = (
    "Made by a generator, not photos. They can train the model; nobody is asked to label them, and nothing is measured "
    "on them."
)
KINDS = {"gan": "GAN", "translation": "translated from a common class", "custom": "own generator"}
STATES = {"candidate": "not decided", "accepted": "accepted", "rejected": "rejected"}
FIGURES: Mapping[str, tuple[str, bool]] = {  # what a check is called here, and whether it is a share
    "real_images": ("Real images to learn from", False),
    "held_out_images": ("Real images held out to measure on", False),
    "made_images": ("Generated images", False),
    "made_per_real": ("Generated images for each real one", False),
    "class_recall": ("Recognized already without them", True),
    "label_agreement": ("Recognized as this class (label agreement)", True),
    "precision": ("Look like real ones (precision)", True),
    "recall": ("Variety of the real ones that they span (recall)", True),
    "density": ("Lie where real ones lie (density)", True),
    "coverage": ("Real ones that have one nearby (coverage)", True),
    "nearest_neighbor_ratio": ("Distance to the nearest real one (1: as new photos)", False),
    "copied_share": ("Copies of real images", True),
    "pair_ratio": ("Differ from each other (as real ones do: 1)", False),
    "fid": ("Fréchet distance (FID, own features)", False),
    "kid": ("Kernel distance (KID, own features)", False),
}


def figure_row(check: Mapping[str, Any]) -> dict[str, str]:
    """Return a check as a row of the table.

    >>> figure_row({"name": "coverage", "value": 0.9, "reference": 0.95, "low": 0.7, "high": None, "passed": True})
    {'What': 'Real ones that have one nearby (coverage)', 'Generated': '90 %', 'Real ones': '95 %', 'Needed': \
'at least 70 %', 'Result': 'passes'}
    """
    name, share = FIGURES.get(str(check["name"]), (str(check["name"]).replace("_", " "), False))
    low, high = check.get("low"), check.get("high")
    bounds = [f"at least {_number(low, share)}"] if low is not None else []
    bounds += [f"at most {_number(high, share)}"] if high is not None else []
    return {
        "What": name,
        "Generated": _number(check["value"], share),
        "Real ones": _number(check.get("reference"), share),
        "Needed": ", ".join(bounds) or "–",
        "Result": ("passes" if check.get("passed", True) else "refuses") if bounds else "told only",
    }


def _number(value: float | None, share: bool) -> str:
    if value is None:
        return "–"
    if share:
        return f"{100 * value:.0f} %"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.3g}"


def version_words(version: GeneratorVersion) -> str:
    """Name a version: number, kind, and the round it was made in."""
    where = "" if version.round_number is None else f", round {version.round_number}"
    return f"Version {version.number}{where} ({KINDS.get(version.kind, version.kind)})"


def learned_words(version: GeneratorVersion) -> str:
    """Say what the generator learned from."""
    pool = f" and {version.pool_count:,} unlabeled images" if version.pool_count else ""
    return f"The generator learned from {version.labels_used:,} labels{pool}."


def counts_words(group: SyntheticGroup) -> str:
    """Say how many images there are of each state."""
    total = group.candidate + group.accepted + group.rejected
    if not total:
        return "No image of this class was made."
    parts = [
        f"{count:,} {STATES[state]}"
        for state in ("accepted", "rejected", "candidate")
        if (count := getattr(group, state))
    ]
    return f"{total:,} {'image' if total == 1 else 'images'}: {', '.join(parts)}."


def verdict_words(group: SyntheticGroup) -> str:
    """Say what the gate decided, in a few words; its reason is a sentence of its own."""
    if group.decision is None:
        return "The gate has not looked at these yet"
    return "The gate lets these in" if group.decision.verdict == "accepted" else "The gate keeps these out"


def event_words(event: SyntheticEvent) -> str:
    """Say who decided what.

    >>> from types import SimpleNamespace
    >>> event_words(SimpleNamespace(decided_by="class review", verdict="accepted", user="Ada", against_gate=True,
    ...                             changed=4, sample_ids=None))
    'Ada accepted all of them, against the gate (4 images changed)'
    """
    changed = f"({event.changed:,} {'image' if event.changed == 1 else 'images'} changed)"
    if event.decided_by == "gate":
        return f"The gate {'let them in' if event.verdict == 'accepted' else 'kept them out'} {changed}"
    if event.decided_by == "class removed":
        return f"{event.user} removed the class {changed}"
    ids = event.sample_ids
    what = "all of them" if ids is None else f"{len(ids):,} {'image' if len(ids) == 1 else 'images'}"
    return f"{event.user} {event.verdict} {what}{', against the gate' if event.against_gate else ''} {changed}"


def image_words(image: SyntheticSample) -> str:
    """Say who decided on one image, for its tile."""
    if image.decided_by in (None, "class removed"):
        return STATES[image.state]
    who = "by the gate" if image.decided_by == "gate" else f"by {image.decider}"
    return f"{STATES[image.state]} {who}{', against the gate' if image.against_gate else ''}"


def paired_words(test: Mapping[str, Any] | None) -> str:
    """Say what the paired test showed."""
    if test is None:
        return "No paired test was made: a check refused before it."
    points = 100 * float(test["difference"])
    return (
        f"Trained {test['seeds']} times with and {test['seeds']} times without these images, the share of real images "
        f"of this class that the model recognizes went from {100 * test['recall_without']:.0f} % to "
        f"{100 * test['recall_with']:.0f} %: {points:+.1f} points, give or take {100 * test['standard_error']:.1f} "
        f"(one standard error). Balanced accuracy changed by {100 * test['balanced_difference']:+.1f} points."
    )
