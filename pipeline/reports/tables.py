"""The tables of a report, as words: for the HTML file and for Markdown alike. Accuracies are in percent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from pipeline.statistics.intervals import Estimate
from pipeline.statistics.paired import Difference
from pipeline.statistics.published import PublishedTable
from pipeline.statistics.summary import ArmSummary, Pair, Summary
from pipeline.statistics.targets import ToTarget

NONE = "–"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of texts.

    Attributes:
        title: Above it.
        header: Names of the columns.
        rows: As many cells each as the header; the first says what the row is about.
        note: Below it, may be empty.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def is_rows(value: object) -> TypeGuard[Sequence[Mapping[str, object]]]:
    """Return whether a noted value is a list of records, which reads better as a table."""
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(row, Mapping) for row in value)


def rows_table(title: str, rows: Sequence[Mapping[str, object]]) -> Table:
    """Return records with the same names as a table."""
    header = tuple(dict.fromkeys(name for row in rows for name in row))
    cells = tuple(tuple(_cell(row.get(name)) for name in header) for row in rows)
    return Table(title=title, header=tuple(name.replace("_", " ") for name in header), rows=cells)


def _cell(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return "yes" if value else NONE if value is None else ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def overview_table(summary: Summary) -> Table:
    """Return area, final accuracy and times of each arm."""
    ranges = {arm.labels for arm in summary.arms}
    covers = () if len(ranges) == 1 else ("covers labels",)
    rows = tuple(
        (
            arm.name, str(len(arm.seeds)), *((f"{arm.labels[0]} to {arm.labels[1]}",) if covers else ()),
            estimate(arm.area), estimate(arm.final), _seconds(arm.query_seconds), _seconds(arm.train_seconds),
        )
        for arm in summary.arms
    )  # fmt: skip
    last = max(arm.labels[1] for arm in summary.arms)
    return Table(
        title="Area under the curve and final accuracy",
        header=(
            "arm",
            "seeds",
            *covers,
            "area (%)",
            f"final (%), {last} labels",
            "ranking (s)",
            "training (s)",
        ),
        rows=rows,
        note=(
            f"Area: mean accuracy under the learning curve. {summary.confidence:.0%} intervals of Student's t over the "
            "seeds. Intervals of two arms may overlap although one is better: seeds are paired, so see the differences."
        ),
    )


def balance_table(summary: Summary) -> Table | None:
    """Return balanced accuracy and calibration of each arm's last models; None if neither was measured."""
    ends = [(arm.name, arm.curve[-1]) for arm in summary.arms]
    if all(end.balanced_accuracy is None and end.calibration_error is None for _, end in ends):
        return None
    return Table(
        title="Balanced accuracy and calibration at the end",
        header=("arm", "labels", "accuracy (%)", "balanced (%)", "calibration error (points)"),
        rows=tuple(
            (name, str(end.labels), *map(_hundredths, (end.mean, end.balanced_accuracy, end.calibration_error)))
            for name, end in ends
        ),
        note=(
            "Balanced: the mean over the classes of the share that is found of each. Calibration error: how far the "
            "confidence in the predicted class is from being right (15 bins of equal width). Means over the seeds."
        ),
    )


def _hundredths(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:.1f}"


def budgets_table(summary: Summary) -> Table | None:
    """Return accuracy at fixed budgets; None if there are none."""
    budgets = sorted({at.labels for arm in summary.arms for at in arm.budgets})
    if not budgets:
        return None
    rows = []
    for arm in summary.arms:
        found = {at.labels: at.accuracy for at in arm.budgets}
        rows.append((arm.name, *(estimate(found.get(budget), of=len(arm.runs)) for budget in budgets)))
    return Table(
        title="Accuracy at fixed budgets (%)",
        header=("arm", *(f"{budget} labels" for budget in budgets)),
        rows=tuple(rows),
        note="Of the newest model that so many labels pay for.",
    )


def targets_table(summary: Summary) -> Table | None:
    """Return labels to reach each target; None if there are none."""
    targets = sorted({at.target for arm in summary.arms for at in arm.targets})
    if not targets:
        return None
    rows = []
    for arm in summary.arms:
        found = {at.target: at for at in arm.targets}
        rows.append((arm.name, *(_to_target(found.get(target)) for target in targets)))
    return Table(
        title="Labels to reach an accuracy",
        header=("arm", *(f"{100 * target:g} %" for target in targets)),
        rows=tuple(rows),
        note=(
            "Median over all seeds (fewest to most), where each seed's own curve first gets there. A seed that never "
            "does counts as needing more labels than any other; it is not dropped."
        ),
    )


