"""What a person, a page or a Prefect run asks to compare, checked and brought to one form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from flows.checks import check_cold_start, check_model, check_recipe, check_strategy
from flows.errors import UsageError
from pipeline.experiment.augmentations import parse_augment
from pipeline.experiment.records import Settings

TUNED = "tuned"


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """A comparison as it was asked for.

    Attributes:
        settings: What is compared, and how.
        dataset: A data set's name, a path, or the name of a project that holds the images of an earlier comparison.
        data_dir: Folder of downloaded data sets.
        image_size: Side in pixels; None takes that of the images, at most 64.
        channels: 1 or 3; None takes that of the images.
    """

    settings: Settings
    dataset: str = "digits"
    data_dir: Path | None = None
    image_size: int | None = None
    channels: int | None = None

    @property
    def stored(self) -> dict[str, Any]:
        """As SQL and pages have it: plain values by name."""
        return {"dataset": self.dataset, **plain_settings(self.settings)}


def plain_settings(settings: Settings) -> dict[str, Any]:
    """Return settings as JSON has them."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.plain().items()}


def settings_of(stored: Mapping[str, Any]) -> Settings:
    """Return the settings of a mapping such as `plain_settings` gives; other names in it are left alone."""
    known = {field.name for field in fields(Settings)}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    return Settings(**{name: value for name, value in values.items() if name in known})


def options_of(asked: Mapping[str, Any]) -> CompareOptions:
    """Return the options that a page or a Prefect run asked for, by the names of the command line.

    Raises:
        UsageError: A name is unknown, or a value cannot be.
    """
    known = {field.name for field in fields(Settings)} | {"dataset", "image_size", "channels"}
    if unknown := sorted(set(asked) - known):
        raise UsageError(f"expected options out of {', '.join(sorted(known))}, got {', '.join(unknown)}")
    try:
        settings = settings_of({**DEFAULTS, **asked})
        rest = {name: asked[name] for name in ("dataset", "image_size", "channels") if name in asked}
        return checked(CompareOptions(settings=settings, **rest))
    except TypeError as error:
        raise UsageError(f"expected options as plain values, got others: {error}") from error


DEFAULTS: dict[str, Any] = {
    "strategies": ("dfal", "dfal_0", "margin", "bald", "core_set", "random_sampling"),
    "model": "lenet5",
    "labels": 150,
    "batch": 25,
    "seed_labels": 20,
    "seeds": (0, 1, 2, 3, 4),
}


def checked(options: CompareOptions) -> CompareOptions:
    """Return the options once every name in them is known; images are looked at later.

    Raises:
        UsageError, StrategyError, ExperimentError: A name is unknown, or a value cannot be.
    """
    settings = options.settings
    check_model(settings.model)
    for network in settings.transfer or ():
        check_model(network)
    for strategy in settings.strategies:
        check_strategy(strategy)
    check_cold_start(settings.cold_start)
    for name in settings.augment:
        parse_augment(name)
    if settings.recipe != TUNED:
        check_recipe(settings.recipe)
    if not options.dataset.strip():
        raise UsageError("expected the name of a data set or a path, got nothing; do: --dataset digits")
    return options


def split_strategies(text: str) -> tuple[str, ...]:
    """Split at commas, but not at those inside of a strategy's settings.

    Raises:
        UsageError: A part is empty, or parentheses do not match.

    >>> split_strategies("dfal, mixed(dfal_0=0.9, random_sampling=0.1),margin+copies")
    ('dfal', 'mixed(dfal_0=0.9, random_sampling=0.1)', 'margin+copies')
    """
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote or letter in "'\"":
            quote = "" if letter == quote else quote or letter
        else:
            depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    names = tuple(part.strip() for part in parts)
    if depth or quote or "" in names:
        raise UsageError(f"expected strategies, comma-separated, got {text!r}; do: --strategies dfal,margin")
    return names


def read_augment(text: str) -> tuple[str, ...]:
    """Read 'none, balanced+gan': what is done for rare classes, one arm each.

    >>> read_augment("none, balanced+gan")
    ('none', 'balanced+gan')
    """
    return tuple("".join(part.split()) for part in text.split(","))


def read_transfer(text: str | None) -> tuple[str, str] | None:
    """Read 'lenet5:vgg8': the network that asks, and the one that also learns from what it chose.

    Raises:
        UsageError: It is no such pair.
    """
    if text is None:
        return None
    asks, _, trains = text.partition(":")
    if not asks or not trains or ":" in trains:
        raise UsageError(f"expected two models for --transfer, got {text!r}; do: --transfer lenet5:vgg8")
    return asks, trains
