"""The tables of the DFAL paper as data, to stand beside ours; every figure as it was published, with its doubts.

Ducoffe and Precioso, Adversarial active learning for deep networks: a margin based approach, arXiv:1802.09841 (2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_SOURCE = "Ducoffe and Precioso, arXiv:1802.09841 (2018), tables as in the authors' lecture slides"
_DOUBTS = (
    "No dispersion is given. The plotting script published with the code takes the running maximum of test accuracy, "
    "and some rows stay the same to the last digit, so these are probably the best accuracies so far, not those of the "
    "final models. BALD, CEAL and EGL are coded there in ways that weaken them."
)


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """A published table of test accuracies.

    Attributes:
        dataset: As we call it.
        network: As we call it.
        labels: Columns, as label counts.
        accuracy: Our name of the arm -> accuracy in [0, 1] at each label count.
        everything: Accuracy with all labels; None if not given.
        source: Where it stands.
        remarks: What to keep in mind when it is read beside ours.
    """

    dataset: str
    network: str
    labels: tuple[int, ...]
    accuracy: Mapping[str, tuple[float, ...]]
    everything: float | None
    source: str = _SOURCE
    remarks: str = _DOUBTS


@dataclass(frozen=True, kw_only=True)
class PublishedTransfer:
    """Published accuracies of a network trained on what another one chose.

    Attributes:
        dataset: As we call it.
        asks: The network that chose.
        trains: The network that was trained.
        labels: How many labels.
        accuracy: Our name of the arm -> accuracy in [0, 1].
        source: Where it stands.
    """

    dataset: str
    asks: str
    trains: str
    labels: int
    accuracy: Mapping[str, float]
    source: str = _SOURCE


_LABELS = (100, 500, 800, 1000)

MNIST = PublishedTable(
    dataset="mnist",
    network="vgg8",
    labels=_LABELS,
    accuracy={
        "dfal": (0.8428, 0.9690, 0.9798, 0.9859),
        "dfal_0": (0.8508, 0.9589, 0.9779, 0.9813),
        "bald": (0.5373, 0.9147, 0.9432, 0.9432),
        "ceal": (0.5087, 0.9069, 0.9069, 0.9069),
        "core_set": (0.7880, 0.9668, 0.9746, 0.9788),
        "egl": (0.3792, 0.9184, 0.9399, 0.9399),
        "entropy": (0.4557, 0.8836, 0.9427, 0.9460),  # 'uncertainty' there: maximum entropy in the code
        "random_sampling": (0.6979, 0.9196, 0.9405, 0.9446),
    },
    everything=0.9898,
)

QUICKDRAW = PublishedTable(
    dataset="quickdraw",
    network="vgg8",
    labels=_LABELS,
    accuracy={
        "dfal": (0.8423, 0.9152, 0.9316, 0.9391),
        "dfal_0": (0.7862, 0.9135, 0.9244, 0.9314),
        "bald": (0.8200, 0.8994, 0.9192, 0.9287),
        "ceal": (0.6445, 0.7966, 0.8573, 0.8865),
        "core_set": (0.6671, 0.8993, 0.9228, 0.9262),
        "egl": (0.6312, 0.8680, 0.9006, 0.9006),
        "entropy": (0.5277, 0.8805, 0.8931, 0.9103),
        "random_sampling": (0.7828, 0.8813, 0.8971, 0.8994),
    },
    everything=0.9675,
    remarks=f"Four classes there: dolphin, cat, face, angel. {_DOUBTS}",
)

TRANSFERS = (
    PublishedTransfer(
        dataset="mnist", asks="lenet5", trains="vgg8", labels=1000,
        accuracy={"dfal": 0.9780, "core_set": 0.9690, "random_sampling": 0.9446},
    ),
    PublishedTransfer(
        dataset="mnist", asks="vgg8", trains="lenet5", labels=1000,
        accuracy={"dfal": 0.9793, "core_set": 0.9740, "random_sampling": 0.9531},
    ),
    PublishedTransfer(
        dataset="shoe_bag", asks="lenet5", trains="vgg8", labels=1000,
        accuracy={"dfal": 0.9940, "core_set": 0.9912, "random_sampling": 0.9708},
    ),
    PublishedTransfer(
        dataset="shoe_bag", asks="vgg8", trains="lenet5", labels=1000,
        accuracy={"dfal": 0.9875, "core_set": 0.9850, "random_sampling": 0.9807},
    ),
)  # fmt: skip

TABLES = (MNIST, QUICKDRAW)


def published_table(dataset: str) -> PublishedTable | None:
    """Return the published table of a data set by our name for it; None if there is none.

    >>> published_table("mnist").accuracy["dfal"][-1]
    0.9859
    """
    return next((table for table in TABLES if table.dataset == dataset), None)
