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
from pipeline.statistics.classification import Classified, calibration_error, classified, worst_first
from pipeline.statistics.comparison import summarize
from pipeline.statistics.curves import Curve, learning_curve_area, wilson_interval
from pipeline.statistics.intervals import ENOUGH_SEEDS, Estimate, bootstrap_bands, t_interval
from pipeline.statistics.learning_gain import ExpectedGain, expected_gain
from pipeline.statistics.paired import Difference, holm, paired_difference, sign_flip_test
from pipeline.statistics.stopping import StoppingAdvice, advise, cohen_kappa
from pipeline.statistics.stopping_words import advice_sentences
from pipeline.statistics.summary import ArmSummary, CurvePoint, Pair, Summary
from pipeline.statistics.targets import accuracy_at, labels_to
from pipeline.statistics.verdict import verdict

__all__ = [
    "ENOUGH_SEEDS",
    "Agreement",
    "ArmSummary",
    "Classified",
    "Curve",
    "CurvePoint",
    "DawidSkene",
    "Difference",
    "Estimate",
    "ExpectedGain",
    "Pair",
    "StoppingAdvice",
    "Summary",
    "accuracy_at",
    "advice_sentences",
    "advise",
    "agreement",
    "bootstrap_bands",
    "calibration_error",
    "class_agreement",
    "classified",
    "cohen_kappa",
    "dawid_skene",
    "expected_gain",
    "holm",
    "krippendorff_alpha",
    "labels_to",
    "learning_curve_area",
    "paired_difference",
    "pairwise_confusion",
    "sign_flip_test",
    "summarize",
    "t_interval",
    "verdict",
    "wilson_interval",
    "worst_first",
]
