"""The files of a report: JSON as the issue has it, CSV that no spreadsheet runs, Markdown, pictures."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from db.exchange.cells import plain_text
from pipeline.reports import areas_csv, markdown, paired_csv, points_csv, to_json, write_report
from pipeline.reports.cells import formula_safe
from pipeline.reports.class_table import classes_table
from pipeline.statistics import Curve, summarize
from tests.pipeline.reports.made import made_report
from tests.pipeline.statistics.made import run


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_json_has_what_the_issue_names() -> None:
    report = made_report()
    found = json.loads(json.dumps(to_json(report.summary, device="CPU", versions={"torch": "2"}), allow_nan=False))
    assert {"arms", "paired", "verdict", "device", "versions"} <= set(found)
    arm, pair = found["arms"][0], found["paired"][0]
    assert (arm["strategy"], arm["seeds"]) == ("dfal", [0, 1, 2, 3, 4])
    assert arm["area"] == pytest.approx(report.summary.arm("dfal").area.mean)
    assert {"labels", "mean", "low", "high"} <= set(arm["curve"][0])
    assert (pair["a"], pair["b"]) == ("dfal", "random_sampling")
    assert pair["low"] < pair["difference"] < pair["high"]
    assert pair["p"] == report.summary.pairs[0].area.p
    assert (found["verdict"], found["device"], found["versions"]) == (report.summary.verdict, "CPU", {"torch": "2"})


def test_points_hold_every_figure_of_every_run_in_full() -> None:
    report = made_report()
    found = rows(points_csv(report.curves))
    assert len(found) == sum(len(curve.labels) for curve in report.curves)
    first = found[0]
    curve = report.curves[0]
    assert (first["arm"], first["seed"], first["labels"]) == ("dfal", "0", "20")
    assert float(first["accuracy"]) == curve.accuracy[0]
    assert (first["recall_0"], first["recall_1"], first["labels_0"]) == ("0.9", "", "9")
    assert (first["query_seconds"], first["train_seconds"]) == ("", "2.0")
    bare = rows(points_csv([run("a", 0, [0.5]), *report.curves]))[0]
    assert (bare["arm"], bare["recall_0"], bare["labels_2"], bare["train_seconds"]) == ("a", "", "", "")


def test_areas_and_pairs() -> None:
    summary = made_report().summary
    assert [float(row["area"]) for row in rows(areas_csv(summary))] == [arm.area.mean for arm in summary.arms]
    pair = rows(paired_csv(summary))[0]
    assert float(pair["difference"]) == summary.pairs[0].area.mean
    assert (pair["winner"], pair["labels_from"], pair["labels_to"]) == ("dfal", "20", "80")


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@x", "a;=1+1", "\t=1", "=1", "'=1"])
def test_a_spreadsheet_takes_no_name_for_a_formula(name: str) -> None:
    report = made_report(name, "plain")
    for text in (points_csv(report.curves), areas_csv(report.summary), paired_csv(report.summary)):
        cells = [cell for line in csv.reader(io.StringIO(text, newline="")) for cell in line]
        assert name not in cells
        assert formula_safe(name) in cells
    assert plain_text(formula_safe(name)) == name  # the store's exports mean the same


def test_markdown_has_the_tables_with_the_published_one_beside_ours() -> None:
    text = markdown(made_report())
    assert "| arm" in text
    assert "84.28" in text
    assert "Theirs: Ducoffe and Precioso" in text
    lines = text.splitlines()
    for place, line in enumerate(lines):
        if line.startswith("| -"):
            assert line.count("|") == lines[place - 1].count("|") == lines[place + 1].count("|")


def test_names_full_of_markup_stay_text_in_markdown() -> None:
    text = markdown(made_report("a|b`<b>[x](y)", "c`` ``d"))
    assert "<b>" not in text.replace("`` borderline compare a|b`<b>[x](y) ``", "").replace(
        "`` CPU a|b`<b>[x](y) ``", ""
    )
    assert r"a\|b\`&lt;b&gt;\[x\](y)" in text


def test_a_folder_gets_everything_and_a_path_the_page_alone(tmp_path: Path) -> None:
    report = made_report()
    files = write_report(tmp_path / "out" / "digits", report)
    names = {file.name for file in files}
    assert files[0].name == "report.html"
    assert {"report.md", "comparison.json", "points.csv", "areas.csv", "paired.csv"} <= names
    assert {"learning_curves.svg", "learning_curves.png", "win_loss.png", "queries_map.svg"} <= names
    assert sorted(file.name for file in (tmp_path / "out" / "digits").iterdir()) == sorted(names)
    assert "currentColor" not in (tmp_path / "out" / "digits" / "learning_curves.svg").read_text()
    alone = tmp_path / "alone.html"
    assert write_report(alone, report) == [alone]
    assert alone.read_bytes() == files[0].read_bytes()


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    place = tmp_path / "report.html"
    place.mkdir()
    with pytest.raises(OSError, match=r"report\.html"):
        write_report(place, made_report())
    assert list(tmp_path.iterdir()) == [place]


def test_every_class_alike_is_told_where_it_was_measured() -> None:
    bare = [Curve(arm=arm, seed=0, labels=[10], accuracy=[0.5]) for arm in ("a", "b")]
    assert classes_table(summarize(bare)) is None
    told = [replace(curve, balanced_accuracy=[0.4], calibration_error=[0.125]) for curve in bare]
    table = classes_table(summarize(told))
    assert table is not None
    assert table.rows == (("a", "40.0", "–", "12.5"), ("b", "40.0", "–", "12.5"))
