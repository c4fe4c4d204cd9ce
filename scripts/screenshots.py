"""Draws every page of a team that has worked for some rounds, light and dark, for the docs.

`python -m scripts.screenshots [FOLDER]` writes PAGE.png and PAGE-dark.png (docs/images by default). Three simulated
annotators label handwritten digits for two rounds, one of them carelessly; then a real server and a real browser show
what people would see.
"""

from __future__ import annotations

import os
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.labeling_page import page
from db import access, annotations, claims, gold, projects, samples
from db.records import Actor, Answer, Project
from flows.compare.comparing import Running, begin, go_on
from flows.compare.options import options_of
from flows.demo import prepare_demo
from flows.report import SilentReporter
from flows.rounds import run_round
from flows.settings import Settings
from flows.store import Store, open_store
from tests.browser import launched

ROOT = Path(__file__).parents[1]
PEOPLE = {"Ada": 0.02, "Ben": 0.06, "Cleo": 0.3}  # how often each is wrong
ROUNDS = 2
PAGES = ("label", "progress", "review", "quality", "compare", "synthetic", "project", "people")


def main() -> None:
    """Make the store, serve it, and draw."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home))
        prepare_demo("digits", lambda _line: None, settings)
        with open_store(settings, system=True) as store:
            work(store)
            compare(store)
        draw(Path(home), folder)


def work(store: Store) -> None:
    """Let people label some rounds with overlap, flags and checks; leave a round open with a grid."""
    project = projects.get_project(store.database, store.actor, "digits")
    people = {name: access.local_user(store.database, name) for name in PEOPLE}
    truth = _truth(store, project)
    projects.update_project(
        store.database, store.actor, project.id, overlap=2, max_overlap=3, batch_size=30, confirm_share=1.0,
        confirm_confidence=0.9, show_why="on request",
    )  # fmt: skip
    for sample_id in list(truth)[:8]:
        gold.mark(store.database, store.actor, project.id, sample_id, project.classes[truth[sample_id]].id)
    generator = np.random.default_rng(0)
    for _ in range(ROUNDS):
        for name, actor in people.items():
            label(store, project, actor, truth, PEOPLE[name], generator)
        run_round(store, project.id, SilentReporter())


def _truth(store: Store, project: Project) -> dict[int, int]:
    ids = samples.pool_index(store.database, project.id, splits=("pool", "holdout")).ids
    return samples.known_classes(store.database, project.id, np.random.default_rng(1).permutation(ids))


def label(
    store: Store, project: Project, actor: Actor, truth: dict[int, int], wrong: float, generator: np.random.Generator
) -> None:
    """Answer what this person is handed in single mode, with their share of mistakes."""
    while queries := claims.claim(store.database, actor, project.id, 10):
        for query in queries:
            right = truth.get(query.sample_id, 0)
            position = int(generator.integers(10)) if generator.random() < wrong else right
            flagged = generator.random() < 0.02
            answer = Answer(
                answer_id=str(uuid.uuid4()),
                query_id=query.query_id,
                token=query.token,
                outcome="flag" if flagged else "class",
                class_id=None if flagged else project.classes[position].id,
                note="Could be two digits" if flagged else "",
                latency_ms=int(generator.lognormal(7 if wrong < 0.2 else 5.5, 0.4)),
            )
            annotations.submit(store.database, actor, project.id, answer)


def compare(store: Store) -> None:
    """Compare three strategies on digits, for the Compare page."""
    asked = {"strategies": ["dfal", "margin", "random_sampling"], "labels": 80, "batch": 20, "recipe": "quick"}
    found = begin(store, options_of({"dataset": "digits", **asked}), SilentReporter())
    go_on(store, found.id, Running(), SilentReporter())


def draw(home: Path, folder: Path) -> None:
    """Serve the store and write the pictures."""
    os.environ["BORDERLINE_USER"] = "Ada"
    with page([sys.executable, "-m", "labeler_ui"], home, "/api/health") as address, launched() as browser:
        for theme, ending in (("light", ""), ("dark", "-dark")):
            _draw_theme(browser, address, folder, theme, ending)


def _draw_theme(browser: Any, address: str, folder: Path, theme: str, ending: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 860}, color_scheme=theme)
    tab = context.new_page()
    for name in PAGES:
        tab.goto(f"{address}/{name}?project=digits&name=Ada")
        tab.wait_for_timeout(5000)
        if name == "label":
            tab.wait_for_selector(".labeler[data-query]", timeout=30_000)
            for key in "3817":
                tab.keyboard.press(key)
                tab.wait_for_timeout(400)
        tab.screenshot(path=folder / f"{name}{ending}.png")
        if name == "label":
            tab.keyboard.press("?")
            tab.wait_for_timeout(2500)
            tab.screenshot(path=folder / f"why{ending}.png")
            tab.keyboard.press("Escape")
            tab.get_by_role("button", name="Grid", exact=True).click()
            tab.wait_for_timeout(3000)
            tab.screenshot(path=folder / f"grid{ending}.png")
    context.close()


if __name__ == "__main__":
    main()
