"""The Project page without a browser: what it changes in the store, and what it refuses in a sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from db import access, annotations, claims, classes, commands, jobs, members, projects
from db.engine import Database
from db.errors import InvalidInput
from db.records import Actor, Answer, Project, Role
from labeler_ui import store
from labeler_ui.folders import readable_folder
from labeler_ui.pages.text import safe_markdown
from tests.labeler_ui.seed import Seeded, seed

PAGE = """
from labeler_ui.pages import project, visit
project.show(visit.sidebar())
"""


def page(seeded: Seeded, name: str = "ada") -> AppTest:
    test = AppTest.from_string(PAGE, default_timeout=60)
    test.query_params["project"] = seeded.project.name
    test.query_params["name"] = name
    test.run()
    assert not test.exception
    return test


def button(test: AppTest, label: str, key: str = "") -> AppTest:
    found = [item for item in test.button if item.label == label and key in (item.key or "")]
    test = found[0].click().run()
    assert not test.exception
    return test


def errors(test: AppTest) -> str:
    return " ".join(item.value for item in test.error).replace("\\", "")


def fresh(seeded: Seeded) -> Project:
    return projects.get_project(seeded.database, seeded.actor, seeded.project.id)


def label_some(seeded: Seeded, name: str, count: int, position: int) -> Actor:
    actor = store.actor(seeded.database, name)
    for query in claims.claim(seeded.database, actor, seeded.project.id, count):
        answer = Answer(
            answer_id=f"00000000-0000-4000-8000-{query.query_id:012d}", query_id=query.query_id, token=query.token,
            outcome="class", class_id=seeded.project.classes[position].id,
        )  # fmt: skip
        annotations.submit(seeded.database, actor, seeded.project.id, answer)
    return actor


def test_settings_are_saved_and_refusals_said(seeded: Seeded) -> None:
    test = page(seeded)
    key = f"-{seeded.project.id}"
    test.number_input(key="batch" + key).set_value(7)
    test.number_input(key="gold" + key).set_value(12.5)
    test.selectbox(key="strategy" + key).set_value("margin")
    test.selectbox(key="why" + key).set_value("after")
    button(test, "Save the settings")
    changed = fresh(seeded)
    assert (changed.batch_size, changed.gold_share, changed.strategy, changed.show_why) == (7, 0.125, "margin", "after")
    same = {"batch_size", "gold_share", "strategy", "show_why"}
    for field in dataclasses.fields(Project):
        if field.name not in same:
            assert getattr(changed, field.name) == getattr(seeded.project, field.name), field.name
    test.number_input(key="overlap" + key).set_value(9)
    assert "but 2 people may answer here" in errors(button(test, "Save the settings"))
    assert fresh(seeded).overlap == 1
    test.number_input(key="people" + key).set_value(9)
    button(test, "Save the settings")
    assert fresh(seeded).overlap == 9


def test_classes_are_added_renamed_merged_and_removed(seeded: Seeded) -> None:
    label_some(seeded, "grace", 3, 0)
    test = page(seeded)
    test.text_input(key=f"add-class-name-{seeded.project.id}").input("<b>ten</b>")
    button(test, "Add")
    assert fresh(seeded).class_names[-1] == "<b>ten</b>"
    first, second = seeded.project.classes[:2]
    test.text_input(key=f"rename-name-{first.id}").input("zero")
    button(test, "Save")
    assert fresh(seeded).class_names[0] == "zero"
    assert any("has 3 labels, 3 answers" in item.value for item in test.warning)
    test.selectbox(key=f"merge-into-{first.id}").set_value(second.id).run()
    button(test, "Merge")
    assert fresh(seeded).class_names[0] == "1"
    assert classes.usage(seeded.database, seeded.actor, seeded.project.id, second.id).labels == 3
    test.selectbox(key=f"class-{seeded.project.id}").set_value(second.id).run()
    test.radio(key=f"remove-how-{second.id}").set_value("Drop them and ask these images again").run()
    button(test, "Remove")
    assert fresh(seeded).class_names[0] == "2"
    assert seeded.labels() == 0


def test_classes_wait_for_work_that_is_under_way(seeded: Seeded) -> None:
    jobs.begin(seeded.database, seeded.actor, seeded.project.id, "round", "test")
    test = page(seeded)
    assert "a running round" in errors(button(test, "Merge"))
    assert len(fresh(seeded).classes) == 10


def test_guidelines_are_previewed_without_pictures(seeded: Seeded) -> None:
    test = page(seeded)
    text = "# Wrens\n![x](http://evil.example/x.png)"
    test.text_area(key=f"guidelines-{seeded.project.id}").input(text).run()
    assert any("&#33;[x](http" in item.value for item in test.markdown)
    button(test, "Save the guidelines")
    assert fresh(seeded).guidelines == text


def test_rounds_are_started_paused_and_canceled(seeded: Seeded) -> None:
    test = page(seeded)
    assert next(item for item in test.button if item.key == "start-round").disabled  # answers are still to come
    button(test, "Pause", "pause")
    assert fresh(seeded).state == "paused"
    button(test, "Go on")
    assert fresh(seeded).state == "active"
    button(test, "Train a model now")
    assert [item.kind for item in commands.pending(seeded.database)] == ["retrain"]
    job = jobs.begin(seeded.database, seeded.actor, seeded.project.id, "round", "test")
    assert job is not None
    button(page(seeded), "Cancel")
    [running] = jobs.running(seeded.database, seeded.project.id)
    assert running.cancel_requested
    jobs.finish(seeded.database, job, "failed", "no space on [disk](javascript:x)")
    test = page(seeded)
    assert any("no space on" in item.value and "[disk](" not in item.value for item in test.warning)
    button(test, "Try again")
    assert [item.kind for item in commands.pending(seeded.database)] == ["retrain", "round"]


def test_members_are_paused_and_excluded_with_their_answers(seeded: Seeded) -> None:
    label_some(seeded, "grace", 2, 3)
    test = page(seeded)
    people = [entry.user.name for entry in members.members(seeded.database, seeded.actor, seeded.project.id)]
    assert people == ["ada", "grace", "seeder"]
    assert any("gave 2 answers" in item.value for item in test.warning)
    button(test, "Pause", "state-")
    assert {entry.state for entry in members.members(seeded.database, seeded.actor, seeded.project.id)} == {
        "active",
        "paused",
    }
    button(test, "Exclude and withdraw")
    assert seeded.labels() == 0
    assert len(seeded.events()) == 4


def test_a_new_project_opens_itself(seeded: Seeded, database: Database) -> None:
    test = page(seeded)
    test.text_input(key="new-name").input("birds *1*")
    test.text_area(key="new-classes").input("robin\nwren")
    test.number_input(key="new-overlap").set_value(2)
    test.number_input(key="new-people").set_value(1)
    assert "2 people may answer" not in errors(button(test, "Create the project"))
    made = projects.get_project(database, seeded.actor, "birds *1*")
    assert (made.class_names, made.channels, made.overlap) == (("robin", "wren"), 3, 2)
    assert test.title[0].value == "birds \\*1\\*"
    button(test, "Create the project")
    assert "which is a project already" in errors(test)


def test_without_any_project_one_can_be_created_here(database: Database) -> None:
    test = AppTest.from_string("from labeler_ui.pages import visit\nvisit.sidebar()", default_timeout=60).run()
    test.text_input(key="new-name").input("first")
    test.text_area(key="new-classes").input("a, b, c")
    button(test, "Create the project")
    assert [entry.name for entry in projects.list_projects(database, store.actor(database, "ada"))] == ["first"]


def test_only_administrators_see_the_switches(seeded: Seeded) -> None:
    user = access.add_user(seeded.database, seeded.actor, "eve")
    members.set_role(seeded.database, seeded.actor, seeded.project.id, user.id, Role.annotator)
    script = f"""
