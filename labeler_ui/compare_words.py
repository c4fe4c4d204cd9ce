"""What the Compare page says: states, progress, failures, settings and the command that repeats a comparison."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from db.records.comparisons import Comparison, ComparisonRun
from labeler_ui.words import duration

STATES = {"running": "running", "stopped": "stopped", "done": "done", "failed": "failed"}
ICONS = {
    "running": ":material/model_training:",
    "stopped": ":material/pause_circle:",
    "done": ":material/check_circle:",
    "failed": ":material/error:",
}
LONG_SECONDS = 3600
MOST_NAMED = 4

_SETTINGS = (
    ("dataset", "Data"),
    ("strategies", "Strategies"),
    ("model", "Model that asks"),
    ("transfer", "Transfer"),
    ("labels", "Labels to reach"),
    ("seed_labels", "Labels of the first round"),
    ("batch", "Labels a round"),
    ("seeds", "Seeds"),
    ("protocol", "Protocol"),
    ("recipe", "Recipe"),
    ("cold_start", "First labels drawn by"),
    ("imbalance", "Imbalance"),
    ("augment", "For rare classes"),
    ("copy_rounds", "Rounds that a copy trains for"),
)
_OPTIONS = ("strategies", "model", "labels", "batch", "seed_labels", "seeds", "protocol", "recipe",
            "cold_start", "imbalance", "augment", "copy_rounds", "transfer", "image_size", "channels")  # fmt: skip
_USUAL = {"protocol": "fair", "recipe": "tuned", "cold_start": "random_sampling", "copy_rounds": 3}


def pick_words(comparison: Comparison) -> str:
    """Return how a comparison is called in the list to choose from."""
    share = 100 * comparison.points_done / max(1, comparison.points_wanted)
    state = f"{share:.0f} % done" if comparison.state in ("running", "stopped") else STATES[comparison.state]
    return f"{comparison.name} · {state}"


def state_words(comparison: Comparison) -> str:
    """Return in one sentence where a comparison stands."""
    done, wanted = comparison.points_done, comparison.points_wanted
    if comparison.state == "done":
        return f"Done: {_count(done, 'model')} trained and measured."
    if comparison.state == "stopped":
        return f"Stopped after {done:,} of {wanted:,} models. Nothing is lost; it goes on from there."
    if comparison.state == "failed":
        return f"Ended with a failure after {done:,} of {wanted:,} models. What is done counts."
    return f"Running: {done:,} of {wanted:,} models trained and measured."


def time_left(done: int, wanted: int, done_before: int, seconds: float) -> str:
    """Return how long it will take yet, from what was done in the last `seconds`; '' while nobody can tell.

    Args:
        done: Points made so far.
        wanted: Points there will be.
        done_before: Points there were `seconds` ago.
        seconds: How long this was watched.
    """
    made = done - done_before
    if made < 1 or seconds <= 0 or done >= wanted:
        return ""
    return f"about {span((wanted - done) * seconds / made)} left"


def span(seconds: float) -> str:
    """Return a length of time as people say it.

    >>> span(0.42), span(50), span(130), span(7_300)
    ('0.4 s', '50 s', '3 min', '2 h 2 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < LONG_SECONDS:
        return duration(round(1000 * seconds))
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def at_work(runs: Sequence[ComparisonRun]) -> str:
    """Return which runs are at work now, a few of them by name; '' when none is."""
    busy = [run for run in runs if run.state == "running"]
    if not busy:
        return ""
    seeds: dict[str, list[int]] = {}
    for run in busy:
        seeds.setdefault(run.arm, []).append(run.seed)
    named = [f"{arm} ({_seeds(found)})" for arm, found in list(seeds.items())[:MOST_NAMED]]
    more = f" and {len(seeds) - MOST_NAMED} more" if len(seeds) > MOST_NAMED else ""
    return "At work: " + ", ".join(named) + more


def _seeds(seeds: Sequence[int]) -> str:
    return ("seed " if len(seeds) == 1 else "seeds ") + ", ".join(map(str, sorted(seeds)))


def failures(runs: Sequence[ComparisonRun]) -> list[str]:
    """Return one sentence for each reason that runs failed for, with the runs it hit."""
    hit: dict[str, list[ComparisonRun]] = {}
    for run in runs:
        if run.state == "failed":
            hit.setdefault(_reason(run.note), []).append(run)
    return [f"{_named(found)} failed: {reason}" for reason, found in hit.items()]


def _reason(note: str) -> str:
    first = next(iter(note.strip().splitlines()), "") or "no reason was kept"
    return first if first.endswith((".", "!", "?")) else first + "."


def _named(runs: Sequence[ComparisonRun]) -> str:
    names = [f"{run.arm} (seed {run.seed})" for run in runs[:MOST_NAMED]]
    more = f" and {len(runs) - MOST_NAMED} more" if len(runs) > MOST_NAMED else ""
    return ", ".join(names) + more


def run_table(runs: Sequence[ComparisonRun], wanted: int) -> list[dict[str, str | int]]:
    """Return one row an arm: its seeds by state, and its points.

    Args:
        runs: All runs of a comparison.
        wanted: Points that the whole comparison wants.
    """
    arms: dict[str, list[ComparisonRun]] = {}
    for run in runs:
        arms.setdefault(run.arm, []).append(run)
    each = wanted // max(1, len(runs))
    return [
        {
            "Strategy": arm,
            "Models": f"{sum(len(run.points) for run in found):,} of {each * len(found):,}",
            **{label: _states(found)[state] for label, state in _COLUMNS},
        }
        for arm, found in arms.items()
    ]


_COLUMNS = (("Seeds done", "done"), ("At work", "running"), ("Waiting", "waiting"), ("Failed", "failed"))


def _states(runs: Sequence[ComparisonRun]) -> Counter[str]:
    return Counter(run.state for run in runs)


def settings_table(settings: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what was compared and how, one row a setting; unknown ones come last under their own names."""
    known = dict(_SETTINGS)
    names = [name for name in known if name in settings] + sorted(set(settings) - set(known))
    return [{"Setting": known.get(name, name), "Value": value_words(settings[name])} for name in names]


def value_words(value: Any) -> str:
    """Return a stored value for people.

    >>> value_words([0, 1, 2, 3]), value_words(None), value_words(True), value_words(["lenet5", "vgg8"])
    ('0 to 3', '–', 'yes', 'lenet5, vgg8')
    """
    if value is None or value in ("", []):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        numbers = all(isinstance(item, int) and not isinstance(item, bool) for item in value)
        if numbers and len(value) > 2 and list(value) == list(range(value[0], value[0] + len(value))):
            return f"{value[0]} to {value[-1]}"
        return ", ".join(map(value_words, value))
    if isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True)
    return f"{value:g}" if isinstance(value, float) else str(value)


def command(settings: Mapping[str, Any], about: Mapping[str, Any] | None = None) -> str:
    """Return what to type to repeat (or go on with) a comparison; the one that was typed where it was kept."""
    typed = (about or {}).get("command")
    if isinstance(typed, str) and typed:
        return typed
    words = ["borderline", "compare", "--dataset", str(settings.get("dataset", "DATASET"))]
    for name in _OPTIONS:
        value = settings.get(name)
        if name == "seeds" and value:
            words += _seed_options(value)
        elif value is not None and value != _USUAL.get(name):
            words += ["--" + name.replace("_", "-"), _option(name, value)]
    return shlex.join(words)


def _seed_options(seeds: Sequence[int]) -> list[str]:
    start = min(seeds)
    return ["--seeds", str(len(seeds)), *(["--seed-start", str(start)] if start else [])]


def labels_on_tuning(comparison: Comparison) -> int | None:
    """Return how many labels went into tuning the recipe; None if none was tuned."""
    tuning = comparison.about.get("tuning")
    spent = tuning.get("labels_spent") if isinstance(tuning, Mapping) else None
    return spent if isinstance(spent, int) and comparison.settings.get("recipe") == "tuned" else None


def _option(name: str, value: Any) -> str:
    if name == "transfer" and isinstance(value, (list, tuple)):
        return ":".join(map(str, value))
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value_words(value)


def file_name(name: str, ending: str) -> str:
    """Return a name for a download that every system takes.

    >>> file_name("MNIST: dfal, margin/bald", "csv")
    'mnist-dfal-margin-bald.csv'
    """
    return (re.sub(r"[^\w.]+", "-", name.lower()).strip("-.")[:80] or "comparison") + "." + ending


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
