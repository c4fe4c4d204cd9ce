"""``borderline project classes``: look at a project's classes and change them, with their labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli.console import as_json, say, store, table
from flows.cli.options import Json, Name

if TYPE_CHECKING:
    from db.records import ClassRecord, ClassUsage, Project
    from flows.store import Store

Action = Literal["list", "add", "rename", "key", "merge", "remove"]
FORMS = {
    "list": (0, ""),
    "add": (1, "CLASS"),
    "rename": (2, "CLASS NEW-NAME"),
    "key": (2, "CLASS KEY"),
    "merge": (2, "CLASS INTO-CLASS"),
    "remove": (1, "CLASS [--merge-into CLASS | --ask-again]"),
}


def register_classes(group: typer.Typer) -> None:
    """Add the command."""
    group.command("classes")(classes_command)


def classes_command(
    name: Name,
    action: Annotated[Action, typer.Argument(help="What to do.")] = "list",
    words: Annotated[list[str] | None, typer.Argument(help="A class, and its new name or the other class.")] = None,
    merge_into: Annotated[str | None, typer.Option(help="With remove: the class that takes its labels.")] = None,
    ask_again: Annotated[bool, typer.Option("--ask-again", help="With remove: drop its labels, ask anew.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """List the classes of a project, or add, rename, merge and remove them.

    A class that has labels is merged or removed only after a question; there is no way back.

    Examples:
      borderline project classes birds add hawk

      borderline project classes birds rename robbin robin

      borderline project classes birds merge sparrow finch

      borderline project classes birds remove blurred --ask-again
    """
    from db import projects

    texts = _texts(action, words or [])
    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        if action != "list":
            _change(opened, project, action, texts, merge_into, ask_again, yes)
            project = projects.get_project(opened.database, opened.actor, project.id)
        _show(opened, project, json)


def _texts(action: Action, words: list[str]) -> list[str]:
    from flows.errors import UsageError

    count, form = FORMS[action]
    if len(words) != count:
        raise UsageError(f"expected {action} {form}, got {len(words)} of these; do: quote names with spaces".rstrip())
    return words


def _change(
    opened: Store,
    project: Project,
    action: Action,
    texts: list[str],
    merge_into: str | None,
    ask_again: bool,
    yes: bool,
) -> None:
    from db import classes

    where = opened.database, opened.actor, project.id
    if action == "add":
        classes.add(*where, texts[0])
        return
    found = _class(project, texts[0])
    if action == "rename":
        classes.rename(*where, found.id, texts[1])
    elif action == "key":
        classes.set_key(*where, found.id, texts[1])
    elif action == "merge" or merge_into is not None:
        into = _class(project, merge_into or texts[1])
        _confirm(f"Merge {found.name!r} into {into.name!r}", classes.usage(*where, found.id), yes)
        classes.remove(*where, found.id, merge_into=into.id, ask_again=ask_again)
    else:
        if ask_again:
            _confirm(f"Remove {found.name!r} and ask its images again", classes.usage(*where, found.id), yes)
        classes.remove(*where, found.id, ask_again=ask_again)


def _confirm(what: str, used: ClassUsage, yes: bool) -> None:
    if used.used and not yes:
        counts = f"{used.labels:,} labels, {used.answers:,} answers, {used.gold:,} gold"
        typer.confirm(f"{what}? It has {counts}; there is no way back.", abort=True)


def _class(project: Project, name: str) -> ClassRecord:
    from flows.errors import UsageError

    for entry in project.classes:
        if entry.name == name:
            return entry
    raise UsageError(f"expected a class out of {', '.join(project.class_names)}, got {name!r}")


def _show(opened: Store, project: Project, json: bool) -> None:
    from db import classes

    counts = classes.usages(opened.database, opened.actor, project.id)
    if json:
        say(as_json([{"class": entry, "usage": counts[entry.id]} for entry in project.classes]))
        return
    rows = [
        (entry.name, entry.key, counts[entry.id].labels, counts[entry.id].answers, counts[entry.id].gold)
        for entry in project.classes
    ]
    table(f"Classes of {project.name}", ("class", "key", "labels", "answers", "gold"), rows)
