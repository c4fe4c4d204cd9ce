"""``borderline ingest``: bring images into a project, and say what became of each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from flows.cli.console import as_json, say, store
from flows.cli.projects import Json, Name

LabelPolicy = Literal["use", "hide", "ignore"]
Split = Literal["pool", "validation", "test"]


def register_data(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ingest", rich_help_panel="Set up")(ingest)


def ingest(
    name: Name,
    source: Annotated[
        str,
        typer.Argument(
            help="A folder, s3://BUCKET/FOLDER, an IDX, .npy, .npz, CSV or JSON Lines file, or a name such as mnist."
        ),
    ],
    split: Annotated[Split | None, typer.Option(help="Put all of it into pool, validation or test.")] = None,
    labels: Annotated[
        LabelPolicy,
        typer.Option(help="Classes that come with pool images: use as labels, hide (simulations only) or ignore."),
    ] = "use",
    copy: Annotated[
        bool,
        typer.Option("--copy", help="Take the files into Borderline's folder instead of leaving them where they are."),
    ] = False,
    data: Annotated[Path | None, typer.Option(help="Folder of downloaded data sets, for names such as mnist.")] = None,
    json: Json = False,
) -> None:
    """Read images into a project; running it again adds only what is new.

    SOURCE may be a folder of images (flat, with a sub-folder a class, or train/validation/test folders with class
    sub-folders), MNIST-style IDX files, .npy or .npz arrays, a folder of CLASS.npy files, a CSV or JSON Lines list
    (columns path, label, split), the URL of a folder in an object store (s3, gs, az), or the name of a data set:
    digits, mnist, fashionmnist, kmnist, emnist, qmnist, cifar10, svhn. Every image is decoded in full; a bad one is
    named with its reason and never stops the rest.

    Examples:
      borderline ingest birds ~/photos

      borderline ingest birds list.csv --labels hide

      borderline ingest birds s3://pictures/birds

      borderline ingest digits mnist --data ~/data/mnist
    """
    from db import projects
    from flows.errors import UsageError
    from flows.ingest import IngestOptions, ingest_source
    from flows.jobs import working
    from flows.report import terminal_reporter
    from flows.words import ingest_words
    from pipeline.data.sources import open_source

    options = IngestOptions(split=split, labels=labels, copy=copy)
    with store() as opened, terminal_reporter(silent=json) as bar:
        project = projects.get_project(opened.database, opened.actor, name)
        found = open_source(source, data_dir=data)
        with working(opened, project.id, "ingest", bar) as job:
            report = ingest_source(opened, project.id, found, options, job)
    for line in [as_json(report)] if json else ingest_words(report):
        say(line)
    if report.seen == len(report.rejected):
        raise UsageError(f"expected usable images in {source}, got none; do: see the reasons above")
