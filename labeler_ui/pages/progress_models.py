"""The models of a project: whether more labels are worth it, every version with its figures, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
import streamlit as st

from db import model_choices, stopping
from db.errors import NotFound, PermissionDenied
from db.records import Measured, ModelChoice, Project, Role, StoppingFacts, VersionSummary
from labeler_ui.pages.said import attempt
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit, renewed
from pipeline.statistics import StoppingAdvice, advice_sentences, advise, wilson_interval

REFRESH_SECONDS = 20
RULES = {
    "not_worse": "A new version takes over if it is not worse by {figure}{margin}.",
    "better": "A new version takes over if it is better by {figure}{margin}.",
    "always": "A new version always takes over.",
    "never": "No version takes over by itself.",
}


@st.fragment(run_every=REFRESH_SECONDS)
def show(here: Visit) -> None:
    """Draw the advice and the versions; a part of its own, because nothing in it changes within seconds."""
    now = renewed(here)
    if now is None:
        return
    try:
        facts = stopping.facts(now.database, now.actor, now.project.id)
        versions = model_choices.versions(now.database, now.actor, now.project.id)
        history = model_choices.choices(now.database, now.actor, now.project.id)
    except (NotFound, PermissionDenied):  # the rest of the page says so
        return
    if facts.points or facts.budget is not None:
        _advice(facts)
    if versions:
        _versions(now, versions, history)


@lru_cache(maxsize=64)
def _advised(facts: StoppingFacts) -> StoppingAdvice:
    """Advise once for the same facts, whoever looks and however often."""
    return advise(facts, np.random.default_rng(facts.seed))


def _advice(facts: StoppingFacts) -> None:
    st.subheader("Are more labels worth it?", anchor=False)
    verdict, *reasons = advice_sentences(_advised(facts), facts.source)
    st.markdown(f"**{plain(verdict)}**")
    st.markdown("  \n".join(plain(reason) for reason in reasons))
    st.caption("Advice only: nothing but the budget stops a project.")


def _versions(here: Visit, versions: Sequence[VersionSummary], history: Sequence[ModelChoice]) -> None:
    st.subheader("Models", anchor=False)
    st.dataframe([_row(item) for item in versions], hide_index=True, width="stretch")
    st.caption(_rule(here.project))
    others = [item for item in versions if not item.version.current]
    if others and here.role >= Role.administrator:
        _return(here, others)
    if history:
        with st.expander("What was chosen before"):
            rows = [
                {"When": _when(choice.at), "Version": choice.number, "By": choice.by, "Why": choice.reason}
                for choice in history
            ]
            st.dataframe(rows, hide_index=True, width="stretch")


def _return(here: Visit, others: Sequence[VersionSummary]) -> None:
    by_number = {item.version.number: item for item in others}
    left, middle, right = st.columns([1, 2, 1], vertical_alignment="bottom")
    number = left.selectbox("Version", list(by_number), key=f"version-{here.project.id}")
    reason = middle.text_input("Why (may stay empty)", key=f"version-why-{here.project.id}", max_chars=500)
    asked = right.button("Use this one", key=f"use-version-{here.project.id}", width="stretch")
    if asked and attempt(
        lambda: model_choices.choose(here.database, here.actor, here.project.id, by_number[number].version.id, reason),
        f"Version {number} is in use. {_then(here.project)}",
    ):
        st.rerun()


def _then(project: Project) -> str:
    if project.promote == "never":
        return "It stays until somebody chooses another."
    return "The next trained model is compared with it by the rule."


def _row(item: VersionSummary) -> dict[str, object]:
    found, version = item.measured, item.version
    balanced = None if found is None else found.balanced_accuracy
    return {
        "Version": version.number,
        "In use": "yes" if version.current else "",
        "Made": _when(version.created_at),
        "Labels": version.labels_used,
        "Accuracy": _accuracy(found),
        "Balanced accuracy": "–" if balanced is None else f"{balanced:.1%}",
        "Last chosen because": "–" if item.choice is None else item.choice.reason,
    }


def _accuracy(found: Measured | None) -> str:
    if found is None:
        return "–"
    low, high = wilson_interval(found.correct, found.total)
    return f"{found.accuracy:.1%} ({low:.1%} to {high:.1%}), {found.total:,} {found.source}"


def _rule(project: Project) -> str:
    margin = f", with a margin of {100 * project.promote_margin:g} points" if project.promote_margin else ""
    rule = RULES[project.promote].format(figure=project.promote_by.replace("_", " "), margin=margin)
    return f"{rule} `borderline predict` and exports take the one in use; rounds choose images by their newest."


def _when(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
