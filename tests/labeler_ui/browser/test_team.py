"""A team in real browsers: the first administrator, an invitation, a label, a logout that ends everything at once."""

from __future__ import annotations

import json
import re
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from db.engine import Database
from tests.labeler_ui.browser.people import PageServer, wait_for
from tests.labeler_ui.seed import Seeded, seed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

PASSWORD = "canary-password-4711"
PATIENCE = 30_000


@pytest.fixture
def team(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[PageServer]:
    """A server with accounts, and nobody who has one."""
    monkeypatch.setenv("BORDERLINE_ACCOUNTS", "accounts")
    made = PageServer(tmp_path_factory.mktemp("team"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def seeded(team: PageServer) -> Iterator[Seeded]:
    with Database.open(None, home=team.home) as opened:
        yield seed(opened, name="digits")


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Return a function that opens a browser of its own, with no cookies."""
    opened = []

    def fresh() -> Page:
        opened.append(browser.new_context(viewport={"width": 1280, "height": 900}))
        page = opened[-1].new_page()
        page.set_default_timeout(PATIENCE)
        return page

    yield fresh
    for context in opened:
        context.close()


def choose_password(page: Page, link: str, name: str) -> None:
    page.goto(link)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()


def log_in(page: Page, name: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def invitation(page: Page, team: PageServer) -> str:
    page.goto(f"{team.url}/people")
    page.get_by_role("heading", name="Invite somebody").wait_for()
    page.get_by_role("button", name="Make an invitation").click()
    link = page.get_by_test_id("stCode").first.inner_text()
    assert link.startswith(f"{team.url}/join?token=")
    return link.strip()


def logged(team: PageServer) -> str:
    return (team.home / "page.log").read_text()


def test_a_teams_first_day(team: PageServer, seeded: Seeded, tab: Callable[[], Page]) -> None:
    file = team.home / "first-administrator.txt"
    assert str(file) in logged(team)
    first_link = re.sub(r"^http://[^/]+", team.url, file.read_text().split()[0])
    ada = tab()
    choose_password(ada, first_link, "ada")
    ada.get_by_text("administrator").first.wait_for()
    assert not file.exists()
    link = invitation(ada, team)

    bob = tab()
    choose_password(bob, link, "bob")
    bob.wait_for_selector(".labeler[data-query]")
    assert bob.get_by_role("link", name="Label").is_visible()
    assert bob.get_by_role("link", name="People").count() == 0  # hidden; the store refuses, too
    [cookie] = [found for found in bob.context.cookies() if found["name"] == "borderline_session"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    assert cookie["value"] not in bob.evaluate("() => document.cookie")

    asked = []
    bob.on("request", lambda request: asked.append(request) if request.url.endswith("/image") else None)
    bob.get_by_role("button", name="Log out").click()
    bob.get_by_role("button", name="Log in").wait_for()
    assert bob.url == f"{team.url}/login"
    bob.goto(f"{team.url}/progress?project=digits")
    assert "/login?next=" in bob.url
    log_in(bob, "bob")
    bob.wait_for_url(f"{team.url}/progress?project=digits")
    bob.get_by_role("link", name="Label").click()
    bob.wait_for_selector(".labeler[data-query]")
    bob.keyboard.press("3")
    wait_for(seeded.answers, "the answer in SQL", bob)
    assert [(row["user_name"], row["class_name"]) for row in seeded.answers()] == [("bob", "3")]
    bob.wait_for_selector(".labeler[data-pending='0']")

    wait_for(lambda: asked, "an image", bob)
    image, headers = asked[-1].url, asked[-1].all_headers()
    assert bob.request.get(image, headers=headers).status == 200
    other = bob.context.new_page()
    other.set_default_timeout(PATIENCE)
    other.goto(f"{team.url}/progress")
    other.get_by_role("button", name="Log out").click()
    other.get_by_role("button", name="Log in").wait_for()
    assert bob.request.get(image, headers=headers).status == 401  # at once, with a token that has not expired
    assert bob.request.get(f"{team.url}/media/x").status == 401
    bob.keyboard.press("4")  # the other tab finds out, and keeps the answer
    bob.get_by_text("Your session has ended").wait_for()
    bob.get_by_role("button", name="Log in").click()
    bob.wait_for_url(f"{team.url}/login")
    log_in(bob, "bob")
    bob.wait_for_selector(".labeler[data-query]")
    wait_for(lambda: len(seeded.answers()) == 2, "the answer that was kept", bob)

    spoofed_addresses_are_not_believed(team)
    broken_pages_tell_nothing(team, ada)
    for secret in (PASSWORD, link.partition("=")[2], first_link.partition("=")[2], cookie["value"]):
        assert secret not in logged(team)


def spoofed_addresses_are_not_believed(team: PageServer) -> None:
    """A header that any client can write must not make each try a stranger's first."""
    for number in range(3):
        body = f"name=name-{number}&password=wrong-wrong-wrong".encode()
        request = urllib.request.Request(f"{team.url}/login", body, {"X-Forwarded-For": f"192.0.2.{number}"})
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(request, timeout=30)
    with sqlite3.connect(team.home / "borderline.db") as store:
        assert store.execute("SELECT count(*) FROM throttles WHERE key LIKE 'address:%'").fetchone() == (1,)
    store.close()


def broken_pages_tell_nothing(team: PageServer, page: Page) -> None:
    """Break the store under the page: what it shows must hold no SQL, no path, no traceback."""
    with sqlite3.connect(team.home / "borderline.db") as store:
        store.execute("ALTER TABLE projects RENAME TO lost")
    store.close()
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: sent.append(str(frame))))
    page.goto(f"{team.url}/progress")
    page.get_by_test_id("stException").or_(page.get_by_test_id("stAlert")).first.wait_for()
    shown = page.locator("body").inner_text()
    assert "labeler_ui" not in shown
    for detail in ("SELECT", "no such table", "sqlite", "Traceback", str(team.home)):
        assert detail not in shown
        assert not any(detail in frame for frame in sent), detail
    answer = page.request.post(f"{team.url}/api/projects/1/claims", data=json.dumps({}))
    assert answer.status == 401
