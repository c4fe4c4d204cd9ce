"""The charts are held against the Vega-Lite schema that Altair brings, drawn for real as SVG, and counted."""

from __future__ import annotations

import json
import re
from pathlib import Path

import altair
import jsonschema
import pytest

from pipeline.reports import png, svg
from pipeline.statistics import charts, summarize
from pipeline.statistics.charts.looks import looks
from tests.pipeline.statistics.made import LABELS, run, runs

ARMS = ("dfal", "random_sampling", "margin")


FIGURES = {
    "class_labels": [[9, 9, k] for k in range(4)],
    "class_recall": [[0.9, 0.8, 0.1 * k] for k in range(4)],
    "query_seconds": [None, 1.0, 1.0, 1.0],
    "train_seconds": [2.0] * 4,
}


def curves(seeds: int) -> list:
    bonuses = zip(ARMS, (0.1, 0.0, 0.09), strict=True)
    return [curve for arm, bonus in bonuses for curve in runs(arm, bonus, range(seeds), **FIGURES)]


SUMMARY = summarize(curves(6))
POINTS = [charts.MapPoint(x=x, y=x * x, class_name=f"class {x}") for x in range(5)] + [
    charts.MapPoint(x=x, y=0.5, class_name="cat", arm=arm, round=x) for x in range(3) for arm in ("dfal", "margin")
]


def marks(drawn: str, kind: str) -> list[str]:
    """Return the drawn marks of a kind, groups by groups."""
    return re.findall(rf'<g class="mark-{kind} role-mark[^>]*>(.*?)</g>', drawn, flags=re.DOTALL)


def paths(groups: list[str]) -> int:
    return sum(len(re.findall(r'<path[^>]* d="[^"]+', group)) for group in groups)


def titles(drawn: str) -> list[str]:
    return re.findall(r"<title>(.*?)</title>", drawn)


def test_learning_curves_have_a_line_a_band_and_points_for_each_arm() -> None:
    drawn = svg(charts.learning_curves(SUMMARY))
    assert paths(marks(drawn, "area")) == 3
    assert paths(marks(drawn, "line")) == 3
    assert len(titles(drawn)) == 3 * len(LABELS)
    assert re.fullmatch(r"dfal, 20 labels: \d\d\.\d % \[\d\d\.\d, \d\d\.\d\], 6 seeds", titles(drawn)[0])


def test_few_seeds_are_drawn_one_by_one_without_bands() -> None:
    drawn = svg(charts.learning_curves(summarize(curves(3))))
    assert paths(marks(drawn, "area")) == 0
    assert paths(marks(drawn, "line")) == 3 * 3 + 3


def test_a_transfer_has_a_panel_for_each_network() -> None:
    arms = [("dfal", ""), ("margin", ""), ("dfal to vgg8", "vgg8"), ("margin to vgg8", "vgg8")]
    summary = summarize([c for arm, trains in arms for c in runs(arm, 0.1, range(5), trains=trains)])
    drawn = svg(charts.learning_curves(summary))
    assert drawn.count("trains vgg8") >= 1
    assert paths(marks(drawn, "line")) == 4


def test_differences_show_every_other_arm_with_its_interval() -> None:
    drawn = svg(charts.difference_plot(SUMMARY))
    assert sorted(title.split(":")[0] for title in titles(drawn)) == [
        "dfal against margin", "dfal against random_sampling",
    ]  # fmt: skip
    assert "corrected p" in titles(drawn)[0]
    over = svg(charts.differences_over_labels(SUMMARY))
    assert len(titles(over)) == 2 * len(LABELS)
    assert paths(marks(over, "area")) == 2


def test_the_reference_can_be_another_arm() -> None:
    spec = charts.difference_plot(SUMMARY, "random_sampling")
    rows = {row["arm"]: row for row in spec["data"]["values"]}
    assert rows["dfal"]["difference"] < -5
    assert rows["dfal"]["low"] < rows["dfal"]["difference"] < rows["dfal"]["high"]
    assert rows["dfal"]["outcome"] == "loses"


