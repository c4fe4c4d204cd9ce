"""``borderline backup`` and ``restore``: everything into a folder while people work, and back, on either engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.console import as_json, say, store
from flows.cli.options import Json

_SHOWN = 10


def register_backups(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("backup", rich_help_panel="Run it")(backup)
    app.command("restore", rich_help_panel="Run it")(restore)


def backup(
    to: Annotated[
        Path | None, typer.Option(help="Folder of all backups (default BORDERLINE_BACKUP_FOLDER, or home/backups).")
    ] = None,
    keep: Annotated[
        int | None, typer.Option(help="Newest backups that stay; 0 keeps all (default BORDERLINE_BACKUP_KEEP).", min=0)
    ] = None,
    with_originals: Annotated[
        bool, typer.Option("--with-originals", help="Take along images that were registered where they lie.")
    ] = False,
    verify: Annotated[
        Path | None, typer.Option(help="Do not make one: read this one in full and say what is wrong with it.")
    ] = None,
    json: Json = False,
) -> None:
    """Save everything while people work: all rows as of one moment, and the files that they name.

    The rows are a SQLite file whichever engine they come from, so that a backup of a laptop becomes a team's
    PostgreSQL and the other way round. Backups of one folder share their files: the next one copies what is new.

    Examples:
      borderline backup --to /mnt/backups

      borderline backup --verify /mnt/backups
    """
    if verify is not None:
        _verify(verify, json)
        return
    from flows.backup import KIND, back_up
    from flows.jobs import working
    from flows.report import terminal_reporter

    with store() as opened, terminal_reporter(silent=json) as bar:
        settings = opened.settings
        folder = to.expanduser().absolute() if to else settings.backups
        with working(opened, None, KIND, bar) as job:
            stay = settings.backup_keep if keep is None else keep
            report = back_up(opened, folder, job, keep=stay, with_originals=with_originals)
    if json:
        say(as_json(report))
    else:
        _tell(report)
    if report.lacking:
        raise SystemExit(1)


def _tell(report: Any) -> None:
    from db.space import shown

    manifest = report.manifest
    say(f"Backup of {manifest.when:%Y-%m-%d %H:%M:%S} UTC: {report.folder}")
    say(f"{sum(manifest.counts.values())} rows, {manifest.files} files ({shown(manifest.bytes)});")
    say(f"{report.copied} of them were new ({shown(report.copied_bytes)}).")
    if manifest.left:
        say(f"{manifest.left} images lie outside of the home folder and are not in it (--with-originals takes them).")
    if report.pruned:
        say(f"Removed {len(report.pruned)} older: {', '.join(report.pruned)}")
    _tell_some("Not in order, and so not in the backup", [f"{entry.path}: {entry.why}" for entry in report.lacking])


def _verify(folder: Path, json: bool) -> None:
    from flows.backup_verify import verify
    from flows.report import terminal_reporter

    with terminal_reporter(silent=json) as bar:
        verdict = verify(folder.expanduser().absolute(), bar)
    if json:
        say(as_json(verdict))
    else:
        word = "has problems" if verdict.problems else "is in order"
        say(f"The backup of {verdict.manifest.when:%Y-%m-%d %H:%M:%S} UTC at {verdict.folder} {word}.")
        _tell_some("Problems", verdict.problems)
        _tell_some("Images that were left where they lie and are not there", verdict.gone)
    if verdict.problems:
        raise SystemExit(1)


def restore(
    backup: Annotated[Path, typer.Argument(help="A backup, or a folder of backups: the newest.")],
    into: Annotated[Path, typer.Option(help="The new home folder; it must be empty.")],
    database_url: Annotated[
        str | None,
        typer.Option(help="An empty database (default BORDERLINE_DATABASE_URL, else a SQLite file in the home)."),
    ] = None,
    json: Json = False,
) -> None:
    """Make a home folder and a database from a backup; nothing that is there already is ever changed.

    Every hash is checked. Rows of an older version are migrated. Sessions, one-time links and leases end, work that
    was under way is taken up again; webhook messages that waited still go out. People, passwords and API tokens are
    those of the moment of the backup.

    Examples:
      borderline restore /mnt/backups --into ~/borderline-restored

      borderline restore /mnt/backups/20260102T030405Z --into /srv/borderline --database-url postgresql://host/labels
    """
    from flows.report import terminal_reporter
    from flows.restore import restore as put_back
    from flows.settings import Settings

    given: dict[str, Any] = {"home": into} | ({"database_url": database_url} if database_url else {})
    settings = Settings(**given)
    with terminal_reporter(silent=json) as bar:
        done = put_back(backup, settings, bar)
    if json:
        say(as_json(done))
    else:
        _tell_restored(done, into)
        _tell_how_to_start(settings.home, done.address if settings.database_url else None)
    if done.lacking:
        raise SystemExit(1)


def _tell_restored(done: Any, into: Path) -> None:
    settled = done.settled
    say(f"The backup of {done.manifest.when:%Y-%m-%d %H:%M:%S} UTC is restored in {into}.")
    say(f"Ended: {settled.sessions} sessions, {settled.invitations} one-time links, {settled.leases} leases.")
    say(f"Taken up again when Borderline runs: {settled.jobs} jobs. Going out: {settled.deliveries} webhook messages.")
    if done.left[0]:
        say(f"{done.left[0]} images lie outside of the home folder; {done.left[1]} of them are not there.")
    _tell_some("The backup lacked", [f"{entry.path}: {entry.why}" for entry in done.lacking])


def _tell_how_to_start(home: Path, address: str | None) -> None:
    """Say the command; without the address of a database that lies elsewhere it would begin a new, empty one."""
    from shlex import quote

    words = [f"BORDERLINE_HOME={quote(str(home))}"]
    if address is not None:
        words.append(f"BORDERLINE_DATABASE_URL={quote(address.replace(':***@', '@'))}")
    say(f"Start it with: {' '.join(words)} borderline up")
    if address is not None and ":***@" in address:
        say("The address stands there without its password: put that in, or name BORDERLINE_DATABASE_PASSWORD_FILE.")


def _tell_some(title: str, lines: Any) -> None:
    if not lines:
        return
    say(f"{title}:")
    for line in list(lines)[:_SHOWN]:
        say(f"  {line}")
    if len(lines) > _SHOWN:
        say(f"  and {len(lines) - _SHOWN} more")
