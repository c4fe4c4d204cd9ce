"""``borderline project create`` and ``edit``: everything that can be set about a labeling project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.console import as_json, say, store
from flows.cli.options import (
    Balance,
    ColdStart,
    ConfirmConfidence,
    ConfirmShare,
    CopyCheckShare,
    Generate,
    GenerateBelow,
    GoldShare,
    Holdout,
    HoldoutShare,
    Json,
    LabelBudget,
    MaxOverlap,
    Name,
    PeopleExpected,
    Promote,
    PromoteBy,
    PromoteMargin,
    Reserve,
    ShowWhy,
    SpotCheckShare,
    given,
)


def create(
    name: Name,
    classes: Annotated[str, typer.Option(help="The classes, comma-separated, in the order of their keys.")],
    image_size: Annotated[int, typer.Option(help="Side in pixels that the model sees.", min=8, max=512)] = 28,
    channels: Annotated[int, typer.Option(help="1 for gray, 3 for color.", min=1, max=3)] = 1,
    model: Annotated[str, typer.Option(help="Classifier by name, or package.module:factory.")] = "convnet",
    weights: Annotated[
        str, typer.Option(help="What training starts from: a safetensors file, or 'download' for torchvision's own.")
    ] = "",
    recipe: Annotated[
        str | None, typer.Option(help="How it is trained; by default supervised, or fine_tuning with weights.")
    ] = None,
    strategy: Annotated[str, typer.Option(help="What to ask next; see: borderline strategies.")] = "dfal",
    cold_start: ColdStart = "typiclust",
    batch: Annotated[int, typer.Option(help="Queries a round.", min=1)] = 10,
    reserve: Reserve = None,
    overlap: Annotated[int, typer.Option(help="Annotators that answer each query.", min=1, max=100)] = 1,
    max_overlap: MaxOverlap = None,
    people_expected: PeopleExpected = 0,
    gold_share: GoldShare = None,
    confirm_share: ConfirmShare = None,
    confirm_confidence: ConfirmConfidence = None,
    spot_check_share: SpotCheckShare = None,
    holdout: Holdout = 100,
    holdout_share: HoldoutShare = None,
    guidelines: Annotated[Path | None, typer.Option(help="Markdown file that annotators can open.")] = None,
    show_predictions: Annotated[bool, typer.Option(help="Show the model's guess before the answer.")] = False,
    show_why: ShowWhy = None,
    balance: Balance = None,
    generate: Generate = None,
    generate_below: GenerateBelow = None,
    copy_check_share: CopyCheckShare = None,
    promote: Promote = None,
    promote_by: PromoteBy = None,
    promote_margin: PromoteMargin = None,
    label_budget: LabelBudget = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random in the project.", min=0)] = 0,
    json: Json = False,
) -> None:
    """Make a project: one labeling job with its classes, model and strategy.

    Example: borderline project create birds --classes robin,wren,owl --image-size 64 --channels 3
    """
    from db import projects
    from db.projects import ProjectSpec
    from flows import checks

    checks.check_model(model)
    checks.check_strategy(strategy)
    checks.check_cold_start(cold_start)
    recipe = recipe or ("fine_tuning" if weights else "supervised")
    checks.check_recipe(recipe)
    spec = ProjectSpec(
        name=name,
        classes=checks.split_names(classes),
        image_size=image_size,
        channels=channels,
        model=model,
        weights=checks.check_weights(weights),
        recipe=recipe,
        strategy=strategy,
        cold_start=cold_start,
        batch_size=batch,
        overlap=overlap,
        guidelines=checks.read_guidelines(guidelines),
        show_predictions=show_predictions,
        seed=seed,
        **given(
            reserve_size=reserve,
            max_overlap=max_overlap,
            gold_share=gold_share,
            confirm_share=confirm_share,
            confirm_confidence=confirm_confidence,
            spot_check_share=spot_check_share,
            holdout_size=holdout,
            holdout_share=holdout_share,
            show_why=show_why,
            balance=balance,
            generate=generate,
            generate_below=generate_below,
            copy_check_share=copy_check_share,
            promote=promote,
            promote_by=promote_by,
            promote_margin=promote_margin,
            label_budget=label_budget or None,
        ),
    )
    with store() as opened, explained_overlap():
        project = projects.create_project(opened.database, opened.actor, spec, people_expected=people_expected)
    if json:
        say(as_json(project))
        return
    say(f"Project {project.name!r} is there, with {len(project.classes)} classes.")
    say(f"Next: borderline ingest {project.name} FOLDER")


def edit(
    name: Name,
    rename: Annotated[str | None, typer.Option(help="A new name.")] = None,
    model: Annotated[str | None, typer.Option(help="Classifier of the next round.")] = None,
    strategy: Annotated[str | None, typer.Option(help="What to ask from the next round on.")] = None,
    cold_start: Annotated[str | None, typer.Option(help="What to ask while there is no model.")] = None,
    recipe: Annotated[str | None, typer.Option(help="How the next model is trained.")] = None,
    batch: Annotated[int | None, typer.Option(help="Queries of the next round.", min=1)] = None,
    reserve: Reserve = None,
    overlap: Annotated[int | None, typer.Option(help="Annotators that answer each query.", min=1, max=100)] = None,
    max_overlap: MaxOverlap = None,
    people_expected: PeopleExpected = 0,
    gold_share: GoldShare = None,
    confirm_share: ConfirmShare = None,
    confirm_confidence: ConfirmConfidence = None,
    spot_check_share: SpotCheckShare = None,
    holdout: Annotated[int | None, typer.Option(help="Holdout images; counts until it is drawn.", min=0)] = None,
    holdout_share: HoldoutShare = None,
    guidelines: Annotated[Path | None, typer.Option(help="Markdown file that annotators can open.")] = None,
    show_predictions: Annotated[bool | None, typer.Option(help="Show the model's guess before the answer.")] = None,
    show_why: ShowWhy = None,
    balance: Balance = None,
    generate: Generate = None,
    generate_below: GenerateBelow = None,
    copy_check_share: CopyCheckShare = None,
    promote: Promote = None,
    promote_by: PromoteBy = None,
    promote_margin: PromoteMargin = None,
    label_budget: LabelBudget = None,
    json: Json = False,
) -> None:
    """Change settings of a project; they hold from its next round on.

    Example: borderline project edit birds --strategy margin+deduplicated --overlap 2 --max-overlap 3
    """
    from db import projects
    from flows import checks

    changes = given(
        name=rename,
        model=model,
        strategy=strategy,
        cold_start=cold_start,
        recipe=recipe,
        batch_size=batch,
        reserve_size=reserve,
        overlap=overlap,
        max_overlap=max_overlap,
        gold_share=gold_share,
        confirm_share=confirm_share,
        confirm_confidence=confirm_confidence,
        spot_check_share=spot_check_share,
        holdout_size=holdout,
        holdout_share=holdout_share,
        guidelines=None if guidelines is None else checks.read_guidelines(guidelines),
        show_predictions=show_predictions,
        show_why=show_why,
        balance=balance,
        generate=generate,
        generate_below=generate_below,
        copy_check_share=copy_check_share,
        promote=promote,
        promote_by=promote_by,
        promote_margin=promote_margin,
        label_budget=label_budget,
    )
    tests = {"model": checks.check_model, "strategy": checks.check_strategy, "cold_start": checks.check_cold_start,
             "recipe": checks.check_recipe}  # fmt: skip
    for field, test in tests.items():
        if field in changes:
            test(str(changes[field]))
    for field in ("max_overlap", "label_budget"):  # how the command line says: never more than the overlap, no limit
        changes |= {field: None} if changes.get(field) == 0 else {}
    with store() as opened, explained_overlap():
        project = projects.get_project(opened.database, opened.actor, name)
        project = projects.update_project(
            opened.database, opened.actor, project.id, people_expected=people_expected, **changes
        )
    if json:
        say(as_json(project))
        return
    shown = [field for field in changes if field != "guidelines"] or ["strategy", "cold_start", "recipe", "batch_size"]
    say(f"{project.name}: " + ", ".join(f"{field} is {getattr(project, field)}" for field in shown))


@contextmanager
def explained_overlap() -> Iterator[None]:
    """Name the option that answers an overlap above the people who are known."""
    from db.errors import InvalidInput

    try:
        yield
    except InvalidInput as error:
        if "people are expected" not in str(error):
            raise
        from flows.errors import UsageError

        raise UsageError(f"{error} (--people-expected N)") from error
