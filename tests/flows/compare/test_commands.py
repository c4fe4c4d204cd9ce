"""`borderline compare` and `borderline comparisons`, as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.settings import Settings
from flows.store import open_store
from tests.flows.compare.conftest import DATA, few_digits
from tests.flows.conftest import Said

Run = Callable[..., Said]
TINY = (
    "compare", "--dataset", DATA, "--strategies", "margin,random_sampling", "--recipe", "quick", "--labels", 20,
    "--batch", 4, "--seed-labels", 16, "--seeds", 2, "--workers", 1,
)  # fmt: skip


@pytest.fixture
def images(settings: Settings) -> None:
    with open_store(settings, system=True) as store:
        few_digits(store)


def refuse(said: Said, *words: str) -> None:
    assert said.code == 2, said
    assert len(said.err.strip().splitlines()) == 1, said.err
    for word in words:
        assert word in said.err


def test_from_the_command_to_the_report(run: Run, images: None, tmp_path: Path) -> None:
    said = run(*TINY, "--json", tmp_path / "result.json", "--out", tmp_path / "report")
    assert said.code == 0, said.err
    assert "too early to tell" in said.out
    result = json.loads((tmp_path / "result.json").read_text())
    assert [arm["strategy"] for arm in result["arms"]] == ["margin", "random_sampling"]
    assert result["state"] == "done"
    report = (tmp_path / "report" / "report.html").read_text()
    assert "borderline compare --dataset" in report
    assert "autoencoder" not in said.err
    names = {path.suffix for path in (tmp_path / "report").rglob("*.*")}
    assert {".html", ".csv", ".svg", ".png", ".json"} <= names
    again = run(*TINY)
    assert again.code == 0, again.err
    assert "Going on with comparison 1: 8 of 8 points" in again.out
    listed = json.loads(run("comparisons", "list", "--json").out)
    assert [(one["id"], one["state"], one["points_done"]) for one in listed] == [(1, "done", 8)]
    assert "few digits" in run("comparisons").out
    shown = run("comparisons", "show", 1)
    assert "--strategies margin,random_sampling" in shown.out
    assert run("comparisons", "report", 1, "--out", tmp_path / "one.html").code == 0
    assert (tmp_path / "one.html").stat().st_size > 10_000
    assert "does not run" in run("comparisons", "stop", 1).out
    assert run("comparisons", "delete", 1, "--yes").code == 0
    assert "No comparison yet" in run("comparisons").out
    refuse(run("comparisons", "show", 1), "expected a comparison")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--strategies", "dflal"), ("dfal",)),
        (("--strategies", "margin,"), ("--strategies",)),
        (("--strategies", "margin,margin"), ("each once",)),
        (("--model", "lenet6"), ("lenet5",)),
        (("--recipe", "tunde"), ("recipe",)),
        (("--cold-start", "margin"), ("cold start",)),
        (("--seed-labels", "100", "--labels", "50"), ("seed labels",)),
        (("--labels", "100000"), ("labels",)),
        (("--transfer", "lenet5"), ("--transfer",)),
        (("--transfer", "vgg8:lenet5", "--model", "lenet5"), ("transfer",)),
        (("--imbalance", "0.5"), ("imbalance",)),
        (("--dataset", "no-such-folder"), ("no-such-folder",)),
        (("--json", "/no/such/folder/x.json"), ("--json",)),
        (("--strategies", "bald", "--model", "tests.flows.compare.networks:WithoutDropout"), ("dropout",)),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else str(value),
)
def test_what_cannot_be_is_told_before_hours_of_work(
    run: Run, images: None, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refuse(run(*TINY, *options), *words)
    assert run("comparisons", "list", "--json").out.strip() == "[]"
