"""The console's application: pages, actions, login, static files, and what guards all of them.

Every request passes host check, then session; every answer carries the same headers, errors included.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import web

from router.console.access import SESSION_SECONDS, Access, ConsoleUser, Sessions
from router.console.actions import ACTIONS, act, error_status
from router.console.hosts import names_this_machine, origin_is_ours
from router.console.live.hub import LiveHub
from router.console.live.reader import LiveReader
from router.console.live.socket import HUB, event, live
from router.console.oidc_settings import CALLBACK, LOGIN_SECONDS, LoginRefused
from router.console.page import Page
from router.console.pages import PAGES
from router.console.sight import Sight
from router.console.snippets import arrival
from router.console.templates import Shown, render, revision, static_files
from router.errors import RouterError

if TYPE_CHECKING:
    from router.console.oidc import OidcLogin

COOKIE, THEME, STATE = "router_console", "router_theme", "router_login"
LARGEST_BODY = 256 * 1024
SIGHT: web.AppKey[Sight] = web.AppKey("sight", Sight)
ACCESS: web.AppKey[Access] = web.AppKey("access", Access)
OIDC: web.AppKey[OidcLogin] = web.AppKey("oidc")
SESSIONS: web.AppKey[Sessions] = web.AppKey("sessions", Sessions)
PERSON: web.RequestKey[ConsoleUser | None] = web.RequestKey("person")
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "event-router",
}
_OPEN = ("/login", "/static/")  # what is answered without a session
_THEMES = ("auto", "light", "dark")

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(sight: Sight, access: Access) -> web.Application:
    """The application of one topology."""
    app = web.Application(middlewares=[_guard], client_max_size=LARGEST_BODY)
    app[SIGHT], app[ACCESS], app[SESSIONS] = sight, access, Sessions(access)
    if access.oidc is not None:
        from router.console.oidc import OidcLogin

        app[OIDC] = OidcLogin(access.oidc)
        app.router.add_get(CALLBACK, _come_back)
    app.on_response_prepare.append(_with_headers)
    app.router.add_get(f"/static/{revision()}/{{name}}", _static)
    app.router.add_get("/login", _login_page)
    app.router.add_post("/login", _log_in)
    app.router.add_post("/logout", _log_out)
    for page in PAGES:
        app.router.add_get(page.path, _handler(page))
    app[HUB] = LiveHub(lambda flushed: LiveReader(sight.loaded, sight.cluster, sight.mask, flushed))
    app.router.add_get("/live", _live)
    app.router.add_get("/event", _event)
    app.router.add_get("/arrived", _arrived)
    for name in ACTIONS:
        app.router.add_post(f"/do/{name}", _act)
    return app


async def _with_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse other hosts, ask for a login, and answer what goes wrong in the console's own form."""
    access = request.app[ACCESS]
    if not access.host_is_ours(request.host):
        raise web.HTTPMisdirectedRequest(text="expected a name of this machine as host\n")
    person = request.app[SESSIONS].person(request.cookies.get(COOKIE, ""))
    if person is None and not request.path.startswith(_OPEN):
        if request.method == "GET" and request.headers.get("Upgrade") is None:
            raise web.HTTPSeeOther("/login")
        return web.json_response({"error": "your session has ended: sign in again"}, status=401)
    request[PERSON] = person
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return _message(request, "Not found", "There is no such page.", 404)
    except web.HTTPRequestEntityTooLarge:
        return web.json_response({"error": f"expected at most {LARGEST_BODY // 1024} KiB in all, got more"}, status=413)
    except RouterError as error:
        log.warning("a page could not be made: %s", error)
        status = error_status(error)
        title = "Not understood" if status == 400 else "Not available"
        return _page(request, Shown("message.html", title, {"says": str(error)}, status), "")


def _handler(page: Page) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return _page(request, await page.answer(request.app[SIGHT], request), page.section)

    return handle


def _page(request: web.Request, shown: Shown, section: str) -> web.Response:
    person = request.get(PERSON)
    topology = request.app[SIGHT].loaded.topology
    theme = request.cookies.get(THEME, "")
    frame = frame_values(
        section, person, topology.name, topology.environment, theme, login=request.app[ACCESS].needs_login
    )
    return web.Response(text=render(shown, frame), content_type="text/html", status=shown.status)


