"""Arguments and options that several commands share: one wording, one range."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

Name = Annotated[str, typer.Argument(help="Name of the project.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
ColdStart = Annotated[str, typer.Option(help="What to ask while there is no model: a strategy that needs none.")]
Holdout = Annotated[int, typer.Option(help="Images drawn at random to measure accuracy on.", min=0)]

Share = float | None
MaxOverlap = Annotated[
    int | None,
    typer.Option(help="Votes at most while annotators disagree; 0: never more than --overlap.", min=0, max=100),
]
PeopleExpected = Annotated[int, typer.Option(help="How many people will answer, if more than are known yet.", min=0)]
Reserve = Annotated[int | None, typer.Option(help="Queries that are served while the next round trains.", min=0)]
GoldShare = Annotated[Share, typer.Option(help="Share of checks with a known answer.", min=0, max=1)]
ConfirmShare = Annotated[Share, typer.Option(help="Images to confirm in the grid, per query.", min=0, max=1)]
ConfirmConfidence = Annotated[Share, typer.Option(help="The model's confidence in those, at least.", min=0, max=1)]
SpotCheckShare = Annotated[Share, typer.Option(help="Share of confirmed ones that is asked again.", min=0, max=1)]
HoldoutShare = Annotated[Share, typer.Option(help="Share of a round's queries for the holdout.", min=0, max=1)]
ShowWhy = Annotated[
    Literal["on request", "after", "never"] | None, typer.Option(help="When annotators see why an image is asked.")
]
Balance = Annotated[
    Literal["auto", "none", "sampling", "logit_adjustment", "balanced_softmax"] | None,
    typer.Option(help="How training evens out classes with few labels; auto looks at the counts."),
]
Generate = Annotated[
    Literal["none", "gan", "translation"] | None,
    typer.Option(help="What makes images of rare classes; they train only if a test shows that they help."),
]
GenerateBelow = Annotated[
    int | None, typer.Option(help="Labels of a class below which images of it are made.", min=20, max=1_000_000)
]
CopyCheckShare = Annotated[
    Share, typer.Option(help="Share of adversarial copies shown to annotators as a check.", min=0, max=0.2)
]
Promote = Annotated[
    Literal["not_worse", "better", "always", "never"] | None,
    typer.Option(help="When a new model becomes the one in use, compared on validation (else holdout) images."),
]
PromoteBy = Annotated[
    Literal["accuracy", "balanced_accuracy"] | None, typer.Option(help="The figure that models are compared by.")
]
PromoteMargin = Annotated[Share, typer.Option(help="Share that counts as no difference, such as 0.01.", min=0, max=1)]
LabelBudget = Annotated[
    int | None, typer.Option(help="Labels after which no round begins; 0: no limit.", min=0, max=2**53 - 1)
]

Devices = Annotated[
    str | None,
    typer.Option(help="Devices of this host that train together: a number, or auto for all GPUs.", show_default=False),
]
Nodes = Annotated[
    int | None,
    typer.Option(help="Hosts that train together; see docs/training.md.", min=1, show_default=False),
]


def given(**options: Any) -> dict[str, Any]:
    """Return the options that were typed: those that are not None."""
    return {name: value for name, value in options.items() if value is not None}