def paired_table(summary: Summary, *, only: str | None = None) -> Table | None:
    """Return paired differences of all pairs, or of one arm with the others as it sees them; None without pairs."""
    pairs = [pair for pair in summary.pairs if only is None or only in (pair.a, pair.b)]
    if not pairs:
        return None
    ordered = sorted(pairs, key=lambda pair: -_sign(pair, only) * pair.area.mean) if only else pairs
    return Table(
        title=f"{only} against the others" if only else "Every two arms",
        header=(
            "against" if only else "",
            "seeds",
            "area, points",
            "p",
            "sign flips p",
            "won : lost",
            "final, points",
            "p (final)",
            "so",
        ),
        rows=tuple(_paired_row(pair, _sign(pair, only), short=only is not None) for pair in ordered),
        note=(
            f"Differences on the same seeds, with {summary.confidence:.0%} t intervals. p: paired t test, corrected by "
            f"Holm for {len(summary.pairs)} comparisons; it decides. Sign flips: exact permutation test, not corrected."
        ),
    )


def published_rows(summary: Summary, table: PublishedTable) -> Table:
    """Return a published table with ours beside it: its label counts, our means with intervals where we have them."""
    header = ["arm"]
    for labels in table.labels:
        header += [f"{labels}: theirs", f"{labels}: ours"]
    names = [arm.name for arm in summary.arms if not arm.trains]
    rows = []
    for name in dict.fromkeys([*table.accuracy, *names]):
        published = table.accuracy.get(name)
        row = [name]
        for place, labels in enumerate(table.labels):
            row += [NONE if published is None else f"{100 * published[place]:.2f}", _ours(summary, name, labels)]
        rows.append(tuple(row))
    return Table(
        title=f"Published beside ours: {table.dataset}, {table.network}",
        header=tuple(header),
        rows=tuple(rows),
        note=f"Theirs: {table.source}. {table.remarks} Ours: means over the seeds of the models themselves.",
    )


def estimate(found: Estimate | None, of: int | None = None) -> str:
    """Return '91.2 [90.8, 91.6]' in percent, with the number of seeds where it is not all of them.

    >>> estimate(Estimate(mean=0.912, low=0.908, high=0.916, seeds=10))
    '91.2 [90.8, 91.6]'
    """
    if found is None:
        return NONE
    text = f"{100 * found.mean:.1f}{_interval(found.low, found.high, 1)}"
    return text if of is None or of == found.seeds else f"{text} ({found.seeds} of {of} seeds)"


def p_text(p: float | None) -> str:
    """Return a p-value with two digits that matter.

    >>> p_text(0.0312), p_text(0.00001), p_text(None)
    ('0.031', '< 0.0001', '–')
    """
    if p is None:
        return NONE
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"


def _ours(summary: Summary, name: str, labels: int) -> str:
    arm: ArmSummary | None = next((arm for arm in summary.arms if arm.name == name), None)
    point = next((point for point in arm.curve if point.labels == labels), None) if arm else None
    if point is None:
        return NONE
    return f"{100 * point.mean:.2f}{_interval(point.low, point.high, 2)}"


def _sign(pair: Pair, only: str | None) -> int:
    return -1 if only is not None and pair.b == only else 1


def _paired_row(pair: Pair, sign: int, *, short: bool) -> tuple[str, ...]:
    first, second = (pair.a, pair.b)[::sign]
    won, lost = (pair.area.wins, pair.area.losses)[::sign]
    return (
        second if short else f"{first} − {second}",
        str(len(pair.seeds)),
        _difference(pair.area, sign),
        p_text(pair.area.p),
        p_text(pair.area.p_exact),
        f"{won} : {lost}",
        _difference(pair.final, sign),
        p_text(pair.final.p),
        _so(pair),
    )


def _so(pair: Pair) -> str:
    if pair.identical:
        return "no difference"
    return f"{pair.winner} is better" if pair.winner else "cannot be told apart"


def _difference(found: Difference, sign: int) -> str:
    low, high = (
        (None, None) if found.low is None or found.high is None else sorted((sign * found.low, sign * found.high))
    )
    return f"{100 * sign * found.mean:+.2f}{_interval(low, high, 2)}".replace("-", "−")


def _interval(low: float | None, high: float | None, digits: int) -> str:
    return "" if low is None or high is None else f" [{100 * low:.{digits}f}, {100 * high:.{digits}f}]"


def _to_target(found: ToTarget | None) -> str:
    if found is None:
        return NONE
    missed = found.seeds - found.reached
    if missed == found.seeds:
        return f"not reached by {missed} of {found.seeds}{_unfinished(found)}"
    middle = "more than half did not" if found.median is None else f"{found.median:.0f}"
    text = f"{middle} ({found.fewest:.0f} to {found.most:.0f})"
    return text if not missed else f"{text}; not reached by {missed} of {found.seeds}{_unfinished(found)}"


def _unfinished(found: ToTarget) -> str:
    return f", {found.unfinished} unfinished" if found.unfinished else ""


def _seconds(value: float | None) -> str:
    return NONE if value is None else f"{value:.3g}"


def widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the longest cell of each column."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]
