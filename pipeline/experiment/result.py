"""What a comparison came to: its points, and what statistics and reports make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.experiment.records import Arm, Point, Settings
from pipeline.statistics import Curve, Summary, summarize


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a comparison came to.

    Attributes:
        settings: What was compared.
        classes: Names of the classes.
        points: By arm and seed, in the order of their labels.
        about: With what it ran: device, versions, recipes, what tuning found and spent.
    """

    settings: Settings
    classes: tuple[str, ...]
    points: Mapping[tuple[Arm, int], tuple[Point, ...]]
    about: Mapping[str, Any] = field(default_factory=dict)

    def curves(self) -> tuple[Curve, ...]:
        """Return the learning curve of every run, for `pipeline.statistics`."""
        return tuple(
            Curve.of(arm.name, seed, points, trains=arm.trains) for (arm, seed), points in self.points.items() if points
        )

    def summary(self, **how: Any) -> Summary:
        """Return areas, budgets, targets, paired differences and the verdict; `how` goes to `statistics.summarize`."""
        return summarize(self.curves(), **how)

    def to_html(self, path: Path | str, *, title: str | None = None) -> Path:
        """Write the report as one HTML file without scripts, to be read, sent and kept; returns where.

        Args:
            path: The file; its ending becomes .html.
            title: What stands on top.
        """
        from pipeline.reports import Report, write_report

        about = dict(self.about)
        report = Report(
            title=title or f"{', '.join(self.settings.strategies)}",
            summary=self.summary(),
            curves=self.curves(),
            settings=self.settings.plain(),
            recipe=about.get("recipes", {}),
            tuning=about.get("tuning", {}),
            tuning_labels=about.get("labels spent on tuning") or None,
            device=str(about.get("device_name", "")),
            machine=str(about.get("machine", "")),
            versions=about.get("versions", {}),
            class_names=self.classes,
        )
        return write_report(Path(path).with_suffix(".html"), report)[0]
