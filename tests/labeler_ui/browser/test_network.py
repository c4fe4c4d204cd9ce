"""Nothing is lost: offline, reload, a killed server, a broken route, two people, the same answer twice."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from db.engine import Database
from tests.labeler_ui.browser.people import PageServer, Person, wait_for
from tests.labeler_ui.seed import Seeded, seed

if TYPE_CHECKING:
    from playwright.sync_api import Route

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


def test_a_reload_with_a_full_outbox_delivers_once(person: Person, server: PageServer) -> None:
    warned: list[str] = []
    person.page.on("dialog", lambda dialog: (warned.append(dialog.type), dialog.accept()))
    server.stop(signal.SIGKILL)
    person.press("1", "2", "3")
    pending(person, 3)
    with pytest.raises(Exception, match="ERR_CONNECTION_REFUSED"):
        person.page.reload()  # ends on the browser's own error page
    server.start()
    person.open()
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


def test_no_dialog_of_streamlit_covers_the_page_while_the_server_is_away(person: Person, server: PageServer) -> None:
    """Streamlit says 'Connection error' in a dialog that takes the keys; our banner says it and takes none."""
    person.decoded(4)
    server.stop(signal.SIGKILL)
    seen = "Streamlit server is not responding. Are you connected to the internet?"
    person.page.wait_for_event("console", lambda message: seen in message.text, timeout=30_000)
    person.press("1")
    assert wait_for(lambda: "No connection" in person.page.locator(".labeler").inner_text(), "banner", person.page)
    assert not person.page.get_by_role("dialog").filter(has_text="Connection error").is_visible()
    person.press("2")
    server.start()
    assert person.classes(2) == ["1", "2"]


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

    def unwell(route: Route) -> None:
        status = next(refusals, None)
        if status is None:
            route.continue_()
        else:
            route.fulfill(status=status, body="<html>busy</html>")

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


def test_an_expired_token_asks_the_page_for_a_fresh_one(person: Person) -> None:
    asked: list[object] = []

    def expired(route: Route) -> None:
        headers = {**route.request.headers, "x-borderline-token": "old.token"}
        route.continue_(headers=headers)
        person.context.unroute("**/api/**")

    person.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: asked.append(frame)))
    person.page.reload()
    person.ready()
    person.decoded(1)
    person.page.wait_for_selector("[data-test-script-state=notRunning]", state="attached")
    before = len(asked)
    person.context.route("**/api/**", expired)
    person.press("1")
    assert person.classes(1) == ["1"]
    wait_for(lambda: len(asked) > before, "the component to ask Streamlit", person.page)
