"""The Synthetic page: what a generator made for rare classes, what the gate said, and what people decided."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from db import rounds, synthetic
from db.errors import PermissionDenied
from db.records import SyntheticGroup, SyntheticSample, SyntheticVerdict
from labeler_ui import synthetic_words as words
from labeler_ui.component.sheet import sheet
from labeler_ui.pages.said import attempt, show_done
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit, renewed
from labeler_ui.synthetic_charts import recall_chart, recall_rows

ON_A_SHEET = 24


def show(here: Visit | None) -> None:
    """Draw the Synthetic page of one project."""
    if here is None:
        return
    st.title("Synthetic", anchor=False)
    show_done()
    try:
        groups = synthetic.groups(here.database, here.actor, here.project.id)
    except PermissionDenied:
        st.info("This page is for reviewers and administrators. Ask an administrator for that role.")
        return
    st.info(words.NOT_PHOTOS, icon=":material/auto_awesome:")
    if not groups:
        _nothing_yet(here)
        return
    _group(here, _pick(here, groups))


def _nothing_yet(here: Visit) -> None:
    project = here.project
    if project.generate == "none":
        st.write(
            "Nothing is made for this project. Classes with few labels can get generated images: choose 'Make images "
            "of rare classes' on the Project page, or once, in a terminal:"
        )
        st.code(f"borderline augment {project.name}", language="bash")
        return
    st.write(
        f"Nothing was made yet. The next round makes images for classes with at least 20 and fewer than "
        f"{project.generate_below:,} labels, if there are any."
    )


def _pick(here: Visit, groups: Sequence[SyntheticGroup]) -> SyntheticGroup:
    """Draw the pickers of class and version and return what they name."""
    names = {group.class_id: group.class_name for group in groups}
    left, right = st.columns(2)
    class_id = left.selectbox(
        "Class", sorted(names), format_func=names.__getitem__, key=f"synthetic-class-{here.project.id}"
    )
    mine = {group.version.id: group for group in groups if group.class_id == class_id}
    version_id = right.selectbox(
        "Made by",
        list(mine),
        format_func=lambda item: words.version_words(mine[item].version),
        key=f"synthetic-version-{here.project.id}-{class_id}",
    )
    return mine[version_id]


def _group(here: Visit, group: SyntheticGroup) -> None:
    decision = group.decision
    st.subheader(f"{words.verdict_words(group)}: {plain(group.class_name)}", anchor=False)
    if decision is not None:
        st.markdown(f"**{plain(decision.reason)}**")
    st.caption(f"{words.counts_words(group)} {words.learned_words(group.version)}")
    if group.candidate + group.accepted + group.rejected:
        _sheet(here, group)
    _figures(group)
    _changed(here, group)
    _history(here, group)


@st.fragment
def _sheet(here: Visit, group: SyntheticGroup) -> None:
    """Show the images, a sheet at a time, and take decisions; choosing runs this part alone."""
    now = renewed(here)
    if now is None:
        st.rerun()
    total = group.candidate + group.accepted + group.rejected
    sheets, place = -(-total // ON_A_SHEET), f"{group.version.id}-{group.class_id}"
    number = int(st.number_input(f"Sheet (of {sheets})", 1, sheets, key=f"sheet-{place}")) if sheets > 1 else 1
    images = synthetic.images(
        now.database, now.actor, now.project.id, group.version.id, group.class_id,
        start=(number - 1) * ON_A_SHEET, most=ON_A_SHEET,
    )  # fmt: skip
    chosen = sheet(
        key=f"sheet-{now.project.id}-{now.actor.user_id}",
        name=f"{place}-{number}-{max((image.decided_at or 0 for image in images), default=0)}",
        image_pass=now.image_pass(),
        project_id=now.project.id,
        tiles=[_tile(image, group.class_name) for image in images],
    )
    _decide(now, group, chosen)


def _tile(image: SyntheticSample, class_name: str) -> dict[str, object]:
    distance = "" if image.nearest_distance is None else f", at distance {image.nearest_distance:.3g}"
    return {
        "id": image.id,
        "title": f"Image {image.id}",
        "state": image.state,
        "note": words.image_words(image),
        "made_alt": f"Generated image {image.id} of {class_name}, not a photo",
        "nearest": image.nearest_sample_id,
        "nearest_alt": f"The real image {image.nearest_sample_id} that it is most like{distance}",
    }


def _decide(here: Visit, group: SyntheticGroup, chosen: Sequence[int]) -> None:
    place = f"{group.version.id}-{group.class_id}"
    what = f"{len(chosen)} chosen" if chosen else "all of this class"
    note = st.text_input("Why (kept in the history)", key=f"synthetic-note-{place}", max_chars=500)
    if not chosen:
        st.caption("Choose images to decide on them singly; a decision on all leaves those as they are.")
    buttons = st.columns([1, 1, 2])
    verdicts: tuple[SyntheticVerdict, ...] = ("accepted", "rejected")
    labels = {"accepted": (f"Accept {what}", "check"), "rejected": (f"Reject {what}", "close")}
    for column, verdict in zip(buttons, verdicts, strict=False):
        label, icon = labels[verdict]
        pressed = column.button(label, icon=f":material/{icon}:", key=f"synthetic-{verdict}-{place}", width="stretch")
        if pressed and _judged(here, group, chosen, verdict, note):
            st.rerun()


def _judged(here: Visit, group: SyntheticGroup, chosen: Sequence[int], verdict: SyntheticVerdict, note: str) -> bool:
    """Decide on the chosen images, or on the class; whether it was done."""
    request, place = str(uuid.uuid4()), (here.database, here.actor, here.project.id)

    def decide() -> object:
        if chosen:
            return synthetic.judge_images(*place, chosen, verdict, request_id=request, note=note)
        return synthetic.judge_class(*place, group.version.id, group.class_id, verdict, request_id=request, note=note)

    trains = "The next training uses them." if verdict == "accepted" else "They train no further model."
    return attempt(decide, f"They are {verdict}. {trains}")


def _figures(group: SyntheticGroup) -> None:
    decision = group.decision
    if decision is None or not decision.checks:
        return
    st.subheader("What the gate measured", anchor=False)
    st.dataframe([words.figure_row(check) for check in decision.checks], hide_index=True, width="stretch")
    st.caption(
        "'Real ones' is the same figure for as many real images compared with other real ones: what perfect generated "
        "images would have."
    )


def _changed(here: Visit, group: SyntheticGroup) -> None:
    if group.decision is not None:
        st.subheader("What they changed", anchor=False)
        st.write(plain(words.paired_words(group.decision.test)))
    position = next(item.position for item in here.project.classes if item.id == group.class_id)
    rows = recall_rows(rounds.history(here.database, here.actor, here.project.id), position)
    if not rows:
        st.caption("No round has measured this class by itself yet; that takes a test, validation or holdout split.")
        return
    st.altair_chart(recall_chart(rows), width="stretch")
    st.caption("Rounds differ in their labels, too: the paired test above is what tells the images' own part.")


def _history(here: Visit, group: SyntheticGroup) -> None:
    events = synthetic.events(
        here.database, here.actor, here.project.id, version_id=group.version.id, class_id=group.class_id
    )
    if not events:
        return
    with st.expander(f"History: {len(events):,}"):
        table = [
            {
                "When (UTC)": datetime.fromtimestamp(event.created_at / 1000, UTC).strftime("%Y-%m-%d %H:%M"),
                "What": words.event_words(event),
                "Why": event.note,
            }
            for event in events
        ]
        st.dataframe(table, hide_index=True, width="stretch")
