"""``borderline export`` and ``import-labels``: labels and votes to other tools, and labels from them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from flows.cli.console import as_json, say, store
from flows.cli.projects import Json, Name

FormatName = Literal["csv", "jsonl", "parquet", "label-studio", "coco", "imagefolder", "huggingface"]
FormatOrAuto = Literal["auto", "csv", "jsonl", "parquet", "label-studio", "coco", "imagefolder", "huggingface"]
_SHOWN_MISSING = 10


def register_exchange(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("export", rich_help_panel="Import and export")(export)
    app.command("import-labels", rich_help_panel="Import and export")(import_labels)


def export(
    name: Name,
    what: Annotated[
        Literal["labels", "votes"],
        typer.Option(help="labels: one row a labeled image; votes: one row an annotation, with who gave it."),
    ] = "labels",
    format: Annotated[FormatName, typer.Option(help="What to write; see docs/exchange.md.")] = "csv",
    out: Annotated[
        Path | None, typer.Option(help="File, or for imagefolder and huggingface a new folder; else the terminal.")
    ] = None,
    images: Annotated[
        Literal["copy", "link", "manifest"],
        typer.Option(help="For imagefolder: copy the images, link to them, or only list them."),
    ] = "copy",
    image_prefix: Annotated[
        str, typer.Option(help="For label-studio: what it needs before a name, such as '/data/local-files/?d=photos/'.")
    ] = "",
    synthetic: Annotated[
        bool,
        typer.Option("--synthetic", help="With accepted generated images, each row marked; not in every format."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="With --out: print what was done as JSON.")] = False,
) -> None:
    """Write labels or votes for other tools: tables, Label Studio, COCO, folders of images, Hugging Face datasets.

    Examples:
      borderline export birds --out labels.csv

      borderline export birds --what votes --format parquet --out votes.parquet

      borderline export birds --format imagefolder --images link --out birds-by-class
    """
    from db import exchange, projects
    from db.space import require_disk

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        if out is None:
            parts = exchange.stream(
                opened.database, opened.actor, project.id, what, format, image_prefix=image_prefix, synthetic=synthetic
            )
            for part in parts:
                sys.stdout.buffer.write(part)
            sys.stdout.flush()
            return
        require_disk(out.expanduser().absolute(), opened.settings.free_space_floor)
        report = exchange.export_file(
            opened.database,
            opened.actor,
            project.id,
            what,
            format,
            out=out.expanduser(),
            images=images,
            image_prefix=image_prefix,
            synthetic=synthetic,
        )
    if json:
        say(as_json(report))
        return
    say(f"{report.rows:,} {what} written to {out}.")
    if format == "label-studio":
        say(f"Labeling configuration for Label Studio: {exchange.config_path(out)}")
    for kind, count in report.images.items():
        say(f"{count:,} images {_KINDS[kind]}")
    for missing in report.missing[:_SHOWN_MISSING]:
        say(f"  {missing!r}")


_KINDS = {
    "original": "copied as they were ingested",
    "display": "written as they are shown, because the original is gone or changed",
    "linked": "linked to",
    "listed": "listed",
    "missing": "are nowhere to be found:",
}


def import_labels(
    name: Name,
    source: Annotated[Path, typer.Argument(help="A CSV, JSON Lines, Parquet or JSON file, or a folder of images.")],
    format: Annotated[FormatOrAuto, typer.Option(help="What it is; auto tells by name and content.")] = "auto",
    match: Annotated[
        Literal["auto", "sha256", "id", "name"],
        typer.Option(help="How images are found; auto takes the first that a row has: sha256, id, name."),
    ] = "auto",
    replace: Annotated[
        bool, typer.Option("--replace", help="Let the file win over labels that are there and differ.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would become of it.")] = False,
    json: Json = False,
) -> None:
    """Label images that were ingested by what a file or folder says: all of it, or nothing and what is wrong with it.

    Reads what `borderline export` writes, Label Studio's exports (JSON and JSON-MIN), COCO-style JSON, any table with a
    column class and one of sha256, sample_id or name, and any folder of images with a folder a class.

    Examples:
      borderline import-labels birds project-7-at-2026-11-21.json --dry-run

      borderline import-labels birds labels.csv --replace
    """
    from db import exchange, projects

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        report = exchange.import_file(
            opened.database,
            opened.actor,
            project.id,
            source.expanduser(),
            format,
            match=match,
            replace=replace,
            dry_run=dry_run,
        )
    if json:
        say(as_json(report))
        return
    would = "would be " if dry_run else ""
    say(f"{report.imported:,} labels {would}imported from {report.format}.")
    if report.same:
        say(f"{report.same:,} were there already, the same.")
    if report.replaced:
        say(f"{report.replaced:,} {would}replaced.")
    for reason, count in report.ignored.items():
        say(f"{count:,} not imported: {reason}")
    for problem in report.refused:
        say(f"{problem.count:,} {would}refused: {problem.reason} ({', '.join(map(repr, problem.places))})")
