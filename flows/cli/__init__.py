"""The command line: ``borderline ...``. Heavy parts are imported only by the command that uses them."""

from __future__ import annotations

import sys

import typer

from flows.cli.augment import register_augment
from flows.cli.backups import register_backups
from flows.cli.comparison import register_comparison
from flows.cli.comparisons import register_comparisons
from flows.cli.console import EXIT_USAGE, explain, fail
from flows.cli.data import register_data
from flows.cli.deployment import register_deployment
from flows.cli.doctor import register_doctor
from flows.cli.exchange import register_exchange
from flows.cli.gold import register_gold
from flows.cli.models import register_models
from flows.cli.operations import register_operations
from flows.cli.projects import register_projects
from flows.cli.rounds import register_rounds
from flows.cli.schedules import register_schedules
from flows.cli.services import register_services
from flows.cli.simulation import register_simulation
from flows.cli.tokens import register_tokens
from flows.cli.users import register_users

HELP = """Find the images whose labels teach a classifier most, have people label just those, retrain.

Start here: [bold]borderline demo[/bold] shows the whole thing on handwritten digits.

Your own images, in four lines:

  borderline project create birds --classes robin,wren,owl --image-size 64 --channels 3

  borderline ingest birds ~/photos

  borderline up            (opens the labeling page; rounds run by themselves)

  borderline predict birds ~/new-photos --out predictions.csv
"""

app = typer.Typer(
    name="borderline", help=HELP, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False
)
for register in (
    register_projects,
    register_data,
    register_exchange,
    register_gold,
    register_rounds,
    register_schedules,
    register_augment,
    register_models,
    register_simulation,
    register_comparison,
    register_comparisons,
    register_tokens,
    register_services,
    register_backups,
    register_doctor,
    register_operations,
    register_deployment,
    register_users,
):
    register(app)


def main() -> None:
    """Run a command; what the user can mend is one sentence and exit code 2, never a traceback."""
    from db import logs

    try:
        logs.configure("text")
        app()
    except KeyboardInterrupt:
        fail("stopped", code=130)
    except BrokenPipeError:  # `| head` has seen enough
        sys.stderr.close()
        raise SystemExit(0) from None
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            logs.report(error)  # and not by `raise`: typer would print it with whatever secret is in it
            raise SystemExit(1) from None
        fail(sentence, code=EXIT_USAGE)
    sys.exit(0)
