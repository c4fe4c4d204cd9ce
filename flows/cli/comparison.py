"""``borderline compare``: a fair answer to 'is this strategy better than that one, on my data'."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.cli.console import as_json, say, system_store

if TYPE_CHECKING:
    from rich.table import Table

    from db.records import Comparison, ComparisonPoint
    from flows.compare.options import CompareOptions
    from flows.store import Store

_TELL_SECONDS = 30  # between two lines of progress where nobody looks at a terminal
STRATEGIES = "dfal,dfal_0,margin,bald,core_set,random_sampling"


def register_comparison(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare", rich_help_panel="Compare")(compare)


def compare(
    dataset: Annotated[str, typer.Option(help="digits, mnist, ... or a path to images with known classes.")] = "digits",
    data: Annotated[Path | None, typer.Option(help="Folder of downloaded data sets.")] = None,
    strategies: Annotated[str, typer.Option(help="Comma-separated; see: borderline strategies.")] = STRATEGIES,
    model: Annotated[str | None, typer.Option(help="Classifier that asks; lenet5 by default.")] = None,
    labels: Annotated[int, typer.Option(help="Labels to reach.", min=2)] = 150,
    batch: Annotated[int, typer.Option(help="Labels a round.", min=1)] = 25,
    seed_labels: Annotated[int, typer.Option(help="Labels of the first round.", min=2)] = 20,
    seeds: Annotated[int, typer.Option(help="Repeats; five or more allow intervals.", min=1)] = 5,
    seed_start: Annotated[int, typer.Option(help="The first seed.", min=0)] = 0,
    imbalance: Annotated[float | None, typer.Option(help="Make the rarest class this many times rarer.")] = None,
    augment: Annotated[str, typer.Option(help="For rare classes, an arm each: none,balanced,copies,gan.")] = "none",
    recipe: Annotated[str, typer.Option(help="How to train: 'tuned' (once, on the random arm), or a name.")] = "tuned",
    protocol: Annotated[
        Literal["fair", "paper"], typer.Option(help="'paper': the setting of Ducoffe and Precioso (2018).")
    ] = "fair",
    transfer: Annotated[str | None, typer.Option(help="Ask with one network, train another: lenet5:vgg8.")] = None,
    copy_rounds: Annotated[int, typer.Option(help="Rounds that an adversarial copy trains for.", min=1)] = 3,
    cold_start: Annotated[str, typer.Option(help="What chooses the first labels, for all arms.")] = "random_sampling",
    image_size: Annotated[int | None, typer.Option(help="Side in pixels; by default that of the images.")] = None,
    channels: Annotated[int | None, typer.Option(help="1 or 3; by default that of the images.")] = None,
    runner: Annotated[Literal["local", "ray"], typer.Option(help="Processes of this machine, or a cluster.")] = "local",
    workers: Annotated[int, typer.Option(help="How many at a time; 0 is one a core.", min=0)] = 0,
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or auto; by default BORDERLINE_DEVICE.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the result to this file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write report, tables and pictures into this folder.")] = None,
) -> None:
    """Compare strategies on data whose labels are known, seed by seed, and say which one is better by how much.

    Every point is kept when it is made. One that was stopped or killed goes on where it stopped when the same command
    is given again; the Compare page shows it while it runs.

    Example: borderline compare --dataset mnist --data ~/data/mnist --strategies dfal,margin,random_sampling --seeds 10
    """
    from flows.compare.comparing import Running
    from flows.compare.options import CompareOptions, checked, read_augment, read_transfer, split_strategies
    from pipeline.experiment.records import Settings

    _check_places(json, out)
    networks = read_transfer(transfer)
    settings = Settings(
        strategies=split_strategies(strategies), model=model or (networks[0] if networks else "lenet5"), labels=labels,
        batch=batch, seed_labels=seed_labels, seeds=tuple(range(seed_start, seed_start + seeds)), protocol=protocol,
        recipe=recipe, cold_start=cold_start, imbalance=imbalance, copy_rounds=copy_rounds, transfer=networks,
        augment=read_augment(augment),
    )  # fmt: skip
    options = checked(
        CompareOptions(settings=settings, dataset=dataset, data_dir=data, image_size=image_size, channels=channels)
    )
    running = Running(runner=runner, workers=workers, device=device, address=address)
    with system_store() as opened:
        found = _run(opened, options, running)
        conclude(opened, found, json, out)


def _check_places(json: Path | None, out: Path | None) -> None:
    """Refuse places that cannot be written to now, not after hours of work."""
    from flows.errors import UsageError

    if json is not None and (json.is_dir() or not json.absolute().parent.is_dir()):
        raise UsageError(f"expected a file in a folder that exists for --json, got {str(json)!r}")
    if out is not None:
        if out.exists() and not out.is_dir():
            raise UsageError(f"expected a folder for --out, got the file {str(out)!r}; do: name another")
        out.mkdir(parents=True, exist_ok=True)


def _run(opened: Store, options: CompareOptions, running: Any) -> Comparison:
    from flows.compare.comparing import begin, go_on
    from flows.errors import Canceled
    from flows.report import terminal_reporter

    with terminal_reporter(silent=False) as bar:
        found = begin(opened, options, bar)
    if found.points_done:
        say(f"Going on with comparison {found.id}: {found.points_done:,} of {found.points_wanted:,} points are there.")
    shown = Live(options, found)
    try:
        with shown:
            return go_on(opened, found.id, running, shown, shown.add)
    except (KeyboardInterrupt, Canceled):
        say(f"\nStopped. All points are kept: the same command goes on, or see: borderline comparisons show {found.id}")
        raise


class Live:
    """A table of the arms as their points come, with how many there are and how long it may still take."""

    def __init__(self, options: CompareOptions, found: Comparison) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        from pipeline.experiment.planning import arms, label_counts
        from pipeline.experiment.progress import Pace

        self._name, self._runs = found.name, len(options.settings.seeds)
        self._wanted = self._runs * len(label_counts(options.settings))
        self._found: dict[str, list[ComparisonPoint]] = {arm.name: [] for arm in arms(options.settings)}
        self._caption, self._pace = "starting", Pace(found.points_wanted, done=found.points_done)
        console = Console()
        self._quiet, self._told = not console.is_terminal, time.monotonic()
        self._live = RichLive(self._table(), console=console, refresh_per_second=2, transient=self._quiet)

    def __enter__(self) -> Live:
        if not self._quiet:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if not self._quiet:
            self._live.update(self._table(), refresh=True)
            self._live.stop()

    def add(self, arm: str, _seed: int, point: ComparisonPoint) -> None:
        """Take in a point."""
        self._found[arm].append(point)

    def progress(self, done: int, total: int, message: str) -> None:
        """Say how far it is."""
        if total == self._pace.wanted:
            message = f"{self._pace.text(done)} · {message}"
        self._caption = message
        if not self._quiet:
            self._live.update(self._table())
        elif time.monotonic() - self._told >= _TELL_SECONDS:
            self._told = time.monotonic()
            say(message)

    def picture(self, name: str, png: bytes, caption: str) -> None:
        """Show nothing: there is no place for pictures here."""

    def _table(self) -> Table:
        from rich.markup import escape
        from rich.table import Table

        shown = Table("strategy", "points made now", "newest labels", "accuracy", title=escape(self._name))
        for arm, points in self._found.items():
            newest = max((point.labels for point in points), default=None)
            there = [point.accuracy for point in points if point.labels == newest]
            mean = f"{sum(there) / len(there):.3f} (mean of {len(there)})" if there else "-"
            shown.add_row(escape(arm), f"{len(points)} of {self._wanted}", str(newest or "-"), mean)
        shown.caption = escape(self._caption)
        return shown


def conclude(opened: Store, found: Comparison, json: Path | None, out: Path | None) -> None:
    """Print the verdict and the tables, and write what was asked for.

    Args:
        opened: The open store.
        found: The comparison, with points.
        json: File for the result; None for none.
        out: Folder for the report; None for none.
    """
    from flows.cli.comparison_said import show_summary
    from flows.compare.results import result_of, summary_of, write_report

    show_summary(summary_of(opened, found))
    if found.state == "failed":
        say(f"\nSome runs could not go on: {found.note}")
    say(f"\nComparison {found.id}: borderline comparisons show {found.id}, or the Compare page of borderline up.")
    if json is not None:
        json.write_text(as_json(result_of(opened, found)) + "\n", encoding="utf-8")
        say(f"The result is in {json}.")
    if out is not None:
        say(f"The report is in {write_report(opened, found, out)}.")
