"""Do what a person asked on a page: refusals of the store become a sentence, successes are told after the rerun."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from db.errors import StoreError
from labeler_ui.pages.text import plain

_DONE = "borderline_done"


def attempt(action: Callable[[], object], done: str) -> bool:
    """Run an action of the store; a refusal is shown where the button is. Returns whether it was done.

    Args:
        action: What to do.
        done: Said when it is done, once, by `show_done`; data in it must be `plain` already.
    """
    try:
        action()
    except StoreError as error:
        st.error(sentence(error), icon=":material/error:")
        return False
    st.session_state[_DONE] = done
    return True


def sentence(error: Exception) -> str:
    """Return an error as a sentence that Markdown leaves alone."""
    text = str(error).strip()
    return plain(text[:1].upper() + text[1:]) + ("" if text.endswith((".", "!", "?")) else "\\.")


def show_done() -> None:
    """Say what the last run did."""
    if _DONE in st.session_state:
        st.toast(st.session_state.pop(_DONE), icon=":material/check_circle:")
