"""``borderline predict``, ``export-model``, and the lists of what can be chosen."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.console import as_json, say, store, table
from flows.cli.options import Json, Name
from flows.cli.versions import list_versions, use_version

if TYPE_CHECKING:
    from pipeline.catalog import Entry


def register_models(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("predict", rich_help_panel="Use the model")(predict)
    app.command("export-model", rich_help_panel="Use the model")(export_model)
    app.command("models", rich_help_panel="Choose")(models)
    app.command("recipes", rich_help_panel="Choose")(recipes)
    app.command("strategies", rich_help_panel="Choose")(strategies)


def predict(
    name: Name,
    source: Annotated[str, typer.Argument(help="Images as for `borderline ingest`: a folder, a file, a list, a name.")],
    out: Annotated[
        Path | None, typer.Option(help="File to write, .csv or .parquet; without it, CSV to the terminal.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of downloaded data sets, for names such as mnist.")] = None,
    json: Annotated[bool, typer.Option("--json", help="With --out: print what was done as JSON.")] = False,
) -> None:
    """Give class and probabilities of any images by the project's current model.

    Example: borderline predict birds ~/new-photos --out predictions.csv
    """
    from db import projects
    from flows.predict import CsvWriter, current_model, open_writer, predict_source
    from flows.report import terminal_reporter
    from pipeline.data.sources import open_source

    with store() as opened:
        project = projects.get_project(opened.database, opened.actor, name)
        found = open_source(source, data_dir=data)
        current_model(opened, project)  # nothing is written before it is sure that there is one
        if out is None:
            with terminal_reporter(silent=True) as bar:
                report = predict_source(opened, name, found, CsvWriter(sys.stdout, project.class_names), bar)
        else:
            with terminal_reporter(silent=json) as bar, open_writer(out, project.class_names) as writer:
                report = predict_source(opened, name, found, writer, bar)
    for file, reason in report.rejected:
        typer.echo(f"{file}: {reason}", err=True)
    if json and out is not None:
        say(as_json(report))
    elif out is not None:
        say(f"{report.predicted:,} predictions written to {out}.")


def export_model(
    name: Name,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("model"),
    formats: Annotated[
        str, typer.Option(help="Comma-separated, out of safetensors, pt2 and onnx.")
    ] = "safetensors,pt2,onnx",
    json: Json = False,
) -> None:
    """Write the current model for others: safetensors with a model card, torch.export (.pt2), ONNX.

    Example: borderline export-model birds --out birds-model
    """
    from flows import export_model as exporting

    with store() as opened:
        files = exporting.export_model(opened, name, out, tuple(part.strip() for part in formats.split(",")))
    if json:
        say(as_json([str(file) for file in files]))
        return
    for file in files:
        say(f"{file}  {file.stat().st_size:,} bytes")


def models(
    name: Annotated[str | None, typer.Argument(help="Name of a project: list its trained versions.")] = None,
    use: Annotated[int | None, typer.Option(help="Number of a version: make it the one in use.", min=1)] = None,
    reason: Annotated[str, typer.Option(help="With --use: why, kept with the choice.")] = "",
    json: Json = False,
) -> None:
    """List the classifiers that a project can have; with a project, its trained versions, and go back to one.

    Example: borderline models birds --use 3 --reason "version 4 takes owls for wrens"
    """
    if name is None:
        if use is not None:
            from flows.errors import UsageError

            raise UsageError("expected the name of a project with --use, got none; do: borderline models NAME --use 3")
        from pipeline.catalog import MODELS

        _show("Models", MODELS.values(), json)
    elif use is None:
        list_versions(name, json)
    else:
        use_version(name, use, reason, json)


def recipes(json: Json = False) -> None:
    """List the ways to train."""
    from pipeline.catalog import RECIPES

    _show("Training recipes", RECIPES.values(), json)


def strategies(json: Json = False) -> None:
    """List the query strategies, what ranking by them costs, and the wrappers that any of them takes.

    A cost is in forward passes over the pool. Example: borderline project edit birds --strategy margin+deduplicated
    """
    from pipeline.catalog import STRATEGIES, WRAPPERS

    kinds = {"strategy": STRATEGIES.values(), "wrapper": WRAPPERS.values()}
    if json:
        say(as_json([{"kind": kind, **asdict(entry)} for kind, entries in kinds.items() for entry in entries]))
        return
    for title, kind in (("Query strategies", "strategy"), ("Wrappers", "wrapper")):
        rows = [(entry.name, entry.cost, _in_words(entry)) for entry in kinds[kind]]
        table(title, ("name", "cost" if kind == "strategy" else "cost added", "what it does"), rows)


def _in_words(entry: Entry) -> str:
    return entry.summary if entry.reference == "-" else f"{entry.summary}\n  {entry.reference}"


def _show(title: str, entries: Iterable[Entry], json: bool) -> None:
    found = list(entries)
    if json:
        say(as_json(found))
        return
    table(title, ("name", "what it does", "reference"), [(item.name, item.summary, item.reference) for item in found])
