"""The advice when to stop in two or three plain sentences, the same on the page and in the terminal."""

from __future__ import annotations

from pipeline.statistics.learning_gain import FEWEST_POINTS
from pipeline.statistics.stopping import SETTLED_KAPPA, WINDOW, StoppingAdvice

_VERDICTS = {
    "go on": "Going on is worth it, as far as can be told.",
    "nearly flat": "The curve is nearly flat: more labels change little.",
    "budget used": "The budget is used, so no further round begins. Raise it to go on.",
    "not known yet": "Whether to go on cannot be told yet.",
}


def advice_sentences(advice: StoppingAdvice, source: str = "") -> list[str]:
    """Return two or three sentences, each with its numbers; the first is the verdict.

    Args:
        advice: What to tell.
        source: The split that the models were measured on: 'holdout', 'validation' or 'test'.
    """
    sentences = [_VERDICTS[advice.verdict] + _budget(advice), _gain(advice)]
    recent = " ".join(part for part in (_change(advice, source), _agreement(advice)) if part)
    return [*sentences, recent] if recent else sentences


def _budget(advice: StoppingAdvice) -> str:
    return "" if advice.budget is None else f" {advice.labels:,} of {advice.budget:,} labels are used."


def _gain(advice: StoppingAdvice) -> str:
    if advice.gain is None:
        return f"What the next 100 labels bring is not known yet: that takes {FEWEST_POINTS} measured models."
    found = advice.gain
    return (
        f"The next {found.labels} labels are expected to add {_points(found.gain)} points of accuracy "
        f"(95 % interval: {_points(found.low)} to {_points(found.high)})."
    )


def _change(advice: StoppingAdvice, source: str) -> str:
    if advice.change is None:
        return ""
    found = advice.change
    noise = "" if found.low > 0 else "; no gain beyond noise" if found.high > 0 else "; it fell"
    where = f"{found.images:,} {source} images" if source else f"{found.images:,} images"
    return (
        f"Over the last {WINDOW} models accuracy changed by {_signed(found.gain)} points "
        f"({_signed(found.low)} to {_signed(found.high)}, on {where}){noise}."
    )


def _agreement(advice: StoppingAdvice) -> str:
    if advice.agreement is None:
        return ""
    settled = "settled" if advice.agreement >= SETTLED_KAPPA else f"settled from {SETTLED_KAPPA:.2f}"
    return f"On unlabeled images successive models agree with kappa {advice.agreement:.3f} ({settled})."


def _points(share: float) -> str:
    return f"{100 * share:.1f}"


def _signed(share: float) -> str:
    shown = f"{100 * share:+.1f}"
    return "0.0" if shown in ("+0.0", "-0.0") else shown