def frame_values(
    section: str, person: ConsoleUser | None, topology: str, environment: str | None = None, theme: str = "",
    *, login: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """What every page has besides its own values."""
    return {
        "sections": [page for page in PAGES if page.key], "section": section, "person": person, "topology": topology,
        "environment": environment or "", "theme": theme if theme in _THEMES else "auto", "login": login,
        "now": int(time.time() * 1000), "counts": None,
    }  # fmt: skip


async def _static(request: web.Request) -> web.StreamResponse:
    file = static_files().get(request.match_info["name"])
    if file is None:
        raise web.HTTPNotFound
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return web.Response(body=file.body, content_type=file.content_type, charset="utf-8", headers=headers)


# Login


async def _login_page(request: web.Request) -> web.StreamResponse:
    if request.get(PERSON) is not None:
        raise web.HTTPSeeOther("/")
    if OIDC not in request.app or "token" in request.query:
        return _page(request, Shown("login.html", "Sign in", {"says": ""}), "")
    if "out" in request.query:  # not to the provider at once, which would sign in again
        return _message(request, "Signed out", "You have signed out.")
    to, state = await request.app[OIDC].begin()
    response = web.Response(status=303, headers={"Location": to})
    _set_cookie(request, response, STATE, state, LOGIN_SECONDS, "Lax", "/login")  # it comes with a link of the provider
    return response


async def _come_back(request: web.Request) -> web.StreamResponse:
    """From the OpenID provider. Not on by a redirect: on its way from another site a browser sends no Strict cookie."""
    try:
        name, role = await request.app[OIDC].end(request.query, request.cookies.get(STATE, ""))
    except LoginRefused as refused:
        log.warning("a login was refused", extra={"address": request.remote or "", "why": str(refused)})
        return _message(request, "Not signed in", str(refused), 403)
    response = _message(request, "Signed in", f"You are signed in as {name}, {role}.")
    response.headers["Refresh"] = "0; url=/"
    response.del_cookie(STATE, path="/login")
    _set_cookie(request, response, COOKIE, request.app[SESSIONS].begin(name, role), SESSION_SECONDS, "Strict", "/")
    return response


def _message(request: web.Request, title: str, says: str, status: int = 200) -> web.Response:
    return _page(request, Shown("message.html", title, {"says": says}, status), "")


def _set_cookie(
    request: web.Request, response: web.Response, name: str, value: str, seconds: float,
    same_site: Literal["Lax", "Strict"], path: str,
) -> None:  # fmt: skip
    secure = not names_this_machine(request.host)
    response.set_cookie(name, value, max_age=int(seconds), httponly=True, samesite=same_site, path=path, secure=secure)


async def _log_in(request: web.Request) -> web.StreamResponse:
    _require_own_origin(request)
    sessions, address = request.app[SESSIONS], request.remote or ""
    if sessions.too_many(address):
        return _page(request, Shown("login.html", "Sign in", {"says": "Too many attempts: wait a minute."}, 429), "")
    token = str((await request.post()).get("token", ""))
    session = sessions.log_in(token, address)
    if session is None:
        log.warning("a login was refused", extra={"address": address})
        return _page(request, Shown("login.html", "Sign in", {"says": "This token is not known."}, 403), "")
    response = web.Response(status=303, headers={"Location": "/"})
    _set_cookie(request, response, COOKIE, session, SESSION_SECONDS, "Strict", "/")
    return response


async def _log_out(request: web.Request) -> web.StreamResponse:
    _require_own_origin(request)
    request.app[SESSIONS].log_out(request.cookies.get(COOKIE, ""))
    response = web.Response(status=303, headers={"Location": "/login?out" if OIDC in request.app else "/login"})
    response.del_cookie(COOKIE, path="/")
    return response


def _require_own_origin(request: web.Request) -> None:
    if not from_own_page(request):
        raise web.HTTPForbidden(text="expected a request from the console's own pages\n")


def from_own_page(request: web.Request) -> bool:
    """Browsers send cookies from anywhere: what a request does has to come from a page of ours."""
    same = request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"
    return same and origin_is_ours(request.host, request.headers.get("Origin", ""))


async def _live(request: web.Request) -> web.StreamResponse:
    if not origin_is_ours(request.host, request.headers.get("Origin", "")):
        raise web.HTTPForbidden(text="expected a request from the console's own pages\n")
    return await live(request)


async def _event(request: web.Request) -> web.StreamResponse:
    try:
        return web.json_response(await event(request.app[SIGHT], request.query.get("at", "")))
    except RouterError as error:
        return web.json_response({"error": str(error)}, status=error_status(error))


async def _arrived(request: web.Request) -> web.StreamResponse:
    since = request.query.get("since", "")
    if not since.isdecimal() or len(since) > 15:
        return web.json_response({"error": "since: expected milliseconds since 1970"}, status=400)
    counts = await request.app[SIGHT].counts()
    return web.json_response(arrival(request.app[HUB], counts, request.query.get("source", ""), int(since)))


async def _act(request: web.Request) -> web.StreamResponse:
    _require_own_origin(request)
    person = request[PERSON]
    assert person is not None  # the guard has let nobody else in
    name = request.path.removeprefix("/do/")
    status, says = await act(request.app[SIGHT], person, request, name)
    return web.json_response(says, status=status)
