"""The promise of the README: `borderline demo`, ten keys, the next round by itself, and nothing lost by a SIGKILL."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.end_to_end.conftest import Running, until

pytestmark = [pytest.mark.browser, pytest.mark.alone, pytest.mark.timeout(400)]

ANSWERS = """
    SELECT a.query_id, a.outcome, r.number AS round FROM annotations a
    JOIN users u ON u.id = a.user_id JOIN queries q ON q.id = a.query_id JOIN rounds r ON r.id = q.round_id
    WHERE u.name = 'ana' AND a.withdrawn_at IS NULL
"""
EVENTS = """
    SELECT e.answer_id, e.query_id FROM annotation_events e JOIN users u ON u.id = e.user_id
    WHERE u.name = 'ana' AND e.kind = 'answer'
"""
OPEN_ROUNDS = "SELECT number FROM rounds WHERE state = 'open'"


class Annotator:
    """A person at the keyboard: presses a digit when an image is there, and sees what the server acknowledged."""

    def __init__(self, browser: Any, running: Running) -> None:
        self.page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        self.acknowledged: set[str] = set()
        self.page.on("response", self._note)
        self.page.goto(running.address)
        self.pressed = 0

    def _note(self, response: Any) -> None:
        if "/answers" in response.url and response.status == 200:
            try:
                body = response.json()
            except Exception:  # the page was closed or the server died in the middle of its answer
                return
            self.acknowledged |= {result["id"] for result in body["results"] if result["ok"]}

    def shown(self) -> str | None:
        """The query whose image is on the screen; None while there is none."""
        found = self.page.locator(".labeler")
        return found.get_attribute("data-query") if found.count() else None

    def answer(self, count: int) -> None:
        """Press a key for each image as soon as it is there, and see the next one (or none) take its place."""
        for _ in range(count):
            query = until(self.shown, "image to answer", 120)
            self.page.keyboard.press(str(self.pressed % 10))
            until(lambda query=query: self.shown() != query, "next image after a key", 20)
            self.pressed += 1

    def close(self) -> None:
        self.page.context.close()


@pytest.fixture
def ana(browser: Any, running: Running) -> Any:
    annotator = Annotator(browser, running)
    yield annotator
    annotator.close()


def answered(running: Running) -> list[dict[str, Any]]:
    return running.rows(ANSWERS)


def test_ten_keys_are_ten_labels_and_the_next_round_comes_by_itself(running: Running, ana: Annotator) -> None:
    ana.answer(10)
    until(lambda: len(answered(running)) == 10, "ten answers in SQL")
    labels = running.rows(
        "SELECT count(*) AS n FROM labels l JOIN samples s ON s.id = l.sample_id WHERE s.split = 'pool'"
    )
    assert labels[0]["n"] == 30  # twenty that the demo starts with, ten of ana's
    until(lambda: {"number": 2} in running.rows(OPEN_ROUNDS), "second round, by itself", 120)

    def reached() -> bool:
        ana.answer(1)
        return any(row["round"] == 2 for row in answered(running))

    until(reached, "answer to a query of the second round, without a reload", 120)


def test_the_progress_page_shows_rounds_and_accuracy(running: Running, browser: Any) -> None:
    page = browser.new_page()
    page.goto(running.address)
    page.get_by_role("link", name="Progress").click()
    page.get_by_text("test images", exact=False).first.wait_for(timeout=30_000)
    assert "Traceback" not in page.content()
    page.close()


@pytest.mark.parametrize("moment", [0, 1, 2])
def test_sigkill_of_everything_loses_and_doubles_no_answer(running: Running, ana: Annotator, moment: int) -> None:
    """Kill the user's process in the middle of answering, start it again on the same port: the page goes on."""
    before = {row["answer_id"] for row in running.rows(EVENTS)}
    ana.answer(3 + 2 * moment)
    running.kill(everything=moment > 0)
    took = running.start("up")
    assert took < 60
    ana.answer(3)
    until(lambda: len(running.rows(EVENTS)) >= len(before) + ana.pressed, "every answer in SQL, after the restart", 60)
    events = [row["answer_id"] for row in running.rows(EVENTS)]
    assert len(events) == len(set(events)) == len(before) + ana.pressed
    assert ana.acknowledged <= set(events)
    queries = [row["query_id"] for row in answered(running)]
    assert len(queries) == len(set(queries))


def test_ctrl_c_stops_everything_cleanly(running: Running) -> None:
    from flows.processes import marked

    assert running.stop() == 0
    assert marked(str(running.home)) == []


def test_a_second_demo_starts_in_under_twenty_seconds(running: Running) -> None:
    took = running.start("demo")
    assert took < 20
    status = json.loads(json.dumps(running.rows("SELECT count(*) AS n FROM projects")))
    assert status == [{"n": 1}]
    assert running.stop() == 0
