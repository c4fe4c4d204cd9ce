"""``borderline doctor`` and ``collect``: what is not in order, and what can go."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.console import as_json, say, store
from flows.cli.options import Json

_WORDS = {"ok": "ok     ", "warn": "warn   ", "problem": "PROBLEM"}


def register_doctor(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("doctor", rich_help_panel="Run it")(doctor)
    app.command("collect", rich_help_panel="Run it")(collect)


def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Read every file and compare its hash; ask torch.")] = False,
    json: Json = False,
) -> None:
    """Say what is in order and what is not, with what to do; changes nothing. Exit code 1 if there is a problem.

    Looks at the schema, at what makes a saved answer stay saved, at damage, at every file that a row names, at disk,
    clock, work that stopped, the last backup, and the versions of what Borderline stands on.
    """
    from flows.doctor import examine, failed
    from flows.settings import Settings

    found = examine(Settings(), deep=deep)
    if json:
        say(as_json(found))
    else:
        for one in found:
            say(f"{_WORDS[one.level]}  {one.what}: {one.found}")
            if one.do:
                say(f"         -> {one.do}")
    if failed(found):
        raise SystemExit(1)


def collect(
    delete: Annotated[bool, typer.Option("--delete", help="Remove them; else they are only listed.")] = False,
    hours: Annotated[float, typer.Option(help="Leave what was written in the last so many hours.", min=1)] = 1,
    json: Json = False,
) -> None:
    """List files that crashes left behind and that nothing needs, or remove them with --delete.

    A file that any row names stays, and so does everything of a project that is being worked on. Nothing outside of
    the home folder's projects and inbox is looked at.
    """
    from db.space import shown
    from flows.collect import HOUR, leftovers, remove, total

    with store() as opened:
        found = (remove if delete else leftovers)(opened, hours * HOUR)
    if json:
        say(as_json({"deleted": delete, "bytes": total(found), "files": found}))
        return
    for one in found:
        say(f"{one.path} ({shown(one.size)}): {one.why}")
    done = "removed" if delete else "could be removed (--delete does it)"
    say(f"{len(found)} files, {shown(total(found))}, {done}.")
