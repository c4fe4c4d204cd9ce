"""What is typed, or comes from a page, becomes one form; what cannot be is told in one sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flows.compare.options import options_of, read_augment, read_transfer, settings_of, split_strategies
from flows.errors import UsageError
from pipeline.errors import PipelineError
from tests.flows.compare.conftest import tiny


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("dfal", ("dfal",)),
        ("dfal, margin ,bald", ("dfal", "margin", "bald")),
        ("mixed(dfal_0=0.9,random_sampling=0.1),margin", ("mixed(dfal_0=0.9,random_sampling=0.1)", "margin")),
        ("core_set_robust(outliers=0.001)+copies,egl", ("core_set_robust(outliers=0.001)+copies", "egl")),
        ("a(b='x,(y'),c", ("a(b='x,(y')", "c")),
    ],
)
def test_strategies_are_split_between_settings(text: str, parts: tuple[str, ...]) -> None:
    assert split_strategies(text) == parts


@pytest.mark.parametrize("text", ["", "dfal,", ",", "mixed(dfal_0=0.9,margin", "a),b", "a(b='x,c"])
def test_strategies_that_cannot_be(text: str) -> None:
    with pytest.raises(UsageError, match="--strategies"):
        split_strategies(text)


def test_transfers() -> None:
    assert read_transfer(None) is None
    assert read_transfer("lenet5:vgg8") == ("lenet5", "vgg8")
    for text in ("lenet5", "lenet5:", ":vgg8", "a:b:c"):
        with pytest.raises(UsageError, match="--transfer"):
            read_transfer(text)


def test_augmentations_are_arms_and_stand_in_records_only_where_they_say_something() -> None:
    assert read_augment("none, balanced + gan") == ("none", "balanced+gan")
    options = tiny(augment=("none", "copies"))
    assert settings_of(json.loads(json.dumps(options.stored))) == options.settings
    assert "augment" not in tiny().stored


def test_settings_come_back_from_json() -> None:
    options = tiny(transfer=("lenet5", "vgg8"), imbalance=50.0)
    stored = json.loads(json.dumps(options.stored))
    assert settings_of(stored) == options.settings
    assert stored["dataset"] == options.dataset


def test_what_a_page_asks_for_has_the_defaults_of_the_command_line() -> None:
    asked = {"dataset": "digits", "strategies": ["dfal", "margin"], "seeds": [0, 1, 2]}
    options = options_of(asked)
    assert options.settings.strategies == ("dfal", "margin")
    assert options.settings.seeds == (0, 1, 2)
    assert (options.settings.model, options.settings.labels, options.settings.protocol) == ("lenet5", 150, "fair")


@pytest.mark.parametrize(
    "asked",
    [
        {"strategies": ["dflal"]},
        {"model": "lenet6"},
        {"recipe": "tunde"},
        {"augment": ["gna"]},
        {"cold_start": "margin"},
        {"labels": 10},
        {"seeds": []},
        {"seeds": [1, 1]},
        {"labels": "many"},
        {"dataset": " "},
        {"nonsense": 1},
    ],
    ids=str,
)
def test_what_a_page_asks_for_and_cannot_be(asked: dict[str, Any]) -> None:
    with pytest.raises((UsageError, PipelineError), match="expected"):
        options_of(asked)
