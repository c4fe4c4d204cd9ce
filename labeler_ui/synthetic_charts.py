"""The class's recall round by round, with the rounds marked whose model trained on generated images too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from db.records import RoundSummary
from labeler_ui.theme import AMBER, INDIGO

USED, UNUSED = "with generated images", "on real images alone"


def recall_rows(rounds: Sequence[RoundSummary], position: int) -> list[dict[str, Any]]:
    """Return `round`, `recall` (0 to 1), `split` and `trained` of each round that measured the class by itself.

    Args:
        rounds: The project's history.
        position: The class's place in the model's output.
    """
    found = [_row(turn, position) for turn in rounds]
    return [row for row in found if row is not None]


def _row(turn: RoundSummary, position: int) -> dict[str, Any] | None:
    found = turn.measured
    if found is None or position not in found.class_recall:
        return None
    trained = USED if turn.synthetic_used else UNUSED
    recall = found.class_recall[position]
    return {"round": turn.number, "recall": recall, "split": found.source, "trained": trained}


def recall_chart(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return the recall of a class by round as an Altair chart."""
    import altair  # takes half a second: only when somebody looks

    color = altair.Scale(domain=[USED, UNUSED], range=[INDIGO, AMBER])
    shape = altair.Scale(domain=[USED, UNUSED], range=["circle", "square"])
    base = altair.Chart({"values": [dict(row) for row in rows]}).encode(
        x=altair.X("round:O", title="Round", axis=altair.Axis(labelAngle=0)),
        y=altair.Y("recall:Q", title="Recall of the class", scale=altair.Scale(domain=[0, 1]), axis=_PERCENT),
        tooltip=[
            altair.Tooltip("round:O", title="Round"),
            altair.Tooltip("recall:Q", format=".0%", title="Recall"),
            altair.Tooltip("split:N", title="Measured on"),
            altair.Tooltip("trained:N", title="Trained"),
        ],
    )
    legend = altair.Legend(orient="top", title="Trained", labelLimit=300)
    dots = base.mark_point(size=90, filled=True, opacity=1).encode(
        color=altair.Color("trained:N", scale=color, legend=legend),
        shape=altair.Shape("trained:N", scale=shape, legend=legend),
    )
    return (base.mark_line(color="#8b8fa8") + dots).properties(height=240)


_PERCENT = {"format": ".0%", "tickCount": 5}
