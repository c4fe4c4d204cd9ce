"""What accuracy does not tell where classes are uneven: every class counted alike, the rare ones, and calibration."""

from __future__ import annotations

from pipeline.reports.tables import NONE, Table
from pipeline.statistics.summary import ArmSummary, Summary


def classes_table(summary: Summary) -> Table | None:
    """Return what each arm comes to at its last label count, every class counted alike; None if nobody measured it."""
    if all(arm.curve[-1].balanced_accuracy is None for arm in summary.arms):
        return None
    rare = len(summary.rare_classes)
    return Table(
        title="Every class alike, at the last label count (%)",
        header=("arm", "balanced accuracy", f"recall of {rare} rare" if rare else "rare recall", "calibration error"),
        rows=tuple(_row(arm) for arm in summary.arms),
        note=(
            "Means over the seeds. Balanced accuracy: mean recall of the classes. Rare: classes with fewer than half "
            "of the mean number of labels when labels are drawn at random. Calibration error: how far the model's "
            "confidence lies from its accuracy, in 15 bins (Guo et al. 2017); lower is better."
        ),
    )


def _row(arm: ArmSummary) -> tuple[str, ...]:
    last = arm.curve[-1]
    return arm.name, *(_percent(value) for value in (last.balanced_accuracy, last.rare_recall, last.calibration_error))


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.1f}"
