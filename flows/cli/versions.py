"""``borderline models NAME``: the trained versions of a project, which one is in use and why, and the way back."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from flows.cli.console import as_json, say, store, table

if TYPE_CHECKING:
    from db.records import ModelChoice, VersionSummary


def list_versions(name: str, json: bool) -> None:
    """Print the versions of a project, newest first, then the last choices."""
    from db import model_choices, projects

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        found = model_choices.versions(opened.database, opened.actor, project.id)
        chosen = model_choices.choices(opened.database, opened.actor, project.id)
    if json:
        say(as_json({"versions": found, "choices": chosen}))
    elif not found:
        say(f"No model is trained yet. Do: label some images, then borderline round {name}")
    else:
        columns = ("version", "in use", "made", "labels", "accuracy", "balanced", "last chosen because")
        table(f"Model versions of {name}", columns, [_row(item) for item in found])
        for choice in chosen[:5]:
            say(_sentence(choice))


def use_version(name: str, number: int, reason: str, json: bool) -> None:
    """Make a version the one that predict and export-model use; its file is checked first."""
    from db import model_choices, model_versions, projects
    from flows.errors import UsageError

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        every = {item.number: item for item in model_versions.list_versions(opened.database, opened.actor, project.id)}
        if number not in every:
            known = ", ".join(map(str, sorted(every))) or "none yet"
            raise UsageError(f"expected a version of {name!r} ({known}), got {number}; do: borderline models {name}")
        version = model_choices.choose(opened.database, opened.actor, project.id, every[number].id, reason)
    if json:
        say(as_json(version))
        return
    say(f"Version {version.number} of {name} is in use.")
    if project.promote != "never":
        say("The next trained model is compared with it by the project's rule; --promote never keeps it for good.")


def _row(item: VersionSummary) -> tuple[object, ...]:
    from flows.words import share_words

    found, version = item.measured, item.version
    balanced = "-" if found is None or found.balanced_accuracy is None else f"{found.balanced_accuracy:.1%}"
    why = "-" if item.choice is None else item.choice.reason
    in_use = "yes" if version.current else ""
    return version.number, in_use, _when(version.created_at), version.labels_used, share_words(found), balanced, why


def _sentence(choice: ModelChoice) -> str:
    return f"{_when(choice.at)}  version {choice.number}, by {choice.by}: {choice.reason}"


def _when(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000).strftime("%Y-%m-%d %H:%M")