from db.records import Actor
from labeler_ui import store
from labeler_ui.pages import project, visit
actor, found = Actor(user_id={user.id}, name="eve"), store.database()
here = visit.projects.get_project(found, actor, {seeded.project.id})
project.show(visit.Visit(database=found, actor=actor, project=here))
"""
    test = AppTest.from_string(script, default_timeout=60).run()
    assert not test.exception
    assert not test.tabs
    assert "Only administrators" in test.info[0].value


def test_a_folder_is_read_only_below_the_root(seeded: Seeded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "pictures" / "birds"
    inside.mkdir(parents=True)
    (tmp_path / "pictures" / "away").symlink_to("/etc")
    test = page(seeded)
    test.text_input(key=f"folder-{seeded.project.id}").input(str(inside))
    assert "BORDERLINE_INGEST_ROOT" in errors(button(test, "Add this folder"))  # nobody said that the page is local
    monkeypatch.setenv("BORDERLINE_INGEST_ROOT", str(tmp_path / "pictures"))
    for wrong in ("/etc", "../..", "away", "birds/../..", "nothing", "\x00", ""):
        test.text_input(key=f"folder-{seeded.project.id}").input(wrong)
        assert "Expected" in errors(button(test, "Add this folder")), wrong
    assert commands.pending(seeded.database) == []
    test.text_input(key=f"folder-{seeded.project.id}").input("birds")
    button(test, "Add this folder")
    [command] = commands.pending(seeded.database)
    assert command.payload["source"] == str(inside.resolve())
    assert command.payload["split"] is None


def test_a_url_is_taken_only_if_it_is_listed(seeded: Seeded, monkeypatch: pytest.MonkeyPatch) -> None:
    test = page(seeded)
    monkeypatch.setenv("BORDERLINE_INGEST_ROOT", "/")
    for listed in ("", "s3://pictures/birds, gs://more"):
        monkeypatch.setenv("BORDERLINE_INGEST_REMOTE", listed)
        for wrong in (
            "s3://other",
            "http://169.254.169.254/latest",
            "s3://me:verysecret@pictures/birds",
            "file:///etc",
        ):
            test.text_input(key=f"folder-{seeded.project.id}").input(wrong)
            told = errors(button(test, "Add this folder"))
            assert "BORDERLINE_INGEST_REMOTE" in told, wrong
            assert "verysecret" not in told
    assert commands.pending(seeded.database) == []
    test.text_input(key=f"folder-{seeded.project.id}").input("s3://pictures/birds/robin/")
    button(test, "Add this folder")
    [command] = commands.pending(seeded.database)
    assert command.payload["source"] == "s3://pictures/birds/robin"


def test_any_folder_may_be_read_where_only_this_computer_reaches_the_page(tmp_path: Path) -> None:
    assert readable_folder(str(tmp_path), root=None, local=True) == tmp_path.resolve()
    with pytest.raises(InvalidInput, match="expected a folder of this server"):
        readable_folder(str(tmp_path / "no"), root=None, local=True)


HARMFUL = [
    "![a](http://evil/x.png)", "\\![a](http://evil/x.png)", "![a][r]\n\n[r]: http://evil/x.png", "!\\[a](x)",
    "[a](javascript:alert(1))", "[a]( \n javascript:alert(1))", "[a](&#106;avascript:alert(1))",
    "<javascript:alert(1)>", "[r]\n\n[r]: javascript:alert(1)", "<img src=x onerror=alert(1)>", "[![a](http://evil/x.png)](https://ok.org)",
]  # fmt: skip


@pytest.mark.parametrize("text", HARMFUL)
def test_markdown_is_left_without_images_and_odd_links(text: str) -> None:
    """Parsed as CommonMark: nothing is fetched, and every link that is left leads to a web page (threat T8)."""
    markdown_it = pytest.importorskip("markdown_it")
    html = markdown_it.MarkdownIt("commonmark", {"html": False}).render(safe_markdown(text))
    assert "<img" not in html
    assert "href" not in html or 'href="http' in html


def test_ordinary_markdown_stays() -> None:
    text = "# Wrens\n\n- small: **very**\n- [more](https://ok.org/wren)\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    assert safe_markdown(text) == text


def test_two_projects_never_share_a_widget(seeded: Seeded) -> None:
    other = seed(seeded.database)
    test = page(seeded)
    test.number_input(key=f"batch-{seeded.project.id}").set_value(77)
    test.selectbox(key="borderline_project").select(other.project.name).run()
    button(test, "Save the settings")
    assert fresh(other).batch_size == 10
