"""What surrounds every page: title, navigation, pickers. Streamlit runs this file from top to bottom each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import streamlit as st

from db.records import Role
from labeler_ui.pages import compare, label, people, progress, project, quality, review, synthetic, visit
from labeler_ui.theme import LOGO, details, favicon


class PageEntry(NamedTuple):
    """One page: what draws it, and the lowest role that sees it. The store checks again; hiding is only tidiness.

    `everywhere`: the page is about all projects. It asks for the role that holds everywhere and needs no project.
    """

    title: str
    icon: str
    url_path: str
    show: Callable[[Any], None]
    lowest: Role
    everywhere: bool = False


PAGES = (
    PageEntry("Label", "sell", "label", label.show, Role.annotator),
    PageEntry("Progress", "show_chart", "progress", progress.show, Role.viewer),
    PageEntry("Review", "rate_review", "review", review.show, Role.reviewer),
    PageEntry("Quality", "verified", "quality", quality.show, Role.reviewer),
    PageEntry("Compare", "stacked_line_chart", "compare", compare.show, Role.viewer),
    PageEntry("Synthetic", "auto_awesome", "synthetic", synthetic.show, Role.reviewer),
    PageEntry("Project", "tune", "project", project.show, Role.administrator),
    PageEntry("People", "group", "people", people.show, Role.administrator, everywhere=True),
)


def main() -> None:
    """Draw the frame and run the chosen page."""
    st.set_page_config(page_title="Borderline", page_icon=favicon(), layout="wide")
    st.logo(LOGO, size="large")
    st.html(details(st.context.theme.type))
    here = visit.look()
    if here is None:
        st.navigation([st.Page(lambda: None, title="Log in")], position="hidden")
        return
    pages = [_page(entry, here, first=not number) for number, entry in enumerate(visible(here))]
    if not isinstance(here, visit.Visit):
        pages.insert(0, st.Page(lambda: visit.no_project(here), title="Welcome", url_path="welcome", default=True))
    st.navigation(pages).run()


def visible(here: visit.Person) -> list[PageEntry]:
    """Return the pages that are for somebody with this role, in this project or in none."""
    role = here.role if isinstance(here, visit.Visit) else None
    roles = {False: role, True: here.actor.role}
    return [entry for entry in PAGES if (roles[entry.everywhere] or 0) >= entry.lowest]


def _page(entry: PageEntry, here: visit.Person, *, first: bool) -> Any:
    default = first and isinstance(here, visit.Visit)
    icon = f":material/{entry.icon}:"
    return st.Page(lambda: entry.show(here), title=entry.title, icon=icon, url_path=entry.url_path, default=default)


main()
