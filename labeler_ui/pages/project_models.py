"""Settings about models: when a new one takes over, and after how many labels no round begins."""

from __future__ import annotations

from typing import Any

import streamlit as st

from db.records import Project
from labeler_ui.pages.shares import percent

PROMOTE = {
    "not_worse": "If it is not worse",
    "better": "If it is better",
    "always": "Always",
    "never": "Never by itself",
}
PROMOTE_BY = {"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy"}


def asked(project: Project) -> dict[str, Any]:
    """Draw the settings and return what they are set to, by field."""
    st.subheader("Which model is used, and when to stop", anchor=False)
    left, right = st.columns(2)
    key = f"-{project.id}"
    with left:
        promote = st.selectbox(
            "A new model takes over", list(PROMOTE), index=list(PROMOTE).index(project.promote),
            format_func=PROMOTE.__getitem__, key="promote" + key,
            help="Compared with the model in use on the validation images, else on labeled holdout images. Without "
            "either it takes over. Rounds choose images by their newest model in any case.",
        )  # fmt: skip
        by = st.selectbox(
            "Compared by", list(PROMOTE_BY), index=list(PROMOTE_BY).index(project.promote_by),
            format_func=PROMOTE_BY.__getitem__, key="promote_by" + key,
        )  # fmt: skip
    with right:
        margin = percent("Margin", project.promote_margin, "margin" + key, "Differences up to this count as none.")
        budget = st.number_input(
            "Labels at most", 0, 2**53 - 1, project.label_budget or 0, key="budget" + key,
            help="With so many labels no further round begins; raise it to go on. 0: no limit.",
        )  # fmt: skip
    return {"promote": promote, "promote_by": by, "promote_margin": margin, "label_budget": int(budget) or None}
