"""Checks of what a person typed, made before anything is written: names of models, strategies, classes, files."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from db.records import ProjectSpec
from flows.errors import UsageError
from pipeline import catalog
from pipeline.strategies.spec import parse_spec

if TYPE_CHECKING:
    from pipeline.strategies.base import Strategy


def split_names(text: str) -> tuple[str, ...]:
    """Split a comma-separated list of class names.

    Raises:
        UsageError: A name is empty or comes twice, or there are fewer than two.
    """
    names = tuple(part.strip() for part in text.split(","))
    if len(names) < 2 or "" in names:
        raise UsageError(f"expected at least two class names, comma-separated, got {text!r}; do: --classes cat,dog")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"expected each class once, got {', '.join(twice)} more than once")
    return names


def check_model(name: str) -> None:
    """Raise `UsageError` unless a model goes by that name (or import path)."""
    _check(name, catalog.MODELS, "a model", "borderline models")


def check_strategy(spec: str) -> None:
    """Make sure that a strategy can be made as `pipeline.strategies.spec` tells; a plain name imports no torch.

    Raises:
        StrategyError: It cannot; better now than after people have labeled for it.
    """
    if spec not in catalog.STRATEGIES:
        parse_spec(spec)  # a misspelled name is told at once
        _make(spec)


def check_cold_start(spec: str) -> None:
    """Make sure that a strategy can choose before there is a model.

    Raises:
        StrategyError: It cannot be made.
        UsageError: It needs a model.
    """
    if spec == ProjectSpec.cold_start:
        return
    parse_spec(spec)
    if _make(spec).needs_model:
        raise UsageError(
            f"expected a strategy without a model for the cold start, got {spec!r}; do: --cold-start "
            f"{ProjectSpec.cold_start}, or random_sampling"
        )


def _make(spec: str) -> Strategy:
    from pipeline.strategies.registry import get_strategy

    return get_strategy(spec)


def check_recipe(name: str) -> None:
    """Raise `UsageError` unless a training recipe goes by that name."""
    _check(name, catalog.RECIPES, "a recipe", "borderline recipes")


def check_weights(weights: str) -> str:
    """Return the weights to start from, a file's path made absolute.

    Raises:
        UsageError: The file is not there.
    """
    if weights in ("", "download"):
        return weights
    path = Path(weights).expanduser().absolute()
    if not path.is_file():
        raise UsageError(f"expected a safetensors file or 'download' as weights, got {weights!r}; do: check the path")
    return str(path)


def _check(name: str, known: Mapping[str, object], what: str, command: str) -> None:
    if ":" in name:
        _check_import(name, what)
    elif name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UsageError(f"expected {what} out of {', '.join(known)}, got {name!r}; {hint}do: {command} lists them")


def _check_import(path: str, what: str) -> None:
    """Try it now, not after people have labeled for it."""
    module, _, attribute = path.partition(":")
    try:
        found = callable(getattr(importlib.import_module(module), attribute, None))
    except ImportError as error:
        raise UsageError(f"expected {what} as package.module:name, got {path!r}: {error}") from error
    if not found:
        raise UsageError(
            f"expected {what} as package.module:name, got {path!r}: {module} has no such function or class"
        )


def read_guidelines(path: Path | None) -> str:
    """Return the text of the guidelines file, empty without one."""
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"expected a file of guidelines, got {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"expected guidelines as UTF-8 text, got {str(path)!r}, which is not") from error