def test_the_matrices_have_a_cell_for_every_two_arms() -> None:
    rows = charts.win_loss(SUMMARY)["data"]["values"]
    assert len(rows) == 6
    cell = {(row["row"], row["column"]): row for row in rows}
    assert cell["dfal", "random_sampling"]["outcome"] == "wins"
    assert cell["random_sampling", "dfal"]["outcome"] == "loses"
    assert cell["dfal", "random_sampling"]["shown"].startswith("+")
    for spec in (charts.win_loss(SUMMARY), charts.share_ahead(SUMMARY)):
        assert len(titles(svg(spec))) == 6


def test_time_coverage_and_rare_classes() -> None:
    assert len(titles(svg(charts.seconds_per_round(SUMMARY)))) == 6
    assert len(titles(svg(charts.class_coverage(SUMMARY)))) == 3 * len(LABELS)
    assert "rare class (%)" in svg(charts.rare_class_recall(SUMMARY))


def test_what_was_not_measured_has_no_chart() -> None:
    bare = summarize(runs("dfal", 0, range(3)))
    for chart in (
        charts.seconds_per_round, charts.class_coverage, charts.rare_class_recall, charts.difference_plot,
        charts.differences_over_labels, charts.win_loss, charts.share_ahead,
    ):  # fmt: skip
        assert chart(bare) is None
    assert charts.queries_chart(POINTS[:5]) is None
    assert svg(charts.learning_curves(bare)).startswith("<svg")
    assert svg(charts.learning_curves(summarize([run("a", 0, [0.5])]))).startswith("<svg")


def test_every_spec_is_vega_lite() -> None:
    place = next(Path(altair.__file__).parent.rglob("vega-lite-schema.json"))
    checker = jsonschema.Draft7Validator(json.loads(place.read_text()))
    specs = [
        *(make(SUMMARY) for make in (charts.learning_curves, charts.difference_plot, charts.differences_over_labels)),
        *(make(SUMMARY) for make in (charts.win_loss, charts.share_ahead, charts.seconds_per_round)),
        *(make(SUMMARY) for make in (charts.class_coverage, charts.rare_class_recall)),
        *(charts.queries_chart(POINTS, color=color) for color in ("round", "class")),
    ]
    for spec in specs:
        assert checker.is_valid(spec), spec["description"]
        json.dumps(spec, allow_nan=False)


@pytest.mark.parametrize("color", ["round", "class"])
def test_the_map_has_a_panel_for_each_arm_over_the_same_pool(color: str) -> None:
    drawn = svg(charts.queries_chart(POINTS, color=color))
    assert titles(drawn).count("cat, asked in the seed set") == 2
    assert titles(drawn).count("cat, asked in round 2") == 2
    assert paths(marks(drawn, "symbol")) == 2 * (5 + 3)


def test_pngs_are_pngs() -> None:
    assert png(charts.difference_plot(SUMMARY), scale=1).startswith(b"\x89PNG\r\n\x1a\n")


def test_names_full_of_markup_stay_text() -> None:
    evil = "<img src=x onerror=alert(1)>\"&'"
    summary = summarize([*runs(evil, 0.1, range(5)), *runs("]]>\"';alert(1)//", 0, range(5))])
    for spec in (charts.learning_curves(summary), charts.difference_plot(summary), charts.win_loss(summary)):
        drawn = svg(spec)
        assert "<img" not in drawn
        assert "&lt;img src=x" in drawn


def contrast(color: str, ground: str) -> float:
    def light(hexes: str) -> float:
        parts = [int(hexes[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(color), light(ground)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_arm_has_a_look_of_its_own_that_can_be_seen_on_both_grounds() -> None:
    issue = (
        "random_sampling random_sampling+copies margin logit_gap entropy bald batch_bald ceal core_set egl badge dfal_0"
    )
    arms = ["dfal", *issue.split(), "mine:A", "mine:B", *(f"own {n}" for n in range(12))]
    found = looks(arms)
    assert len(set(found.values())) == len(arms)
    for look in found.values():
        assert contrast(look.color, "#ffffff") >= 3
        assert contrast(look.color, "#12131a") >= 3
    assert looks(["margin", "dfal"])["dfal"] == found["dfal"]
