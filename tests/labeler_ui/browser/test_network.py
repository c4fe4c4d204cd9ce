"""Nothing is lost: offline, reload, a killed server, a broken route, two people, the same answer twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from db.engine import Database
from tests.labeler_ui.browser.conftest import PageServer, Person, wait_for
from tests.labeler_ui.seed import Seeded, seed

pytestmark = pytest.mark.browser


def pending(person: Person, count: int) -> None:
    person.page.wait_for_selector(f".labeler[data-pending='{count}']")


def kinds(seeded: Seeded) -> list[str]:
    return [event["kind"] for event in seeded.events()]


def test_offline_then_online(person: Person) -> None:
    person.context.set_offline(True)
    person.press("1", "2", "3")
    pending(person, 3)
    person.page.get_by_text("3 answers are safe here").wait_for()
    assert person.mine() == []
    person.context.set_offline(False)
    assert person.classes(3) == ["1", "2", "3"]
    person.page.get_by_text("answers are safe here").wait_for(state="hidden")


def test_undo_and_a_new_answer_while_offline(person: Person) -> None:
    first = person.query()
    person.context.set_offline(True)
    person.press("1", "u", "5")
    pending(person, 3)
    person.context.set_offline(False)
    [row] = person.saved(1)
    assert (str(row["query_id"]), row["class_name"]) == (first, "5")
    assert kinds(person.seeded) == ["answer", "undo", "answer"]


def test_a_reload_with_a_full_outbox_delivers_once(person: Person) -> None:
    warned: list[str] = []
    person.page.on("dialog", lambda dialog: (warned.append(dialog.type), dialog.accept()))
    server = person.server.process
    assert server is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        person.press("1", "2", "3")
        pending(person, 3)
        person.page.evaluate("() => { setTimeout(() => location.reload(), 0) }")
        wait_for(lambda: warned, "the browser to warn about answers that are not saved", person.page)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    person.ready()
    assert person.classes(3) == ["1", "2", "3"]
    assert kinds(person.seeded) == ["answer"] * 3
    assert warned == ["beforeunload"]
    person.press("u")
    person.press("9")
    assert person.classes(3) == ["1", "2", "9"]


def test_a_killed_server_loses_nothing(person: Person, server: PageServer) -> None:
    person.press("1")
    person.saved(1)
    server.stop(signal.SIGKILL)
    person.press("2", "3")
    pending(person, 2)
    server.start()
    assert person.classes(3) == ["1", "2", "3"]
    assert kinds(person.seeded) == ["answer"] * 3
    person.press("4")
    assert person.classes(4) == ["1", "2", "3", "4"]


def test_the_second_way_when_the_route_is_blocked(person: Person) -> None:
    person.context.route("**/answers", lambda route: route.abort())
    person.context.route("**/undo", lambda route: route.abort())
    person.press("1", "2", "3")
    assert person.classes(3) == ["1", "2", "3"]
    person.press("u", "8")
    wait_for(lambda: len(person.seeded.events()) == 5, "undo and a new answer by the second way", person.page)
    assert person.classes(3) == ["1", "2", "8"]


def test_a_server_that_answers_with_errors_gets_them_again(person: Person) -> None:
    refusals = iter([500, 503, 401])

    def unwell(route: object) -> None:
        status = next(refusals, None)
        if status is None:
            route.continue_()  # type: ignore[attr-defined]
        else:
            route.fulfill(status=status, body="<html>busy</html>")  # type: ignore[attr-defined]

    person.context.route("**/answers", unwell)
    person.press("1", "2")
    assert person.classes(2) == ["1", "2"]
    assert kinds(person.seeded) == ["answer"] * 2


def test_the_same_request_twice_is_one_answer(person: Person) -> None:
    person.context.route("**/answers", lambda route: (route.fetch(), route.continue_()))
    person.press("1", "2")
    assert person.classes(2) == ["1", "2"]
    assert kinds(person.seeded) == ["answer"] * 2


def test_two_people_get_different_images(visit: Callable[..., Person], store: Database) -> None:
    seeded = seed(store, images=40, k=20, reserve=0)
    ada, grace = visit(seeded, "ada"), visit(seeded, "grace", own_context=True)
    ada.decoded(5), grace.decoded(5)
    for _ in range(5):
        ada.press("1")
        grace.press("2")
    hers, others = ada.saved(5), grace.saved(5)
    assert not {row["sample_id"] for row in hers} & {row["sample_id"] for row in others}
    assert {row["class_name"] for row in others} == {"2"}


def test_answers_are_still_sent_after_leaving_the_page(person: Person) -> None:
    person.context.set_offline(True)
    person.press("1", "2")
    pending(person, 2)
    person.page.get_by_role("link", name="Progress").click()
    person.context.set_offline(False)
    wait_for(lambda: len(person.mine()) == 2, "answers sent from another page", person.page)
    assert [row["class_name"] for row in person.mine()] == ["1", "2"]


def test_an_expired_token_is_renewed_through_the_page(person: Person) -> None:
    def expired(route: object) -> None:
        headers = {**route.request.headers, "x-borderline-token": "old.token"}  # type: ignore[attr-defined]
        route.continue_(headers=headers)  # type: ignore[attr-defined]
        person.context.unroute("**/api/**")

    person.context.route("**/api/**", expired)
    person.press("1")
    assert person.classes(1) == ["1"]
