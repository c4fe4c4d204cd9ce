"""How an arm looks, the same in every chart: a color, a dash and a point shape.

Colors are at least 3 : 1 against white and against the dark page (WCAG 2.2, 1.4.11), so one chart serves both. Eight of
them are what eyes tell apart, color-blind ones too; relatives share a color (dfal and dfal_0) and differ in dash and
shape, which are never the only difference that is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
GRAY = "#808080"
WIN, LOSS = "#2080c0", "#d55e00"

_SOLID: tuple[int, ...] = (1, 0)
_DASHES: tuple[tuple[int, ...], ...] = (_SOLID, (6, 3), (2, 2), (8, 3, 2, 3))
_COLORS = ("#d55e00", GRAY, "#2080c0", "#009e73", "#b8499f", "#8a7a00", "#6a5acd", "#a0522d")
_SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left")
_FAMILIES: tuple[tuple[str, ...], ...] = (
    ("dfal", "dfal_0"),
    ("random_sampling", "random_sampling+copies"),
    ("margin", "logit_gap", "margin+copies"),
    ("bald", "batch_bald", "power_bald"),
    ("core_set", "typiclust", "probcover", "core_set_robust"),
    ("entropy", "ceal", "least_confidence"),
    ("badge", "badge+copies", "kmeans"),
    ("egl", "egl+copies"),
)


@dataclass(frozen=True)
class Look:
    """Color, dash and shape of one arm."""

    color: str
    dash: tuple[int, ...]
    shape: str


def looks(arms: Sequence[str]) -> dict[str, Look]:
    """Return a look for each arm: known strategies always have their own, others take what is free, in order.

    >>> looks(["dfal"])["dfal"] == looks(["margin", "dfal to vgg8", "dfal"])["dfal"]
    True
    """
    known = {name: (family, place) for family, names in enumerate(_FAMILIES) for place, name in enumerate(names)}
    taken = {known[arm] for arm in arms if arm in known}
    free = (place for place in _places() if place not in taken)
    return {arm: _look(*(known[arm] if arm in known else next(free))) for arm in arms}


def arm_scales(arms: Sequence[str], title: str | None = None) -> Spec:
    """Return the encodings color, strokeDash and shape for a field 'arm', with one legend for all three."""
    found = looks(arms)
    domain = list(arms)
    legend = {"symbolSize": 90, "symbolStrokeWidth": 2.5, "symbolOpacity": 1, "labelLimit": 260, "title": title}
    return {
        "color": {
            "field": "arm", "type": "nominal", "legend": legend,
            "scale": {"domain": domain, "range": [found[arm].color for arm in domain]},
        },
        "strokeDash": {
            "field": "arm", "type": "nominal", "legend": legend,
            "scale": {"domain": domain, "range": [list(found[arm].dash) for arm in domain]},
        },
        "shape": {
            "field": "arm", "type": "nominal", "legend": legend,
            "scale": {"domain": domain, "range": [found[arm].shape for arm in domain]},
        },
    }  # fmt: skip


def labels_axis(values: Iterable[int]) -> Spec:
    """Return the x encoding of label counts, without room at the sides."""
    found = sorted(set(values))
    return {
        "field": "labels",
        "type": "quantitative",
        "title": "labels",
        "scale": {"domain": [found[0], found[-1]] if len(found) > 1 else [0, 2 * found[0]], "nice": False},
        "axis": {"tickMinStep": 1, "grid": False, "labelOverlap": True, "labelSeparation": 4},
    }


def points_of(share: float) -> float:
    """Return a share in percentage points, as charts show it."""
    return round(100 * share, 3)


def _look(family: int, place: int) -> Look:
    shape = _SHAPES[(family + 3 * place) % len(_SHAPES)]
    return Look(_COLORS[family], _DASHES[place % len(_DASHES)], shape)


def _places() -> Iterable[tuple[int, int]]:
    place = 0
    while True:
        yield from ((family, place) for family in range(len(_COLORS)))
        place += 1
