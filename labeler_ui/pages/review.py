"""The Review page: one image at a time that annotators did not settle; their votes show after the reviewer's own."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import streamlit as st

from db import gold, review
from db.errors import PermissionDenied, StoreError
from db.records import ClassRecord, Decision, PastReview, ReviewItem, ReviewVote, ReviewVotes
from db.review_queue import Only
from labeler_ui.component.reviewer import reviewer
from labeler_ui.keymap import keys_for
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit

FILTERS: dict[str, Only] = {"All": "all", "Disagreements": "disagreements", "Flags": "flags"}
REASONS = {
    "flag": "somebody flagged it",
    "disagreement": "its answers differ",
    "unsure": "nobody gave it a class",
    "undecided": "it has too few answers",
}
OUTCOMES = {"skip": "skipped", "unsure": "not sure", "flag": "flagged"}
MOST_BUTTONS = 40
LATER_AT_MOST = 500
STREAMLIT_KEYS = frozenset("cr")  # Streamlit keeps these for itself and takes no shortcut with them


@dataclass
class Desk:
    """What one reviewer has before them in one project; nothing here is lost that is not in SQL."""

    item: ReviewItem | None = None
    decision_id: str = ""
    said: str = ""  # what was decided on the item; empty while it waits
    class_id: int | None = None  # the class that was decided on
    revealed: bool = False
    problem: str = ""
    later: list[int] = field(default_factory=list)

    def take(self, item: ReviewItem | None) -> None:
        """Lay another image on the desk."""
        self.item, self.said, self.revealed = item, "", False
        self.decision_id = str(uuid.uuid4())


def show(here: Visit | None) -> None:
    """Draw the Review page of one project."""
    if here is None:
        return
    st.title("Review", anchor=False)
    try:
        _draw(here)
    except PermissionDenied:
        st.info("Reviewing is for reviewers and administrators. Ask an administrator for that role.")


def _draw(here: Visit) -> None:
    desk: Desk = st.session_state.setdefault(f"review-{here.project.id}-{here.actor.user_id}", Desk())
    only = FILTERS[st.radio("Show", list(FILTERS), horizontal=True, key="review_filter")]
    left = review.waiting(here.database, here.actor, here.project.id, only)
    _fill(here, desk, only)
    if desk.problem:
        st.error(plain(desk.problem))
        desk.problem = ""
    if desk.item is None:
        _nothing_left(here, desk)
        return
    st.caption(f"{left:,} waiting" if left != 1 else "1 waiting")
    picture, panel = st.columns([3, 2], gap="large")
    with picture:
        _image(here, desk.item, said=bool(desk.said))
    with panel:
        _panel(here, desk, desk.item)


def _fill(here: Visit, desk: Desk, only: Only) -> None:
    """Keep the image that is being decided; else take the first that was not put aside."""
    if desk.said:
        return
    limit = min(1000, len(desk.later) + 50)
    items = review.next_items(here.database, here.actor, here.project.id, limit, only)
    waiting = [item for item in items if item.sample_id not in desk.later]
    current = desk.item.sample_id if desk.item is not None else None
    if current is not None and (desk.revealed or current in [item.sample_id for item in waiting]):
        return
    desk.take(waiting[0] if waiting else None)


def _nothing_left(here: Visit, desk: Desk) -> None:
    if desk.later:
        st.write(f"Only images that you left for later wait: {len(desk.later)}.")
        st.button("Show them again", on_click=desk.later.clear)
        return
    st.markdown(":material/task_alt: **Nothing waits for a review.**")
    st.write(
        "Images come here when answers differ, when somebody flags one, or when nobody could name its class. "
        "To have answers compared at all, ask two people for each image: the overlap in the project's settings."
    )


def _keys_beside_streamlit(here: Visit) -> dict[str, str]:
    """Return key -> button for classes whose key the component has to press."""
    classes = here.project.classes
    if len(classes) > MOST_BUTTONS:
        return {}
    pairs = zip(classes, keys_for(classes), strict=True)
    return {key: _button_key(entry) for entry, key in pairs if key in STREAMLIT_KEYS}


def _image(here: Visit, item: ReviewItem, *, said: bool) -> None:
    data = {
        **here.image_pass(),
        "project": here.project.id,
        "sample": item.sample_id,
        "alt": f"The image to review: {item.name}",
        "keys": {} if said else _keys_beside_streamlit(here),
    }
    reviewer(key=f"reviewer-{here.project.id}-{here.actor.user_id}", data=data)
    st.caption(plain(item.name))


def _panel(here: Visit, desk: Desk, item: ReviewItem) -> None:
    if desk.said:
        st.markdown(f":material/check_circle: You said: **{plain(desk.said)}**")
        row = st.container(horizontal=True)
        row.button("Next", type="primary", shortcut="Enter", on_click=_next, args=(desk,))
        row.button("Decide again", on_click=_again, args=(desk,))
        if desk.class_id is not None:
            row.button(
                "Use as a check", icon=":material/verified:", on_click=_use_as_gold, args=(here, desk, item),
                help="The class is beyond doubt: ask it now and then, unseen, to tell how well annotators do.",
            )  # fmt: skip
    else:
        _question(here, desk, item)
    if desk.revealed:
        _votes(review.votes_of(here.database, here.actor, here.project.id, item.sample_id))


def _question(here: Visit, desk: Desk, item: ReviewItem) -> None:
    why = ", and ".join(REASONS[reason] for reason in item.reasons)
    answers = "1 answer" if item.answers == 1 else f"{item.answers} answers"
    st.markdown(f"**What is it?** It is here because {why} ({answers}).")
    if here.project.guidelines.strip():
        with st.expander("Guidelines"):
            st.markdown("  \n".join(plain(line) for line in here.project.guidelines.splitlines()))
    _classes(here, desk, item)
    st.text_input("Note", key=_note_key(desk), placeholder="Kept with your decision", max_chars=1000)
    row = st.container(horizontal=True)
    row.button("Cannot be used", icon=":material/block:", on_click=_decide, args=(here, desk, item, None, ""))
    row.button(
        "Send back", icon=":material/undo:", on_click=_send_back, args=(here, desk, item),
        help="The answers are taken back and the image is asked again. Say in the note what to look at.",
    )  # fmt: skip
    row.button("Later", icon=":material/schedule:", on_click=_later, args=(desk, item))
    if not desk.revealed:
        st.caption("The answers of others are shown after yours.")


def _classes(here: Visit, desk: Desk, item: ReviewItem) -> None:
    classes = here.project.classes
    if len(classes) > MOST_BUTTONS:
        names = {entry.id: entry.name for entry in classes}
        chosen = st.selectbox("Class", list(names), index=None, format_func=names.__getitem__)
        said = names.get(chosen, "") if chosen is not None else ""
        st.button(
            "Decide", type="primary", disabled=chosen is None, on_click=_decide, args=(here, desk, item, chosen, said)
        )
        return
    row = st.container(horizontal=True)
    for entry, key in zip(classes, keys_for(classes), strict=True):
        label = plain(entry.name) + (f" · {key.upper()}" if key in STREAMLIT_KEYS else "")
        row.button(
            label, key=_button_key(entry), shortcut=key if key and key not in STREAMLIT_KEYS else None,
            on_click=_decide, args=(here, desk, item, entry.id, entry.name),
        )  # fmt: skip


def _button_key(entry: ClassRecord) -> str:
    return f"review-class-{entry.id}"


def _note_key(desk: Desk) -> str:
    return f"review-note-{desk.decision_id}"


def _decide(here: Visit, desk: Desk, item: ReviewItem, class_id: int | None, name: str) -> None:
    """Save a decision on the image that was on the screen, once; `decision_id` was made when it was shown."""
    note = str(st.session_state.get(_note_key(desk), ""))
    try:
        review.decide(here.database, here.actor, here.project.id, desk.decision_id, item.sample_id, class_id, note)
    except StoreError as error:
        desk.problem = str(error)
        return
    desk.said, desk.revealed, desk.class_id = name or "it cannot be used", True, class_id


def _send_back(here: Visit, desk: Desk, item: ReviewItem) -> None:
    note = str(st.session_state.get(_note_key(desk), ""))
    try:
        sent: Decision = review.send_back(
            here.database, here.actor, here.project.id, desk.decision_id, item.sample_id, note
        )
    except StoreError as error:
        desk.problem = str(error)
        return
    if sent.label is None:
        st.toast("Sent back: it is asked again.")
    desk.take(None)


def _use_as_gold(here: Visit, desk: Desk, item: ReviewItem) -> None:
    if desk.class_id is None:
        return
    try:
        gold.mark(here.database, here.actor, here.project.id, item.sample_id, desk.class_id)
    except StoreError as error:
        desk.problem = str(error)
        return
    st.toast("It is a check from now on.")


def _later(desk: Desk, item: ReviewItem) -> None:
    desk.later = [*desk.later, item.sample_id][-LATER_AT_MOST:]
    desk.take(None)


def _next(desk: Desk) -> None:
    desk.take(None)


def _again(desk: Desk) -> None:
    desk.said, desk.decision_id = "", str(uuid.uuid4())


def _votes(told: ReviewVotes) -> None:
    st.subheader("What others said", anchor=False)
    st.dataframe([_vote_row(vote) for vote in told.votes], hide_index=True, width="stretch")
    for vote in told.votes:
        if vote.note:
            st.markdown(f"**{plain(vote.user)}** wrote: {plain(vote.note)}")
    if told.predicted is not None:
        nearest = f", then {plain(told.nearest)}" if told.nearest is not None else ""
        st.markdown(f"The model said **{plain(told.predicted)}**{nearest}.")
    _history(told.history)


def _vote_row(vote: ReviewVote) -> dict[str, str]:
    where = {"gold": "quality check", "spot_check": "asked again", "confirm": "in the grid"}.get(vote.kind, "")
    return {
        "Who": vote.user,
        "Answer": vote.class_name or OUTCOMES.get(vote.outcome, vote.outcome),
        "Took": "–" if vote.latency_ms is None else f"{vote.latency_ms / 1000:.1f} s",
        "How": where or "singly",
        "When": _when(vote.created_at),
    }


def _history(history: Sequence[PastReview]) -> None:
    if len(history) < 2 and not any(past.what == "sent back" for past in history):
        return
    st.subheader("Earlier reviews", anchor=False)
    for past in history:
        what = (
            f"said {past.class_name}" if past.class_name else f"said it {past.what}" if past.what != "sent back" else ""
        )
        note = f": {past.note}" if past.note else ""
        st.markdown(f"{plain(past.user)} {plain(what or 'sent it back')}{plain(note)}, {plain(_when(past.created_at))}")


def _when(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
