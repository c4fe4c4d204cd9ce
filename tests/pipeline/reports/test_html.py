"""The HTML file: everything in it, nothing that runs, nothing from a network, and names that stay names."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from pipeline.reports import html_page
from pipeline.statistics import summarize
from tests.pipeline.reports.made import made_report
from tests.pipeline.statistics.made import runs

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'>&"


class Elements(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def page() -> str:
    return html_page(made_report())


def test_the_verdict_comes_first_and_everything_is_there(page: str) -> None:
    words = "".join(Elements(page).words)
    assert words.index("dfal beats random_sampling by") < words.index("Learning curves")
    for wanted in (
        "Learning curves", "What dfal gains, and loses", "Where along the way", "Area under the curve",
        "Accuracy at fixed budgets", "Labels to reach an accuracy", "dfal against the others", "All 1 pairs",
        "Who beats whom", "For how much of the way", "Classes found", "Rare classes", "Time", "What was asked",
        "Where the queries lie", "Published beside ours", "96.90", "borderline compare dfal", "shift 2",
        "labels spent on tuning", "CPU dfal", "some machine", "torch 2.11.0", "0, 1, 2, 3, 4",
        "One thing about random_sampling.", "Seed set", "Round 1", "dfal ×3",
    ):  # fmt: skip
        assert wanted in words, wanted
    assert page.count("<svg") == 9


def test_it_needs_no_network_and_runs_no_script(page: str) -> None:
    elements = Elements(page).found
    policy = next(a["content"] for tag, a in elements if tag == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert {tag for tag, _ in elements} & {"script", "link", "iframe", "object", "base", "form"} == set()
    for tag, attributes in elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href"):
                assert str(value).startswith(("data:image/png;base64,", "#")), (tag, name, value)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_ids_are_unique_and_every_reference_finds_its_own(page: str) -> None:
    ids = [str(a["id"]) for _, a in Elements(page).found if "id" in a]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) | set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_names_full_of_markup_do_nothing(page: str) -> None:
    evil = html_page(made_report(EVIL, "]]>'\"--><style>*{display:none}</style>"))
    tags = {tag for tag, _ in Elements(page).found}
    assert {tag for tag, _ in Elements(evil).found} == tags
    assert "onerror" not in {name for _, attributes in Elements(evil).found for name in attributes}
    assert EVIL in "".join(Elements(evil).words)


def test_the_sheet_holds_the_images(page: str) -> None:
    uri = re.search(r'<img alt="Seed set: dfal ×3"[^>]*src="data:image/png;base64,([^"]+)"', page)
    sheet = Image.open(io.BytesIO(base64.b64decode(uri.group(1))))
    assert sheet.size == (3 * 50, 50)  # 8 pixels, 6 times as large, and a gap


def test_two_identical_arms_show_no_difference() -> None:
    """The issue's own test: the report of two identical arms says so, in words and in the table."""
    dfal = runs("dfal", 0, range(6))
    twins = [*dfal, *(replace(curve, arm="twin") for curve in dfal)]
    words = "".join(Elements(html_page(made_report(summary=summarize(twins), curves=twins))).words)
    assert "dfal shows no difference from twin over 6 seeds." in words
    assert words.count("no difference") >= 3  # verdict, against the others, all pairs
    assert not {"dfal is better", "twin is better"} & set(re.findall(r"\w+ is better", words))


def test_what_was_not_finished_is_said() -> None:
    curves = [*runs("dfal", 0.1, range(6)), *runs("random_sampling", 0, range(5))]
    words = "".join(Elements(html_page(made_report(summary=summarize(curves), curves=curves))).words)
    assert "Not finished, or left out" in words
    assert "random_sampling has no run with seed 5 yet." in words


def test_a_bare_comparison_has_a_report_too() -> None:
    curves = runs("dfal", 0, range(1))
    bare = made_report(
        summary=summarize(curves), curves=curves, asked=(), places=(), published=None, settings={}, recipe={},
        tuning={}, tuning_labels=None, command="", device="", machine="", versions={}, remarks=(),
    )  # fmt: skip
    words = "".join(Elements(html_page(bare)).words)
    assert "dfal is the only arm" in words
    assert "What was asked" not in words
