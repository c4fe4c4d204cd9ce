"""The figures that a run leaves in Prefect, and the same in words that no name can turn into markup."""

from __future__ import annotations

from db import model_versions
from flows.report import SilentReporter
from flows.retrain import retrain_project
from flows.run_artifacts import figures, in_words
from flows.store import Store
from tests.flows.conftest import DIGITS, make_project, read_digits


def test_the_figures_of_a_run(store: Store) -> None:
    project = make_project(store, "<b>digits</b>", classes=("[0](javascript:x)", *DIGITS[1:]))
    assert figures(project, 0, None) == [{"figure": "Labels", "value": "0"}]
    project = make_project(store, "digits")
    read_digits(store, project, 120, labels="use")
    outcome = retrain_project(store, project.id, SilentReporter())
    version = model_versions.get(store.database, store.actor, project.id, outcome.model_version_id)
    rows = {row["figure"]: row["value"] for row in figures(project, 1234, version)}
    assert rows["Labels"] == "1,234"
    assert rows["Labels it learned from"] == str(version.labels_used)
    test = version.metrics["test"]
    assert rows["Accuracy on test"] == f"{test['accuracy']:.1%} of {test['total']} images"
    assert rows["Found of 3 on test"] == f"{test['class_recall']['3']:.1%}"


def test_names_are_no_markup(store: Store) -> None:
    project = make_project(store, "<b>*x*</b>")
    said = in_words(project, [{"figure": "Found of [a](javascript:x)", "value": "1.0%"}], "All is well.")
    assert "<b>" not in said
    assert "](" not in said.replace("\\](", "")
    assert "All is well." in said
