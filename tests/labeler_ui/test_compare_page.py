"""The Compare page without a browser: what it shows in every state, who may do what, what wishes it writes."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from db import access, comparison_log, comparisons, jobs, projects
from db.engine import Database
from db.records import ProjectSpec, Role
from labeler_ui import compare_rows as rows
from labeler_ui.pages import compare_data, compare_downloads, compare_images, compare_map, compare_report, visit
from labeler_ui.pages.compare import TABS
from labeler_ui.pages.compare_data import by_arm
from labeler_ui.pages.compare_new import problem_of
from labeler_ui.query_map import Places, map_points
from pipeline.reports import html_page
from pipeline.statistics import summarize
from tests.labeler_ui.comparison_scene import ARMS, LABELS, SEEDS, Stored, runs, stored
from tests.labeler_ui.seed import seed
from tests.labeler_ui.test_pages import texts

HOSTILE = "<img src=x onerror=alert(1)>[x](javascript:alert(1)) :red[y]"
PAGE = """
from labeler_ui.pages import compare, visit
compare.show(visit.sidebar())
"""


def compare_page(*scenes: Stored, name: str = "ada", tab: str = TABS[0]) -> AppTest:
    test = AppTest.from_string(PAGE, default_timeout=60)
    test.query_params["name"] = name
    if scenes:
        test.query_params["project"] = str(scenes[0].project.id)
        test.query_params["comparison"] = ",".join(str(scene.id) for scene in scenes)
    test.session_state["compare-tab"] = tab
    return test.run()


def said(test: AppTest) -> str:
    """What can be read, without the strokes that keep Markdown from taking it as markup."""
    return texts(test).replace("\\", "")


def small(database: Database, **changes: object) -> Stored:
    return stored(database, **{"arms": ARMS[-2:], "images": 150, **changes})


def buttons(test: AppTest) -> dict[str, object]:
    return {button.label: button for button in test.button}


def commands_of(scene: Stored) -> list[tuple[str, object]]:
    from db import commands

    return [(command.kind, command.payload) for command in commands.pending(scene.database)]


def test_without_a_comparison_the_page_teaches_how_to_start_one(database: Database) -> None:
    seed(database)
    test = compare_page()
    assert not test.exception
    assert "borderline compare --dataset digits" in said(test)
    assert "Start the comparison" in buttons(test)


def test_every_tab_of_a_finished_comparison_can_be_drawn(database: Database) -> None:
    scene = small(database)
    for tab in TABS:
        test = compare_page(scene, tab=tab)
        assert not test.exception, tab
        assert len(test.main.children) > 3


def test_the_verdict_comes_first_and_can_be_about_another_arm(database: Database) -> None:
    scene = stored(database)
    test = compare_page(scene)
    assert "dfal beats core_set by" in said(test)
    test.selectbox(key=f"reference-{scene.id}").select("core_set").run()
    assert "#### core_set loses to" in said(test)


def test_a_running_comparison_tells_how_far_it_is_and_can_be_stopped(database: Database) -> None:
    scene = small(database, state="running", share=0.5)
    test = compare_page(scene)
    shown = said(test)
    assert "Running: 30 of 60 models" in shown
    buttons(test)["Stop"].click()
    test.run()
    [job] = jobs.running(database, scene.project.id)
    assert job.cancel_requested


def test_a_stopped_comparison_goes_on_by_a_wish(database: Database) -> None:
    scene = small(database, state="stopped", share=0.3)
    test = compare_page(scene)
    assert "Nothing is lost" in said(test)
    buttons(test)["Go on"].click()
    test.run()
    [(kind, _payload)] = commands_of(scene)
    assert kind == "compare"


def test_failures_are_said_in_plain_words_and_never_become_markup(database: Database) -> None:
    scene = small(database, state="failed", share=0.9, failing=f"the disk is full: {HOSTILE}")
    test = compare_page(scene)
    warnings = "\n".join(element.value for element in test.warning)
    assert "the disk is full" in warnings
    assert "[x](" not in warnings.replace("\\", "\0")
    assert not test.exception


def test_hostile_names_stay_text_everywhere(database: Database) -> None:
    scene = small(database, name=HOSTILE, arms=("random_sampling", HOSTILE))
    for tab in TABS:
        test = compare_page(scene, tab=tab)
        assert not test.exception
        for kind in ("markdown", "caption", "warning", "info"):
            assert "[x](" not in "".join(element.value for element in getattr(test, kind)), (tab, kind)


def test_somebody_without_a_role_in_the_data_does_not_see_it(database: Database) -> None:
    scene = small(database)
    other = projects.create_project(database, scene.actor, ProjectSpec(name="birds", classes=("a", "b")))
    guest = access.add_user(database, scene.actor, "guest")
    access.add_member(database, scene.actor, other.id, guest.id, Role.viewer)
    assert comparisons.list_comparisons(database, access.Actor(user_id=guest.id, name="guest")) == []


GUEST = """
from db import access, projects
from labeler_ui import store
from labeler_ui.pages import compare, visit
actor = access.Actor(user_id={user}, name="guest")
project = projects.get_project(store.database(), actor, {project})
compare.show(visit.Visit(database=store.database(), actor=actor, project=project))
"""


def test_a_viewer_looks_and_changes_nothing(database: Database) -> None:
    scene = small(database, state="stopped", share=0.5)
    guest = access.add_user(database, scene.actor, "guest")
    access.add_member(database, scene.actor, scene.project.id, guest.id, Role.viewer)
    test = AppTest.from_string(GUEST.format(user=guest.id, project=scene.project.id), default_timeout=60).run()
    assert not test.exception
    assert "Nothing is lost" in said(test)
    assert "Go on" not in buttons(test)
    assert "Start the comparison" not in buttons(test)


def test_two_comparisons_lie_over_each_other_without_a_test(database: Database) -> None:
    test = compare_page(small(database), small(database, arms=("dfal", "random_sampling")))
    assert not test.exception
    assert "no differences are tested between them" in said(test)


def test_a_comparison_deleted_meanwhile_is_left_out(database: Database) -> None:
    scene, other = small(database), small(database)
    comparisons.delete(database, scene.actor, scene.id)
    test = compare_page(scene, other)
    assert not test.exception
    assert test.multiselect(key="compare-pick").value == [other.id]


def test_newer_points_are_in_the_next_look(database: Database) -> None:
    scene = small(database, state="stopped", share=0.5)
    before = list(compare_page(scene, tab="Tables").dataframe[1].value["Strategy"])
    [waiting, *_] = [run for run in comparisons.runs(database, scene.actor, scene.id) if not run.points]
    comparison_log.record_point(database, scene.actor, waiting.id, runs(range(400))[0].points[0])
    after = list(compare_page(scene, tab="Tables").dataframe[1].value["Strategy"])
    assert (before, sorted(after)) == (["dfal"], ["dfal", "dfal_0"])


def test_the_form_says_what_is_missing() -> None:
    whole = {"dataset": "digits", "strategies": ["dfal", "margin"], "labels": 100, "seed_labels": 20}
    assert problem_of(whole) == ""
    assert "images" in problem_of({**whole, "dataset": "  "})
    assert "two strategies" in problem_of({**whole, "strategies": ["dfal"]})
    assert "first round" in problem_of({**whole, "seed_labels": 200})


def test_starting_one_leaves_a_wish_with_the_options(database: Database) -> None:
    scene = small(database)
    test = compare_page(scene)
    buttons(test)["Start the comparison"].click()
    test.run()
    [(kind, payload)] = commands_of(scene)
    assert kind == "compare"
    assert payload["strategies"][0] == "dfal"
    assert payload["dataset"] == "digits"


SUMMARY = summarize([curve for found in by_arm(runs(range(400)), ARMS).values() for curve in found])


def test_arms_come_in_the_order_they_were_typed_in() -> None:
    shuffled = sorted(runs(range(400)), key=lambda run: (run.seed, run.arm))
    assert list(by_arm(shuffled, ARMS)) == list(ARMS)
    assert next(iter(by_arm(shuffled, ("dfal",)))) == "dfal"


def test_tables_say_what_the_summary_says() -> None:
    areas = rows.area_rows(SUMMARY)
    assert [row["Strategy"] for row in areas][:1] == ["dfal"]
    assert areas[0]["Area"] == pytest.approx(100 * SUMMARY.arm("dfal").area.mean)
    assert areas[0]["Seeds"] == str(len(SEEDS))
    against = rows.pair_rows(SUMMARY, "random_sampling")
    assert {row["Against"] for row in against} == {"random_sampling"}
    best = next(row for row in against if row["Strategy"] == "dfal")
    pair = SUMMARY.pair("dfal", "random_sampling")
    assert pair is not None
    assert best["Difference"] == pytest.approx(100 * abs(pair.area.mean))
    assert best["So"] == "dfal is better"
    assert best["Interval"].startswith("+")
    assert len(rows.pair_rows(SUMMARY)) == len(SUMMARY.pairs)


def test_wins_and_losses_mirror_each_other() -> None:
    square = {row["Strategy"]: row for row in rows.win_rows(SUMMARY)}
    assert square["dfal"]["random_sampling"] == f"{len(SEEDS)} of {len(SEEDS)} *"
    assert square["random_sampling"]["dfal"] == f"0 of {len(SEEDS)}"
    assert square["dfal"]["dfal"] == rows.NOTHING


def test_targets_count_seeds_that_never_get_there() -> None:
    arms = by_arm(runs(range(400)), ARMS)
    hard = {row["Strategy"]: row for row in rows.target_rows(arms, 0.99)}
    assert hard["core_set"]["Median labels"] == "not reached by half"
    assert hard["core_set"]["Reached by"] == f"0 of {len(SEEDS)} seeds"
    easy = rows.target_rows(arms, 0.7)
    medians = [float(row["Median labels"]) for row in easy]
    assert medians == sorted(medians)
    assert all(LABELS[0] <= median <= LABELS[-1] for median in medians)


def test_budgets_that_nobody_paid_for_are_a_dash() -> None:
    arms = by_arm(runs(range(400)), ARMS)
    [first, *_] = rows.budget_rows(arms, [LABELS[0] - 1, LABELS[1]], 0.95)
    assert first[f"{LABELS[0] - 1} labels"] == rows.NOTHING
    assert "%" in first[f"{LABELS[1]} labels"]


def test_the_truth_of_a_project_that_people_label_stays_hidden(database: Database) -> None:
    labeled, scene = seed(database), small(database)
    here = visit.Visit(database=database, actor=scene.actor, project=scene.project)
    ids = [scene.comparison().id, *range(1, 200)]
    assert compare_images.classes_of(here, scene.project, ids) != {}
    marked = dataclasses.replace(scene.project, kind="labeling")
    assert compare_images.classes_of(here, marked, ids) == {}
    assert compare_images.classes_of(here, labeled.project, ids) == {}


def test_a_map_that_was_changed_or_is_none_is_said(database: Database) -> None:
    scene = small(database)
    here = visit.Visit(database=database, actor=scene.actor, project=scene.project)
    places = compare_map.places_of(here, scene.comparison(), scene.project)
    assert places is not None
    assert len(places.ids) == len(places.class_names) == 150
    [file] = comparisons.files_of(database, scene.actor, scene.id)
    path = database.home / file.path
    path.write_bytes(path.read_bytes().replace(b"1", b"2"))
    with pytest.raises(ValueError, match="changed since"):
        compare_map.places_of(here, scene.comparison(), scene.project)
    test = compare_page(scene, tab="Map")
    assert not test.exception
    assert "changed since it was made" in said(test)


def test_the_map_shows_what_was_asked_up_to_a_round() -> None:
    places = Places(ids=np.arange(100, 500), xy=np.zeros((400, 2)))
    run = next(run for run in runs(range(100, 500)) if run.arm == "dfal")
    points = map_points(places, run.points, "dfal", 1)
    asked = [entry for entry in points if entry.arm == "dfal"]
    assert sorted(entry.round for entry in asked) == [0] * LABELS[0] + [1] * (LABELS[1] - LABELS[0])
    assert len(points) == 400


def test_the_page_imports_no_torch() -> None:
    code = "import sys, labeler_ui.pages.compare; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_download_can_be_made(database: Database) -> None:
    scene = small(database)
    here = visit.Visit(database=database, actor=scene.actor, project=scene.project)
    comparison = scene.comparison()
    found = compare_data.found(here, comparison)
    page = html_page(compare_report.report_of(here, comparison, scene.project, found, found.summary))
    assert "dfal beats dfal_0" in page
    assert page.count("<img") >= 10  # what was asked, and nothing is fetched for it
    assert "http://" not in page.replace("http://www.w3.org", "")
    for kind, begins in (("svg", b"<svg"), ("png", b"\x89PNG")):
        archive = zipfile.ZipFile(io.BytesIO(compare_downloads.charts(found, found.summary, kind)))
        assert "learning_curves." + kind in archive.namelist()
        assert all(archive.read(name).startswith(begins) for name in archive.namelist())
    tables = zipfile.ZipFile(io.BytesIO(compare_downloads.tables(found, found.summary)))
    lines = tables.read("points.csv").decode("utf-8-sig").splitlines()
    assert len(lines) == 1 + 2 * len(SEEDS) * len(LABELS)
    told = json.loads(compare_downloads.figures_json(comparison, found.summary))
    assert told["verdict"] == found.summary.verdict
    assert told["settings"]["model"] == "lenet5"
