"""The Quality page: how far annotators agree, who confuses what, and how each of them does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from db import copy_answers, gold, gold_draw, quality
from db.errors import PermissionDenied
from db.records import AnnotatorRecord, CopyChecks, TeamRecord, Votes
from labeler_ui import quality_words as words
from labeler_ui.pages.said import attempt, show_done
from labeler_ui.pages.text import plain
from labeler_ui.pages.visit import Visit
from labeler_ui.quality_charts import alpha_chart, confusion_chart
from labeler_ui.theme import text_color
from pipeline.statistics import Agreement, agreement, class_agreement, pairwise_confusion

BLIND = ("learn", "holdout")  # answered without knowing what others said: only these can be compared
EVERYBODY = "Everybody"
MOST_CHECKS = 100
DRAWN = 20  # checks at a time, unless somebody wants another number
Pairs = dict[tuple[int, int], NDArray[np.int64]]


def show(here: Visit | None) -> None:
    """Draw the Quality page of one project."""
    if here is None:
        return
    st.title("Quality", anchor=False)
    show_done()
    try:
        with st.spinner("Comparing answers"):
            votes = quality.votes(here.database, here.actor, here.project.id)
            team = quality.team(here.database, here.actor, here.project.id)
            copies = copy_answers.results(here.database, here.actor, here.project.id)
    except PermissionDenied:
        st.info("This page is for reviewers and administrators. Ask an administrator for that role.")
        return
    names = {entry.id: entry.name for entry in here.project.classes}
    _notices(team)
    _copies(copies)
    _agreement(votes, names, here.project.seed)
    _annotators(team)
    _checks(here, names)


def _checks(here: Visit, names: dict[int, str]) -> None:
    """List the images with a known answer that are mixed in unseen, and take them out of use."""
    marked = gold.listed(here.database, here.actor, here.project.id)
    with st.expander(f"Checks with a known answer: {len(marked):,}"):
        if not marked:
            st.write("None yet. On the Review page, 'Use as a check' after a decision makes one.")
        _draw_checks(here)
        for entry in marked[:MOST_CHECKS]:
            left, right = st.columns([4, 1], vertical_alignment="center")
            left.markdown(f"Image {entry.sample_id}: **{plain(names.get(entry.class_id, 'a class that is gone'))}**")
            right.button(
                "Use no longer", key=f"check-{entry.sample_id}", on_click=gold.retire,
                args=(here.database, here.actor, here.project.id, entry.sample_id),
            )  # fmt: skip


def _draw_checks(here: Visit) -> None:
    """Offer to make checks from images whose class came with them: nobody has seen those."""
    there = gold_draw.available(here.database, here.actor, here.project.id)
    if not there:
        st.caption(
            "Images whose class is known beforehand (from an import) can be made checks here; there are none now."
        )
        return
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    most = min(there, gold_draw.MOST_AT_ONCE)
    wanted = int(left.number_input("How many", 1, most, min(DRAWN, most), key="checks_wanted"))
    what = f"Make {wanted} {'check' if wanted == 1 else 'checks'} from images whose class is known"
    if right.button(what, icon=":material/verified:", key="checks_draw", help=f"{there:,} are there, of all classes."):
        done = f"{wanted} more {'check is' if wanted == 1 else 'checks are'} mixed in from now on."
        if attempt(lambda: gold_draw.draw(here.database, here.actor, here.project.id, wanted), done):
            st.rerun()


def _notices(team: TeamRecord) -> None:
    for sentence in words.notices(team):
        st.warning(plain(sentence), icon=":material/visibility:")


def _copies(found: CopyChecks) -> None:
    """Say what people saw in the adversarial copies that were shown to them as a check."""
    if notice := words.copy_notice(found):
        st.warning(plain(notice), icon=":material/content_copy:")
    if told := words.copy_words(found):
        st.caption(
            plain(f"{told} They were shown unseen among the images; what people say of them is no label and no vote.")
        )


def _agreement(votes: Votes, names: dict[int, str], seed: int) -> None:
    st.subheader("Agreement", anchor=False)
    blind = np.isin(votes.kinds, BLIND)
    overall = _agreed(votes, blind, seed)
    if not overall.items:
        st.write(words.why_nothing(len(set(votes.users.tolist())), len(votes.users)))
        return
    audit, queried = _agreed(votes, blind & votes.audit, seed), _agreed(votes, blind & ~votes.audit, seed)
    rows = [("All images", overall), ("Chosen by the model", queried), ("Drawn at random", audit)]
    rows += _by_class(votes, blind, names, seed)
    st.markdown(f"**{plain(words.alpha_words(overall))}**")
    st.caption(
        "Krippendorff's alpha is agreement beyond chance: 1 is perfect, 0 what guessing gives. From 0.80 labels are "
        f"reliable, from 0.667 good for tentative conclusions. {overall.items:,} images have two answers or more."
    )
    if overall.alpha is not None:
        st.altair_chart(alpha_chart(rows), width="stretch")
    if text := words.audit_words(queried, audit):
        st.caption(text)
    with st.expander("As a table"):
        st.dataframe([_alpha_row(name, found) for name, found in rows], hide_index=True, width="stretch")
    ids, pairs = pairwise_confusion(votes.samples[blind], votes.users[blind], votes.classes[blind])
    _confusion([names.get(int(class_id), "?") for class_id in ids], pairs, dict(votes.names))


def _agreed(votes: Votes, which: NDArray[np.bool_], seed: int) -> Agreement:
    generator = np.random.default_rng(seed)  # the same votes show the same interval
    return agreement(votes.samples[which], votes.users[which], votes.classes[which], generator)


def _by_class(votes: Votes, which: NDArray[np.bool_], names: dict[int, str], seed: int) -> list[tuple[str, Agreement]]:
    generator = np.random.default_rng(seed)
    found = class_agreement(votes.samples[which], votes.users[which], votes.classes[which], generator)
    return [(names[class_id], found[class_id]) for class_id in names if class_id in found]


def _alpha_row(name: str, found: Agreement) -> dict[str, str | int]:
    return {
        "Which": name,
        "Alpha": "–" if found.alpha is None else f"{found.alpha:.2f}",
        "95 % interval": words.interval_words(found),
        "Images": found.items,
        "Answers": found.votes,
    }


@st.fragment
def _confusion(classes: Sequence[str], pairs: Pairs, names: dict[int, str]) -> None:
    st.subheader("Who confuses what", anchor=False)
    options: list[tuple[int, int] | None] = [None, *pairs]
    chosen = options[0]
    if len(pairs) > 1:
        told = {pair: EVERYBODY if pair is None else f"{names[pair[0]]} and {names[pair[1]]}" for pair in options}
        chosen = st.selectbox("Compare", options, format_func=told.__getitem__, key="quality_pair")
    elif pairs:
        chosen = next(iter(pairs))
    if chosen is None:
        summed = np.sum(list(pairs.values()), axis=0)
        counts, first, second = summed + summed.T, "one says", "another says"
    else:
        counts, first, second = pairs[chosen], f"{names[chosen[0]]} says", f"{names[chosen[1]]} says"
    halved = counts if chosen is not None else np.triu(counts)
    st.caption(plain(words.confusion_words(halved, dict(enumerate(classes)))))
    st.altair_chart(
        confusion_chart(counts, classes, first, second, ink=text_color(st.context.theme.type)), width="stretch"
    )


def _annotators(team: TeamRecord) -> None:
    if not team.people:
        return
    st.subheader("Annotators", anchor=False)
    st.dataframe([_person_row(person, team) for person in team.people], hide_index=True, width="stretch")
    st.caption(
        f"Too fast: less than {team.fast_below_ms / 1000:.1f} s for an image (0.3 s, or a quarter of the median). "
        "Pauses of more than five minutes are no working time. Gold: images whose class is known, asked unseen. "
        "Overruled: another class than the prediction that was shown; beside it, how often answers differ from "
        "predictions that were hidden."
    )


def _person_row(person: AnnotatorRecord, team: TeamRecord) -> dict[str, str | int]:
    speed = words.per_hour(person)
    return {
        "Name": person.name,
        "Answers": person.answers,
        "An hour": "–" if speed is None else f"{speed:,.0f}",
        "Median": "–" if person.median_ms is None else f"{person.median_ms / 1000:.1f} s",
        "Too fast": _share(person.fast, person.timed),
        "Gold": words.gold_words(person),
        "Overruled": _share(person.shown_overruled, person.shown_total),
        "Differs, hidden": _share(person.hidden_differed, person.hidden_total),
    }


def _share(part: int, total: int) -> str:
    return "–" if not total else f"{100 * part / total:.0f} % of {total:,}"
