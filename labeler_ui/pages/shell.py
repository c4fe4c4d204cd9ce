"""What surrounds every page: title, navigation, pickers. Streamlit runs this file from top to bottom each time."""

from __future__ import annotations

import streamlit as st

from labeler_ui.pages import images, label, progress, quality, review, visit
from labeler_ui.theme import LOGO, favicon


def main() -> None:
    """Draw the frame and run the chosen page."""
    st.set_page_config(page_title="Borderline", page_icon=favicon(), layout="wide")
    st.logo(LOGO, size="large")
    here = visit.sidebar()
    pages = [
        st.Page(lambda: label.show(here), title="Label", icon=":material/sell:", url_path="label", default=True),
        st.Page(lambda: progress.show(here), title="Progress", icon=":material/show_chart:", url_path="progress"),
        st.Page(lambda: review.show(here), title="Review", icon=":material/rate_review:", url_path="review"),
        st.Page(lambda: quality.show(here), title="Quality", icon=":material/verified:", url_path="quality"),
        st.Page(lambda: images.show(here), title="Images", icon=":material/add_photo_alternate:", url_path="images"),
    ]
    chosen = st.navigation(pages)
    if here is not None:
        chosen.run()


main()
