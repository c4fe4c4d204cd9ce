"""Numbers that say how far a result can be trusted; NumPy only, no torch, so that the page can use them too."""

from __future__ import annotations

from pipeline.statistics.agreement import (
    Agreement,
    agreement,
    class_agreement,
    krippendorff_alpha,
    pairwise_confusion,
)
from pipeline.statistics.annotators import DawidSkene, dawid_skene
from pipeline.statistics.curves import learning_curve_area, wilson_interval

__all__ = [
    "Agreement",
    "DawidSkene",
    "agreement",
    "class_agreement",
    "dawid_skene",
    "krippendorff_alpha",
    "learning_curve_area",
    "pairwise_confusion",
    "wilson_interval",
]
