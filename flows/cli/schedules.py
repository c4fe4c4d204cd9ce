"""``borderline schedule``: when projects retrain and backups are made by themselves."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from flows.cli.console import as_json, say, store, table
from flows.cli.options import Json

if TYPE_CHECKING:
    from db.records import Schedule
    from flows.store import Store

Project = Annotated[str | None, typer.Argument(help="Name of the project; none lists the schedules of all.")]
Cron = Annotated[str | None, typer.Option(help="Minute, hour, day, month, weekday: '0 3 * * *' is every night at 3.")]
Timezone = Annotated[str | None, typer.Option(help="Time zone of --cron, such as Europe/Paris (default UTC).")]
Every = Annotated[str | None, typer.Option(help="An interval: 30m, 6h, 1d, 2w.")]
AfterLabels = Annotated[int | None, typer.Option(help="After so many new labels.", min=1)]
Backup = Annotated[bool, typer.Option("--backup", help="Backups of everything, instead of a project's retraining.")]
Off = Annotated[bool, typer.Option("--off", help="Switch off what is set; it can be switched on again.")]
On = Annotated[bool, typer.Option("--on", help="Switch on again.")]
Remove = Annotated[bool, typer.Option("--remove", help="Forget what is set.")]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def register_schedules(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schedule", rich_help_panel="Run it")(schedule)


def schedule(
    name: Project = None,
    cron: Cron = None,
    timezone: Timezone = None,
    every: Every = None,
    after_labels: AfterLabels = None,
    backup: Backup = False,
    off: Off = False,
    on: On = False,
    remove: Remove = False,
    json: Json = False,
) -> None:
    """Let a project retrain by itself: at set times, at an interval, after so many new labels, or all of these.

    Without a name all schedules are listed with their next time. `borderline up` or `borderline worker` carries them
    out. A time that passed while nothing was running is made up for once; a retraining that finds no new label trains
    nothing.

    Examples:
      borderline schedule birds --cron '0 3 * * *' --timezone Europe/Paris

      borderline schedule birds --every 6h

      borderline schedule birds --after-labels 200

      borderline schedule birds --off

      borderline schedule --backup --every 24h
    """
    from db import projects, schedules

    times = cron is not None or every is not None or after_labels is not None
    _check(name, backup, [times, off, on, remove], timezone=timezone is not None and cron is None)
    seconds = None if every is None else seconds_of(every)
    with store() as opened:
        project_id = None if name is None else projects.get_project(opened.database, opened.actor, name).id
        where = opened.database, opened.actor
        if cron is not None:
            schedules.put(*where, project_id, cron=cron, timezone=timezone or "UTC")
        if seconds is not None:
            schedules.put(*where, project_id, seconds=seconds)
        if after_labels is not None:
            schedules.put(*where, project_id, labels=after_labels)
        for entry in _meant(opened, project_id) if off or on or remove else ():
            if remove:
                schedules.remove(*where, entry.id)
            else:
                schedules.switch(*where, entry.id, on)
        shown = _meant(opened, project_id) if backup or name else schedules.everywhere(*where)
        names = {entry.id: entry.name for entry in projects.list_projects(*where)}
    if json:
        say(as_json([{**vars(entry), "project": names.get(entry.project_id or 0)} for entry in shown]))
        return
    show(shown, names)


def _check(name: str | None, backup: bool, asked: list[bool], *, timezone: bool) -> None:
    from flows.errors import UsageError

    if timezone:
        raise UsageError("expected --timezone beside --cron, got it alone; do: add --cron, or leave it out")
    if name is not None and backup:
        raise UsageError("expected a project or --backup, got both; do: leave one of them out")
    if sum(asked) > 1:
        raise UsageError("expected times, --off, --on or --remove, got several of them; do: one after the other")
    if any(asked) and name is None and not backup:
        raise UsageError("expected the name of a project, or --backup, got neither; do: borderline schedule --help")


def seconds_of(text: str) -> int:
    """Return the seconds of an interval such as 90m.

    Raises:
        UsageError: for another form.

    >>> seconds_of("6h"), seconds_of("2w")
    (21600, 1209600)
    """
    from flows.errors import UsageError

    number, unit = text.strip()[:-1], text.strip()[-1:].lower()
    if not (number.isascii() and number.isdigit() and unit in _UNITS):
        raise UsageError(f"expected an interval such as 30m, 6h, 1d or 2w, got {text!r}")
    return int(number) * _UNITS[unit]


def _meant(opened: Store, project_id: int | None) -> list[Schedule]:
    """Return the schedules of the project, or those of backups."""
    from db import schedules

    if project_id is not None:
        return schedules.of_project(opened.database, opened.actor, project_id)
    return [entry for entry in schedules.everywhere(opened.database, opened.actor) if entry.project_id is None]


def show(found: list[Schedule], names: dict[int, str]) -> None:
    """Print schedules for a person."""
    if not found:
        say("Nothing runs by itself on a schedule. Do: borderline schedule NAME --every 24h")
        return
    rows = [
        (
            "backup of everything" if entry.project_id is None else f"{names.get(entry.project_id, '?')}: retrain",
            when_words(entry),
            next_words(entry),
        )
        for entry in found
    ]
    table("Schedules", ("what", "when", "next"), rows)


def when_words(entry: Schedule) -> str:
    """Say when a schedule runs."""
    if entry.trigger == "cron":
        return f"{entry.cron} ({entry.timezone})"
    if entry.trigger == "labels":
        return f"after {entry.labels:,} new labels"
    return f"every {interval_words(entry.seconds or 0)}"


def interval_words(seconds: int) -> str:
    """Return an interval in its largest whole unit.

    >>> interval_words(21600), interval_words(5400)
    ('6h', '90m')
    """
    unit = next(name for name in ("w", "d", "h", "m", "s") if seconds % _UNITS[name] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def next_words(entry: Schedule) -> str:
    """Say when it runs next."""
    if not entry.is_on:
        return "off"
    if entry.labels_left is not None:
        return f"{entry.labels_left:,} labels to go" if entry.labels_left else "now"
    if entry.next_at is None:
        return "never"
    return datetime.fromtimestamp(entry.next_at / 1000, ZoneInfo(entry.timezone)).strftime("%a %d %b %Y %H:%M %Z")
