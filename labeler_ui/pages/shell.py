"""What surrounds every page: title, navigation, pickers. Streamlit runs this file from top to bottom each time."""

from __future__ import annotations

import streamlit as st

from labeler_ui.pages import label, progress, project, visit
from labeler_ui.theme import LOGO, favicon


def main() -> None:
    """Draw the frame and run the chosen page."""
    st.set_page_config(page_title="Borderline", page_icon=favicon(), layout="wide")
    st.logo(LOGO, size="large")
    here = visit.sidebar()
    pages = [
        st.Page(lambda: label.show(here), title="Label", icon=":material/sell:", url_path="label", default=True),
        st.Page(lambda: progress.show(here), title="Progress", icon=":material/show_chart:", url_path="progress"),
        st.Page(lambda: project.show(here), title="Project", icon=":material/tune:", url_path="project"),
    ]
    chosen = st.navigation(pages)
    if here is not None:
        chosen.run()


main()
