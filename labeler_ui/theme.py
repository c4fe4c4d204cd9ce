"""The looks of the pages as Streamlit options: light and dark, so that everybody's own setting is followed."""

from __future__ import annotations

import base64

INDIGO, INDIGO_LIGHT = "#4f46e5", "#7c7ff2"
AMBER = "#d97706"

THEME: dict[str, object] = {
    "theme.baseRadius": "10px",
    "theme.paddingTop": "0.5rem",
    "theme.paddingBottom": "2rem",
    "theme.headingFontSizes": ["2rem", "1.35rem", "1.15rem", "1rem", "1rem", "1rem"],
    "theme.headingFontWeights": [700, 650, 650, 600, 600, 600],
    "theme.light.primaryColor": INDIGO,
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f4f5f9",
    "theme.light.textColor": "#0f1020",
    "theme.light.chartCategoricalColors": [INDIGO, AMBER, "#0d9488", "#db2777", "#64748b"],
    "theme.light.borderColor": "#dfe1ea",
    "theme.dark.primaryColor": "#6366f1",
    "theme.dark.backgroundColor": "#12131a",
    "theme.dark.secondaryBackgroundColor": "#1c1e29",
    "theme.dark.textColor": "#eceef6",
    "theme.dark.chartCategoricalColors": [INDIGO_LIGHT, "#fbbf24", "#2dd4bf", "#f472b6", "#94a3b8"],
    "theme.dark.borderColor": "#31344a",
}

_SIGN = """<rect x="1" y="2" width="32" height="32" rx="9" fill="#4f46e5"/>
<path d="M6 29C14 29 12 7 28 7" fill="none" stroke="#fff" stroke-width="2.600" stroke-linecap="round"/>
<circle cx="11" cy="12" r="2.600" fill="#fbbf24"/><circle cx="17.500" cy="8.500" r="2" fill="#fbbf24" opacity=".75"/>
<circle cx="23" cy="23" r="2.600" fill="#a5f3fc"/><circle cx="17.500" cy="27" r="2" fill="#a5f3fc" opacity=".75"/>"""

LOGO = f"""<svg xmlns="http://www.w3.org/2000/svg" width="210" height="36" viewBox="0 0 210 36">{_SIGN}
<text x="43" y="25" font-family="system-ui, Helvetica, Arial, sans-serif" font-size="22"
 font-weight="700" letter-spacing="-0.400" fill="#6d6ef0">Borderline</text></svg>"""


def text_color(kind: str | None) -> str:
    """Return the text color of the 'light' or 'dark' theme; None, before the browser has told, is light."""
    return str(THEME[f"theme.{kind or 'light'}.textColor"])


def details(kind: str | None) -> str:
    """Return a style sheet for what no option of the theme reaches: texts that would be too pale (WCAG 2.2, 1.4.3).

    Args:
        kind: 'light' or 'dark'; None, before the browser has told, is light.
    """
    tags = f"[data-tag] {{ background-color: {INDIGO} !important; color: #ffffff; }}"
    chosen = '[data-testid="stButtonGroup"] [aria-checked="true"] p { color: #a5b4fc; }'
    return f"<style>{tags}{chosen if kind == 'dark' else ''}</style>"


def favicon() -> str:
    """Return the sign as a data address: an icon by name would be fetched from a foreign server."""
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 34 36">{_SIGN}</svg>'
    return "data:image/svg+xml;base64," + base64.b64encode(drawing.encode()).decode()
