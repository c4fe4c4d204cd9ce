"""A real server process, a real browser, and people at the labeling page."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from db.engine import Database
from tests import browser as browsers
from tests.labeler_ui.browser.people import GridPerson, PageServer, Person
from tests.labeler_ui.grid_seed import seed_grid
from tests.labeler_ui.seed import Seeded, seed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

LARGE = {"width": 1280, "height": 1000}
_number = itertools.count()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with browsers.launched() as launched:
        yield launched


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[PageServer]:
    made = PageServer(tmp_path_factory.mktemp("home"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="package")
def store(server: PageServer) -> Iterator[Database]:
    with Database.open(None, home=server.home) as opened:
        yield opened


@pytest.fixture
def seeded(store: Database) -> Seeded:
    return seed(store)


@pytest.fixture(scope="package")
def shared(browser: Browser) -> Iterator[BrowserContext]:
    """One context for most tests: Streamlit's own scripts are then loaded once. What answers need is kept per tab."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def visit(browser: Browser, shared: BrowserContext, server: PageServer) -> Iterator[Callable[..., Person]]:
    """Return a function that opens the page for a person; errors in the page's script fail the test."""
    own, pages, problems = [], [], []

    def opened(seeded: Seeded, name: str = "ada", own_context: bool = False) -> Person:
        context = browser.new_context() if own_context else shared
        own.extend([context] if own_context else [])
        person = Person(context, server, seeded, name)
        pages.append(person.page)
        person.page.on("pageerror", lambda error: problems.append(str(error)))
        return person.open()

    yield opened
    shared.set_offline(False)
    shared.unroute_all(behavior="ignoreErrors")
    for page in pages:
        if page.url.startswith(server.url):
            page.evaluate("() => localStorage.clear()")
        page.close()
    for context in own:
        context.close()
    assert problems == []


@pytest.fixture
def person(visit: Callable[..., Person], seeded: Seeded) -> Person:
    return visit(seeded).decoded(12)


@pytest.fixture
def opened(visit: Callable[..., Person], store: Database) -> Callable[..., GridPerson]:
    """Return a function that opens the grid for a person of their own."""

    def work(groups: tuple = ((3, 24),), viewport: dict | None = None, **more: Any) -> GridPerson:
        seeded = seed_grid(store, groups, name=f"grid-{next(_number)}", **more)
        person = visit(seeded, own_context=True)
        person.page.set_viewport_size(viewport or LARGE)
        return GridPerson(person).enter()

    return work
