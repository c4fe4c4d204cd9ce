"""``borderline simulate``: what active learning would have given on data whose labels are known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.console import as_json, say, system_store


def register_simulation(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulate", rich_help_panel="Compare")(simulate)


def simulate(
    dataset: Annotated[str, typer.Option(help="digits, mnist, ... or a path to images with known classes.")] = "digits",
    data: Annotated[Path | None, typer.Option(help="Folder of downloaded data sets.")] = None,
    strategy: Annotated[str, typer.Option(help="What to ask next; see: borderline strategies.")] = "dfal",
    labels: Annotated[int, typer.Option(help="Labels to reach.", min=2)] = 100,
    batch: Annotated[int, typer.Option(help="Queries a round.", min=1)] = 10,
    seed_labels: Annotated[int, typer.Option(help="Labels of the first round.", min=2)] = 20,
    cold_start: Annotated[
        str, typer.Option(help="What chooses the first round, whatever the strategy: one that needs no model.")
    ] = "random_sampling",
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
    model: Annotated[str, typer.Option(help="Classifier by name.")] = "convnet",
    recipe: Annotated[str, typer.Option(help="How it is trained.")] = "supervised",
    image_size: Annotated[
        int | None, typer.Option(help="Side in pixels; by default that of the images, at most 64.")
    ] = None,
    channels: Annotated[int | None, typer.Option(help="1 or 3; by default that of the images.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the curve to this file.")] = None,
) -> None:
    """Let an annotator who knows the truth label by your strategy, and watch test accuracy rise.

    The answers go through the same claims and submits as a person's and stay in the database, in a project of
    their own. A simulation that was killed goes on where it stopped when the same command is given again.

    Example: borderline simulate --dataset mnist --data ~/data/mnist --model lenet5 --labels 100
    """
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    from flows import simulate as simulating
    from flows.checks import check_cold_start, check_model, check_recipe, check_strategy
    from flows.report import CaptionReporter, Reporter, SilentReporter

    check_model(model)
    check_strategy(strategy)
    check_cold_start(cold_start)
    check_recipe(recipe)
    if json is not None and (json.is_dir() or not json.absolute().parent.is_dir()):
        from flows.errors import UsageError

        raise UsageError(f"expected a file in a folder that exists for --json, got {str(json)!r}")
    options = simulating.SimulationOptions(
        dataset=dataset, data_dir=data, strategy=strategy, model=model, recipe=recipe, labels=labels, batch=batch,
        seed_labels=seed_labels, seed=seed, image_size=image_size, channels=channels, cold_start=cold_start,
    )  # fmt: skip
    console = Console()
    columns = ("labels", "test accuracy", "balanced", "calibration error", "training s", "ranking s")
    shown = Table(*columns, title=f"{strategy} on {dataset}, seed {seed}")

    def on_point(point: simulating.CurvePoint) -> None:
        ranking = "-" if point.query_seconds is None else f"{point.query_seconds:.1f}"
        more = (
            "-" if share is None else f"{share:.4f}" for share in (point.balanced_accuracy, point.calibration_error)
        )
        shown.add_row(str(point.labels), f"{point.test_accuracy:.4f}", *more, f"{point.train_seconds:.1f}", ranking)

    with system_store() as opened, Live(shown, console=console, refresh_per_second=2):
        reporter: Reporter = CaptionReporter(shown) if console.is_terminal else SilentReporter()
        result = simulating.simulate(opened, options, reporter, on_point)
    say(f"\nThe answers are in project {result['project']!r}.")
    if json is not None:
        json.write_text(as_json(result) + "\n", encoding="utf-8")
        say(f"The curve is in {json}.")
