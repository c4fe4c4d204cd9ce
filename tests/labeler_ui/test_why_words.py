"""Why this image, in words: true for each strategy, and the same for all that no strategy chose."""

from __future__ import annotations

import doctest

import pytest

from db.records import ClassName, Why
from labeler_ui import why_words
from labeler_ui.why_words import NEUTRAL, distance, sentence
from pipeline.catalog import STRATEGIES

ROBIN, WREN = ClassName(id=1, name="robin"), ClassName(id=2, name="wren")


def asked(strategy: str, **more: object) -> Why:
    given = {"place": 12, "pool": 59_000, "predicted": ROBIN, "nearest": WREN, **more}
    return Why(query_id=1, sample_id=2, strategy=strategy, **given)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (
            "dfal",
            "The model is torn between robin and wren here: of 59,000 images this is the 12th closest to its border.",
        ),
        (
            "margin+copies",
            "The model is torn between robin and wren here: of 59,000 images this is the 12th closest call.",
        ),
        (
            "entropy",
            "The model takes this for robin, perhaps wren, and is not sure: of 59,000 images this is the 12th least "
            "certain.",
        ),
        (
            "bald",
            "Versions of the model disagree here, mostly between robin and wren: of 59,000 images this is the 12th "
            "most disputed.",
        ),
        (
            "batch_bald",
            "Versions of the model disagree here, mostly between robin and wren: it was picked 12th out of 59,000 "
            "images.",
        ),
        (
            "egl",
            "Knowing this image would change the model, which sees robin or wren: of 59,000 images this is the 12th "
            "most instructive.",
        ),
        (
            "margin+class_balanced+copies",
            "The model is torn between robin and wren here: it was picked 12th out of 59,000 images.",
        ),
        ("core_set", "This image was picked 12th out of 59,000 images to cover what the images look like."),
        (
            "random_sampling",
            "This image was drawn at random out of 59,000 images: it keeps the model's own choice in check.",
        ),
        ("mixed(dfal_0=0.9, random_sampling=0.1)", "This image was picked 12th out of 59,000 images."),
        ("mine.own:Strategy", "This image was picked 12th out of 59,000 images."),
    ],
)
def test_each_family_has_its_own_sentence(strategy: str, expected: str) -> None:
    assert sentence(asked(strategy)) == expected


def test_the_first_has_no_number() -> None:
    assert sentence(asked("dfal", place=1)).endswith("of 59,000 images this is the closest to its border.")


def test_what_is_not_known_is_not_said() -> None:
    assert sentence(asked("dfal", pool=None, nearest=None)) == (
        "The model is torn between two classes here: this is the 12th closest to its border."
    )
    assert sentence(asked("kmeans", pool=None)) == "This image was picked 12th to cover what the images look like."


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_every_strategy_is_in_a_family(strategy: str) -> None:
    assert strategy in why_words._FAMILIES or strategy == "random_sampling"
    for place in (1, 3):
        said = sentence(asked(strategy, place=place))
        assert said.endswith(".")
        assert "{" not in said
        assert "None" not in said


@pytest.mark.parametrize(
    ("strategy", "end"),
    [
        ("typiclust", ", chosen to cover what the images look like."),
        ("random_sampling", ", drawn at random."),
        ("mine.own:Strategy", "is among the first."),
    ],
)
def test_a_cold_start_says_that_it_is_among_the_first(strategy: str, end: str) -> None:
    said = sentence(asked(strategy, cold_start=True, predicted=None, nearest=None))
    assert said.startswith("There is no model yet, so this image is among the first")
    assert said.endswith(end)


def test_without_a_place_the_sentence_is_the_same_for_all() -> None:
    assert sentence(Why(query_id=1, sample_id=2)) == NEUTRAL
    assert sentence(asked("dfal", place=None, cold_start=True)) == sentence(asked("dfal", place=None)) == NEUTRAL
    for word in ("gold", "check", "quality", "holdout", "known", "test"):
        assert word not in NEUTRAL.lower()


def test_the_examples_are_true() -> None:
    assert doctest.testmod(why_words).failed == 0


def test_names_are_only_text() -> None:
    strange = ClassName(id=1, name="{nearest} %s <b>")
    assert "{nearest} %s <b> and wren" in sentence(asked("dfal", predicted=strange))


def test_a_distance_is_a_length_and_nothing_else() -> None:
    assert distance(asked("margin+copies", score=1.4, distance=0.3)) == 0.3
    assert distance(asked("dfal_0", score=0.25)) == 0.25
    assert distance(asked("margin", score=1.4)) is None
    assert distance(Why(query_id=1, sample_id=2)) is None
