"""The login's own pages as plain HTML: no script at all, every word from outside escaped, nothing cached or framed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape

from starlette.responses import HTMLResponse

from labeler_ui.theme import LOGO

STYLE = """
:root { color-scheme: light dark; font-family: system-ui, Helvetica, Arial, sans-serif; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: #f4f5f9; color: #0f1020; }
main { box-sizing: border-box; width: min(26rem, 94vw); padding: 2rem; border-radius: 14px; background: #fff;
  border: 1px solid #dfe1ea; }
h1 { font-size: 1.35rem; margin: 1.2rem 0 .4rem; }
p { line-height: 1.45; margin: .4rem 0 1rem; }
label { display: block; font-weight: 600; margin: .9rem 0 .3rem; }
input { box-sizing: border-box; width: 100%; font: inherit; padding: .6rem .7rem; border-radius: 10px;
  border: 1px solid #8b8fa3; background: #fff; color: inherit; }
input[readonly] { background: #f4f5f9; }
input:focus-visible, button:focus-visible, a:focus-visible { outline: 3px solid #7c7ff2; outline-offset: 2px; }
button, .button { display: block; box-sizing: border-box; width: 100%; margin-top: 1.4rem; padding: .7rem; border: 0;
  border-radius: 10px; background: #4f46e5; color: #fff; font: inherit; font-weight: 650; text-align: center;
  text-decoration: none; cursor: pointer; }
.hint { font-size: .9rem; color: #5a5d70; margin: .3rem 0 0; }
.problem { border-radius: 10px; padding: .7rem .9rem; background: #fdecec; color: #8c1d18; }
@media (prefers-color-scheme: dark) {
  body { background: #12131a; color: #eceef6; }
  main { background: #1c1e29; border-color: #31344a; }
  input { background: #12131a; border-color: #6b6f86; }
  input[readonly] { background: #1c1e29; }
  .hint { color: #b3b6c8; }
  .problem { background: #47201f; color: #ffd9d6; }
}
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def page(title: str, body: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """Return one page around a body of our own making; `title` is escaped here."""
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} - Borderline</title><style>{STYLE}</style></head>"
        f"<body><main>{LOGO}<h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    return HTMLResponse(text, status_code=status, headers={**HEADERS, **(headers or {})})


def message(title: str, text: str, *, link: tuple[str, str] | None = None, status: int = 200) -> HTMLResponse:
    """Return a page that only says something, with one link to go on."""
    further = f'<a class="button" href="{escape(link[0])}">{escape(link[1])}</a>' if link else ""
    return page(title, f"<p>{escape(text)}</p>{further}", status=status)


def login(back: str, *, name: str = "", problem: str = "", status: int = 200, wait: int = 0) -> HTMLResponse:
    """Return the login form.

    Args:
        back: The path to go to afterwards; checked again when it comes back.
        name: What was typed before.
        problem: What went wrong, in one sentence.
        status: The HTTP status.
        wait: Seconds until the next try is heard.
    """
    body = (
        f"{_problem(problem)}"
        '<form method="post" action="/login">'
        f'<input type="hidden" name="next" value="{escape(back)}">'
        f"{_field('Name', 'name', value=name, autocomplete='username', focus=not name)}"
        f"{_field('Password', 'password', kind='password', autocomplete='current-password', focus=bool(name))}"
        '<button type="submit">Log in</button></form>'
        '<p class="hint">No account, or the password is lost? Ask an administrator for a link.</p>'
    )
    return page("Log in", body, status=status, headers={"Retry-After": str(wait)} if wait else None)


def join(token: str, *, intro: str, name: str, fixed: bool, problem: str = "", status: int = 200) -> HTMLResponse:
    """Return the form by which an invitation becomes an account, or an account gets a new password."""
    body = (
        f"<p>{escape(intro)}</p>{_problem(problem)}"
        '<form method="post" action="/join">'
        f'<input type="hidden" name="token" value="{escape(token)}">'
        f"{_field('Name', 'name', value=name, autocomplete='username', fixed=fixed, focus=not fixed)}"
        f"{_field('Password', 'password', kind='password', autocomplete='new-password', focus=fixed)}"
        '<p class="hint">12 characters or more. A sentence does well; there are no other rules.</p>'
        f"{_field('Password again', 'again', kind='password', autocomplete='new-password')}"
        '<button type="submit">Go on</button></form>'
    )
    return page("Welcome", body, status=status)


def new_password(name: str, *, problem: str = "", status: int = 200, wait: int = 0) -> HTMLResponse:
    """Return the form by which somebody who is logged in changes their password."""
    body = (
        f"<p>Everybody who is logged in as {escape(name)} is logged out, here and elsewhere.</p>{_problem(problem)}"
        '<form method="post" action="/password">'
        f"{_field('Present password', 'old', kind='password', autocomplete='current-password', focus=True)}"
        f"{_field('New password', 'password', kind='password', autocomplete='new-password')}"
        '<p class="hint">12 characters or more. A sentence does well; there are no other rules.</p>'
        f"{_field('New password again', 'again', kind='password', autocomplete='new-password')}"
        '<button type="submit">Change it</button></form>'
    )
    headers = {"Retry-After": str(wait)} if wait else None
    return page("Change the password", body, status=status, headers=headers)


def _problem(text: str) -> str:
    return f'<p class="problem" role="alert">{escape(text)}</p>' if text else ""


def _field(
    label: str,
    name: str,
    *,
    kind: str = "text",
    value: str = "",
    autocomplete: str,
    fixed: bool = False,
    focus: bool = False,
) -> str:
    more = (" readonly" if fixed else "") + (" autofocus" if focus else "")
    return (
        f'<label for="{name}">{escape(label)}</label>'
        f'<input id="{name}" name="{name}" type="{kind}" value="{escape(value)}" required maxlength="1000"'
        f' autocomplete="{autocomplete}" autocapitalize="none" spellcheck="false"{more}>'
    )
