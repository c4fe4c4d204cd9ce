"""`borderline gold`: checks marked one by one and drawn from known classes, listed and retired."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.flows.conftest import Said

Run = Callable[..., Said]


@pytest.fixture
def birds(run: Run, tmp_path: Path) -> None:
    """A project of three labeled robins and three labeled wrens."""
    for number in range(6):
        path = tmp_path / "photos" / ("robin", "wren")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (12, 10, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    assert run("project", "create", "birds", "--classes", "robin,wren", "--channels", "3").code == 0
    assert run("ingest", "birds", tmp_path / "photos").code == 0


def listed(run: Run) -> dict[int, int]:
    return {entry["sample_id"]: entry["class_id"] for entry in json.loads(run("gold", "list", "birds", "--json").out)}


@pytest.mark.usefixtures("birds")
def test_checks_are_made_listed_and_retired(run: Run) -> None:
    said = run("gold", "mark", "birds", "--known", "4")
    assert (said.code, said.out) == (0, "4 checks made.\n"), said
    assert len(listed(run)) == 4
    assert sorted(listed(run).values()) == [1, 1, 2, 2]
    assert "robin" in run("gold", "list", "birds").out
    assert "No more than these" in run("gold", "mark", "birds", "--known", "9").out
    first, second = list(listed(run))[:2]
    assert run("gold", "retire", "birds", first, second).out == "2 checks are used no longer.\n"
    assert run("gold", "mark", "birds", first, "--class", "wren").out == "1 check made.\n"
    assert listed(run)[first] == 2
    assert len(listed(run)) == 5


@pytest.mark.usefixtures("birds")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "got neither"),
        (("3",), "got neither"),
        (("3", "--class", "robin", "--known", "2"), "got both"),
        (("3", "--class", "owl"), "expected a class out of robin, wren, got 'owl'"),
        (("99", "--class", "robin"), "expected a sample of this project, got the id 99"),
    ],
)
def test_what_cannot_be_marked_is_said(run: Run, words: tuple[str, ...], said: str) -> None:
    refused = run("gold", "mark", "birds", *words)
    assert refused.code == 2
    assert said in refused.err
    assert listed(run) == {}


@pytest.mark.usefixtures("birds")
def test_a_share_of_zero_is_told(run: Run) -> None:
    run("project", "edit", "birds", "--gold-share", "0")
    assert "the gold share of birds is 0" in run("gold", "mark", "birds", "--known", "1").out
