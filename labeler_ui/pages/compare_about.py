"""How a comparison was made: settings, the recipe in full, what tuning spent, device, versions, and the command."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from db.records import Comparison, Project
from labeler_ui import compare_words as words
from labeler_ui.pages.text import plain
from pipeline.reports.tables import is_rows

WHERE = {"device": "Device", "device_name": "Device, by name", "machine": "Machine", "versions": "Versions"}
IN_FULL = {"recipe": "Recipe in full", "tuning": "Tuning", "recipes": "Recipes in full"}
TYPED = "command"


def show(comparison: Comparison, project: Project) -> None:
    """Draw all that is needed to judge a comparison, and to repeat it."""
    st.subheader("The command", anchor=False)
    st.caption("Given again it goes on, or shows what is there.")
    st.code(words.command(comparison.settings, comparison.about), language=None, wrap_lines=True)
    left, right = st.columns(2)
    with left:
        st.subheader("Settings", anchor=False)
        _table([{"What": row["Setting"], "Value": row["Value"]} for row in words.settings_table(comparison.settings)])
    with right:
        st.subheader("Where and when", anchor=False)
        _table(_where(comparison, project))
        _in_full(comparison.about)
    rest = set(comparison.about) - set(WHERE) - set(IN_FULL) - {TYPED}
    if rest:
        with st.expander("Everything else that was noted"):
            st.json({name: comparison.about[name] for name in sorted(rest)})


def _where(comparison: Comparison, project: Project) -> list[dict[str, str]]:
    found = {
        "Images": project.name,
        "Begun": _time(comparison.created_at),
        "Newest result": _time(comparison.updated_at),
    }
    for name, label in WHERE.items():
        value = comparison.about.get(name)
        if isinstance(value, Mapping):
            found |= {f"Version of {part}": words.value_words(entry) for part, entry in value.items()}
        elif value is not None:
            found[label] = words.value_words(value)
    return _rows(found)


def _in_full(about: Mapping[str, Any]) -> None:
    for name, label in IN_FULL.items():
        value = about.get(name)
        if isinstance(value, Mapping):
            st.subheader(label, anchor=False)
            said = {part: words.value_words(entry) for part, entry in value.items() if not is_rows(entry)}
            _table(_rows(said))
            for part, entry in value.items():
                if is_rows(entry):
                    st.markdown(f"**{plain(part.capitalize())}**")
                    st.dataframe([{str(key): row for key, row in line.items()} for line in entry], hide_index=True)
        elif value is not None:
            st.subheader(label, anchor=False)
            st.markdown(plain(words.value_words(value)))


def _rows(found: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"What": name, "Value": value} for name, value in found.items()]


def _table(rows: list[dict[str, str]]) -> None:
    st.table({plain(row["What"]): plain(row["Value"]) for row in rows}, border="horizontal")


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
