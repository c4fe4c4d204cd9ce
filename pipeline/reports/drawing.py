"""Charts as pictures, without a browser and without a network: SVG and PNG by vl-convert."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"  # of one width everywhere: texts are measured here
_LABEL = re.compile(r'(<path aria-label="([^"]*)"[^>]*?)(?:/>|></path>)')
_ID = re.compile(r'((?:\bid="|url\(#|href="#))([\w-]+)')


def svg(spec: dict[str, Any], *, prefix: str = "part-", ink: str = "currentColor") -> str:
    """Return a chart as SVG on a clear ground; what a page shows on hover is a title of each mark, without a script.

    Args:
        spec: Vega-Lite, of `pipeline.statistics.charts`.
        prefix: Before all ids, so that several charts can stand in one document.
        ink: Color of texts; by default that of the text around the chart.
    """
    import vl_convert

    drawn = vl_convert.vegalite_to_svg(spec, vl_version=_version(), config=_config(ink, None), allowed_base_urls=[])
    return _LABEL.sub(r"\1><title>\2</title></path>", _renamed(drawn, prefix))


def png(spec: dict[str, Any], *, scale: float = 2.0) -> bytes:
    """Return a chart as PNG on white, `scale` pixels a point."""
    import vl_convert

    drawn: bytes = vl_convert.vegalite_to_png(
        spec, vl_version=_version(), scale=scale, config=_config("#1c1d2b", "#ffffff"), allowed_base_urls=[]
    )
    return drawn


def _renamed(drawn: str, prefix: str) -> str:
    """Number ids anew: the renderer counts them on from chart to chart, and equal charts must be equal bytes."""
    names: dict[str, str] = {}
    return _ID.sub(lambda found: found[1] + names.setdefault(found[2], f"{prefix}{len(names)}"), drawn)


@cache
def _version() -> str:
    """Return the newest Vega-Lite 5 that vl-convert brings."""
    import vl_convert

    fives = [version for version in vl_convert.get_vegalite_versions() if version.startswith("5.")]
    return max(fives, key=lambda version: [int(part) for part in version.split(".")])


def _config(ink: str, ground: str | None) -> dict[str, Any]:
    faint = "#8080804d"
    return {
        "background": ground,
        "font": _FONT,
        "padding": {"left": 8, "right": 16, "top": 6, "bottom": 6},
        "view": {"stroke": None},
        "text": {"color": ink, "fontSize": 12},
        "axis": {
            "labelColor": ink, "titleColor": ink, "domainColor": "#808080", "tickColor": "#808080", "gridColor": faint,
            "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "titlePadding": 8,
        },
        "legend": {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "titleFontSize": 12},
        "header": {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "labelFontWeight": 600},
        "title": {"color": ink},
    }  # fmt: skip
