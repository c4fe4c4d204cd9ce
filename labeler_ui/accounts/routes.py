"""Log in, join, log out: plain HTML forms on routes of our own, as a Streamlit script cannot set a cookie."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from db import accounts, errors, invitations, sessions
from db.engine import Database
from db.records import Invitation, Login
from labeler_ui.accounts import cookies, first, forms, places
from labeler_ui.api.guards import Refusal, check_origin

log = logging.getLogger(__name__)

FORM_LIMIT = 16 * 1024
PLAIN = (
    "This address is reached without encryption, so a password could be read on the way. Use the https address. "
    "(If a proxy does the encryption, the server must be told its address: BORDERLINE_TRUSTED_PROXY.)"
)
FOREIGN = "This form was sent from another site. Open the page itself and try again."
Handler = Callable[["Visit"], Response]


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One request to the login's pages: the store, the request, the fields of its form or its query."""

    database: Database
    request: Request
    fields: Mapping[str, str]

    def field(self, name: str) -> str:
        """Return a field as typed, empty without one."""
        return self.fields.get(name, "")

    @property
    def address(self) -> str | None:
        """Where the request comes from; behind a trusted proxy the server has put the real one here."""
        return self.request.client.host if self.request.client else None


def routes(open_database: Callable[[], Database]) -> Sequence[BaseRoute]:
    """Return the routes of local accounts.

    Args:
        open_database: Gives the store, in a worker thread.
    """

    def endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        return _endpoint(open_database, handler)

    return [
        Route("/login", endpoint(show_login), methods=["GET"]),
        Route("/login", endpoint(log_in), methods=["POST"]),
        Route("/join", endpoint(show_join), methods=["GET"]),
        Route("/join", endpoint(join), methods=["POST"]),
        Route("/password", endpoint(show_password), methods=["GET"]),
        Route("/password", endpoint(change_password), methods=["POST"]),
        Route("/logout", endpoint(log_out), methods=["GET", "POST"]),
        Route("/auth/logout", endpoint(log_out), methods=["GET"]),  # where Streamlit's st.logout leads
    ]


