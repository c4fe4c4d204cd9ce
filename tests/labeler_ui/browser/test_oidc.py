"""Login with a provider: a real one on loopback, Streamlit's own flow, a real browser."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from db import access, invitations
from db.engine import Database
from db.records import Actor, Role
from tests.labeler_ui.browser.people import ROOT, PageServer, wait_for
from tests.labeler_ui.oidc_provider import CLIENT_ID, CLIENT_SECRET
from tests.labeler_ui.seed import Seeded, seed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

PATIENCE = 30_000


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[str]:
    """The provider's address; who logs in next is in `who.json` of the test's folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tests.labeler_ui.oidc_provider"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OIDC_PROVIDER_PORT": str(port)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment) as process:
        try:
            wait_for(lambda: _answers(f"{url}/keys"), "the provider", patience=60)
            yield url
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
        return answer.status == 200
    return False


@pytest.fixture
def team(
    provider: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PageServer]:
    made = PageServer(tmp_path_factory.mktemp("oidc"))
    secret = tmp_path / "client-secret"
    secret.write_text(CLIENT_SECRET + "\n")
    for name, value in {
        "ACCOUNTS": "oidc",
        "PUBLIC_URL": made.url,
        "OIDC_CLIENT_ID": CLIENT_ID,
        "OIDC_CLIENT_SECRET_FILE": str(secret),
        "OIDC_METADATA_URL": f"{provider}/.well-known/openid-configuration",
        "OIDC_ADMINS": "subject-of-ada,boss@example.org",
        "OIDC_NAME": "Example",
    }.items():
        monkeypatch.setenv(f"BORDERLINE_{name}", value)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def seeded(team: PageServer) -> Iterator[Seeded]:
    with Database.open(None, home=team.home) as opened:
        yield seed(opened, name="digits")


def become(page: Page, team: PageServer, folder: Path, **who: object) -> None:
    (folder / "who.json").write_text(json.dumps(who))
    page.context.clear_cookies()
    page.goto(team.url)
    page.get_by_role("button", name="Log in with Example").click()


def test_a_team_with_a_login_provider(team: PageServer, seeded: Seeded, browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)

    become(page, team, tmp_path, sub="subject-of-ada", name="Ada")
    page.get_by_text("administrator").first.wait_for()
    page.get_by_role("link", name="People").wait_for()

    # a name and an address that nobody verified open nothing
    become(page, team, tmp_path, sub="subject-of-eve", name="Ada", email="boss@example.org", email_verified=False)
    page.get_by_text("Ask an administrator for access").wait_for()
    page.get_by_text("Your name here is Ada 2").wait_for()
    assert page.get_by_role("link", name="People").count() == 0

    # an invitation waits for a verified address
    [ada] = seeded.rows("SELECT id FROM users WHERE name = 'Ada'")
    boss = Actor(user_id=ada["id"], name="Ada")
    invitations.invite(seeded.database, boss, Role.annotator, project_id=seeded.project.id, name="bob@example.org")
    become(page, team, tmp_path, sub="subject-of-bob", name="Bob", email="bob@example.org", email_verified=True)
    page.wait_for_selector(".labeler[data-query]")
    page.keyboard.press("3")
    wait_for(seeded.answers, "the answer in SQL", page)
    assert [(row["user_name"], row["class_name"]) for row in seeded.answers()] == [("Bob", "3")]

    # the provider's cookie is good for thirty days; our session of it ends when we say so
    stolen = context.cookies()
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="Log in with Example").wait_for()
    context.add_cookies(stolen)
    page.goto(team.url)
    page.get_by_text("Your session has ended").wait_for()
    assert page.locator(".labeler").count() == 0

    # and whoever is disabled stays out, however good the provider's word is
    [bob] = seeded.rows("SELECT id FROM users WHERE name = 'Bob'")
    access.set_active(seeded.database, boss, bob["id"], False)
    become(page, team, tmp_path, sub="subject-of-bob", name="Bob", email="bob@example.org", email_verified=True)
    page.get_by_text("disabled").wait_for()
    context.close()

    kept = team.home / "cookie-secret"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    log = (team.home / "page.log").read_text()
    assert CLIENT_SECRET not in log
    assert kept.read_bytes().hex() not in log
    with seeded.database.engine.connect() as connection:
        subjects = {row[0] for row in connection.execute(text("SELECT subject FROM users WHERE subject IS NOT NULL"))}
    assert {subject.split()[1] for subject in subjects} == {"subject-of-ada", "subject-of-eve", "subject-of-bob"}
