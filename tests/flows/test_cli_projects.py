"""``borderline project``: the new settings, classes and members from a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable

from db import access, members
from flows.settings import Settings
from flows.store import open_store
from tests.flows.conftest import Said

Run = Callable[..., Said]


def listed(run: Run, what: str, *more: str) -> list:
    return json.loads(run("project", what, "birds", *more, "--json").out)


def test_settings_are_given_and_changed(run: Run) -> None:
    made = run(
        "project", "create", "birds", "--classes", "robin,wren", "--gold-share", "0.1", "--show-why", "after",
        "--confirm-share", "0.5", "--confirm-confidence", "0.9", "--spot-check-share", "0.2", "--holdout", "7",
        "--reserve", "3", "--json",
    )  # fmt: skip
    project = json.loads(made.out)
    assert (project["gold_share"], project["show_why"], project["confirm_share"]) == (0.1, "after", 0.5)
    assert (project["spot_check_share"], project["holdout_size"], project["reserve_size"]) == (0.2, 7, 3)
    edited = run("project", "edit", "birds", "--gold-share", "0", "--rename", "song birds", "--batch", "4")
    assert edited.code == 0, edited.err
    assert "gold_share is 0.0" in edited.out
    rare = ("--balance", "sampling", "--generate", "gan", "--generate-below", "40", "--copy-check-share", "0.1")
    told = run("project", "edit", "song birds", *rare).out
    for part in ("balance is sampling", "generate is gan", "generate_below is 40", "copy_check_share is 0.1"):
        assert part in told
    for wrong in (("--show-why", "often"), ("--generate", "magic"), ("--generate-below", "19")):
        assert run("project", "edit", "song birds", *wrong).code == 2


def test_an_overlap_that_nobody_can_meet_is_refused_with_the_way_out(run: Run) -> None:
    refused = run("project", "create", "birds", "--classes", "robin,wren", "--overlap", "2")
    assert refused.code == 2
    assert "1 person may answer here" in refused.err
    assert "--people-expected N" in refused.err
    made = run("project", "create", "birds", "--classes", "robin,wren", "--overlap", "2", "--people-expected", "2")
    assert made.code == 0, made.err
    assert "--people-expected" in run("project", "edit", "birds", "--max-overlap", "3").err
    assert run("project", "edit", "birds", "--max-overlap", "3", "--people-expected", "3").code == 0
    assert "max_overlap is None" in run("project", "edit", "birds", "--max-overlap", "0").out


def test_classes_are_listed_and_changed(run: Run) -> None:
    run("project", "create", "birds", "--classes", "robbin,wren,owl")
    run("project", "classes", "birds", "add", "hawk")
    run("project", "classes", "birds", "rename", "robbin", "robin")
    run("project", "classes", "birds", "key", "hawk", "h")
    shown = listed(run, "classes")
    assert [(item["class"]["name"], item["class"]["key"]) for item in shown] == [
        ("robin", "1"), ("wren", "2"), ("owl", "3"), ("hawk", "h"),
    ]  # fmt: skip
    assert [item["class"]["name"] for item in listed(run, "classes", "merge", "owl", "hawk")] == [
        "robin",
        "wren",
        "hawk",
    ]
    assert [item["class"]["name"] for item in listed(run, "classes", "remove", "hawk")] == ["robin", "wren"]
    assert "at least 2" in run("project", "classes", "birds", "remove", "wren").err
    assert "expected a class out of robin, wren" in run("project", "classes", "birds", "rename", "crow", "x").err
    assert "expected rename CLASS NEW-NAME" in run("project", "classes", "birds", "rename", "wren").err


def test_members_are_listed_paused_and_excluded(run: Run, settings: Settings) -> None:
    run("project", "create", "birds", "--classes", "robin,wren")
    with open_store(settings) as store:
        access.add_user(store.database, store.actor, "ana")
    [_, ana] = sorted(listed(run, "members", "add", "ana"), key=lambda entry: entry["user"]["name"] == "ana")
    assert (ana["user"]["name"], ana["role"], ana["state"]) == ("ana", 2, "active")
    assert {entry["state"] for entry in listed(run, "members", "pause", "ana")} == {"active", "paused"}
    assert {entry["state"] for entry in listed(run, "members", "exclude", "ana", "--yes")} == {"active", "excluded"}
    assert run("project", "members", "birds", "activate", "ana").code == 0
    assert run("project", "members", "birds", "role", "ana", "--role", "reviewer").code == 0
    assert "expected a member" in run("project", "members", "birds", "pause", "bob").err
    assert len(listed(run, "members", "remove", "ana")) == 1
    assert members.STATES == ("active", "paused", "excluded")