def _endpoint(open_database: Callable[[], Database], handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            if not cookies.is_protected(request):
                return forms.message("Not encrypted", PLAIN, status=403)
            if request.method == "POST" or handler is log_out:  # a link to the login may stand anywhere
                check_origin(request, same_site=False)
            fields = await _form(request) if request.method == "POST" else dict(request.query_params)
            return await run_in_threadpool(lambda: handler(_visit(open_database, request, fields)))
        except Refusal as refusal:
            return forms.message("Not accepted", refusal.message, link=("/login", "Log in"), status=refusal.status)
        except Exception as error:  # what was typed must not reach a log by way of a traceback
            log.error("the login's page %s failed: %s", request.scope.get("path", ""), type(error).__name__)
            return forms.message("Something went wrong", "Nothing was changed. Try again.", status=500)

    return answer


def _visit(open_database: Callable[[], Database], request: Request, fields: Mapping[str, str]) -> Visit:
    return Visit(database=open_database(), request=request, fields=fields)


async def _form(request: Request) -> Mapping[str, str]:
    """Read a small form; the first value of each field counts."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise Refusal(415, "media_type", "Expected a form.")
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > FORM_LIMIT:
            raise Refusal(413, "too_large", "That is too long for this form.")
    try:
        found = parse_qs(data.decode(), keep_blank_values=True, max_num_fields=10)
    except ValueError as error:
        raise Refusal(400, "form", "This form cannot be read.") from error
    return {name: values[0] for name, values in found.items()}


def show_login(visit: Visit) -> Response:
    """Show the form; somebody who is logged in goes on at once."""
    back = places.safe_path(visit.field("next"))
    if _logged_in(visit) is not None:
        return RedirectResponse(back, status_code=303)
    return forms.login(back)


def log_in(visit: Visit) -> Response:
    """Check name and password, and begin a session with a secret of its own: one that was there before is ended."""
    back, name = places.safe_path(visit.field("next")), visit.field("name")
    try:
        actor = accounts.log_in(visit.database, name, visit.field("password"), visit.address)
    except errors.TooManyTries as error:
        return forms.login(back, name=name, problem=_wait(error.seconds), status=429, wait=error.seconds)
    except errors.PermissionDenied:
        return forms.login(back, name=name, problem=accounts.WRONG, status=401)
    return _begin(visit, actor.user_id, back)


def _wait(seconds: int) -> str:
    span = f"{seconds} s" if seconds < 60 else f"{-(-seconds // 60)} min"
    return f"Too many tries. Try again in {span}."


def _begin(visit: Visit, user_id: int, back: str) -> Response:
    """Start a session and lead on."""
    _end_present(visit)
    begun = sessions.start(visit.database, user_id)
    response = RedirectResponse(back, status_code=303, headers={"Cache-Control": "no-store"})
    cookies.put(response, visit.request, begun.key)
    return response


def _end_present(visit: Visit) -> None:
    key = visit.request.cookies.get(cookies.NAME)
    if key:
        sessions.end(visit.database, key)


def show_join(visit: Visit) -> Response:
    """Show what an invitation gives, and ask for a name and a password."""
    try:
        offered = invitations.look(visit.database, visit.field("token"))
    except errors.NotFound:
        return _gone()
    return _join_form(visit, offered)


def join(visit: Visit) -> Response:
    """Take an invitation, once, and log its new owner in."""
    token, password = visit.field("token"), visit.field("password")
    try:
        offered = invitations.look(visit.database, token)
        if password != visit.field("again"):
            return _join_form(visit, offered, problem="The two passwords are not the same.", status=422)
        actor = invitations.accept(visit.database, token, visit.field("name"), password)
    except errors.NotFound:
        return _gone()
    except (errors.InvalidInput, errors.Conflict) as error:
        return _join_form(visit, offered, problem=str(error), status=422)
    if offered.first:
        first.forget(visit.database.home)
    return _begin(visit, actor.user_id, "/")


def _join_form(visit: Visit, offered: Invitation, *, problem: str = "", status: int = 200) -> Response:
    fixed = offered.for_user or offered.name
    name = fixed or visit.field("name")
    intro = _intro(offered)
    token = visit.field("token")
    return forms.join(token, intro=intro, name=name, fixed=fixed is not None, problem=problem, status=status)


def _intro(offered: Invitation) -> str:
    if offered.first:
        return "Make the first administrator's account. It can invite everybody else."
    if offered.for_user or offered.role is None:
        return "Choose a new password. Whoever is logged in with the old one is logged out."
    return (
        f"You are invited as {offered.role.name} {f'of {offered.project}' if offered.project else 'of all projects'}."
    )


def _gone() -> Response:
    text = "This link was used, withdrawn, or is too old. Ask an administrator for a new one."
    return forms.message("This link is over", text, link=("/login", "Log in"), status=410)


def show_password(visit: Visit) -> Response:
    """Show the form for a new password to somebody who is logged in."""
    known = _logged_in(visit)
    return RedirectResponse("/login", status_code=303) if known is None else forms.new_password(known.actor.name)


def change_password(visit: Visit) -> Response:
    """Change the password of who is logged in; the old one is asked for, and every session ends but the new one."""
    known = _logged_in(visit)
    if known is None:
        return RedirectResponse("/login", status_code=303)
    name, new = known.actor.name, visit.field("password")
    if new != visit.field("again"):
        return forms.new_password(name, problem="The two new passwords are not the same.", status=422)
    try:
        accounts.change_password(visit.database, known.actor.user_id, visit.field("old"), new, visit.address)
    except errors.InvalidInput as error:
        return forms.new_password(name, problem=str(error), status=422)
    except errors.TooManyTries as error:
        return forms.new_password(name, problem=_wait(error.seconds), status=429, wait=error.seconds)
    except errors.PermissionDenied:
        return forms.new_password(name, problem="The present password is not right.", status=401)
    return _begin(visit, known.actor.user_id, "/")


def _logged_in(visit: Visit) -> Login | None:
    known = sessions.look_up(visit.database, visit.request.cookies.get(cookies.NAME))
    return known if known is not None and known.live else None


def log_out(visit: Visit) -> Response:
    """End the session here, in the store; then take the cookie and what the browser kept away."""
    _end_present(visit)
    response = RedirectResponse("/login", status_code=303, headers={"Cache-Control": "no-store"})
    response.headers["Clear-Site-Data"] = '"cache"'
    cookies.remove(response)
    return response
