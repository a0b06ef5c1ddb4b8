"""What an endpoint of the gateway is. `router.gateway.endpoints` lists them all; the handler knows none by name."""

from __future__ import annotations

from aiohttp import hdrs, web

from router.events.event import Limits
from router.gateway.answers import Answer
from router.gateway.bodies import Items
from router.gateway.cors import CorsPolicy
from router.gateway.credentials import basic_user

OTHER_ENDPOINT = "other"  # in metrics: whatever is none of the endpoints'


class Endpoint:
    """Set the attributes and `decode` (`source` where it is signed); the rest is the form that SDKs expect, to be
    overridden where a call differs.

    `name` is the metrics' label. `paths` are aiohttp's, so they may hold `{variables}`. `type` is the call type that
    the path gives to its one event, empty where events bring their own. `browser`: its callers are browsers and mail
    clients, whose User-Agent describes the user's device. `signed`: a partner posts, to the source that `source` says;
    its signature is checked, and what is kept is answered 200 even where it is no event.
    """

    name: str
    paths: tuple[str, ...]
    methods: tuple[str, ...] = (hdrs.METH_POST,)
    type: str = ""
    browser: bool = False
    signed: bool = False

    def write_key(self, request: web.BaseRequest) -> str | None:
        """The write key in the head of the request; None where the body has to name it."""
        return basic_user(request.headers.get(hdrs.AUTHORIZATION, "")) or None

    def source(self, request: web.BaseRequest) -> str:
        """The source that the URL of a signed request says."""
        return ""

    def decode(self, body: bytes, query: str, limits: Limits) -> Items | str:
        """The items of a request, or the code of why it has none. `query` is as it stands in the URL."""
        return "not_found"

    def respond(self, answer: Answer, request: web.BaseRequest, cors: CorsPolicy) -> web.Response:
        """The response of any outcome, refusals included."""
        origin = request.headers.get(hdrs.ORIGIN)
        permission = cors.preflight(origin) if answer.status == 204 else cors.headers(origin)
        headers = {"Content-Type": "application/json", "Server": "event-router", **permission}
        if answer.retry_after:
            headers["Retry-After"] = headers["X-RateLimit-Reset"] = str(answer.retry_after)
        if answer.status == 405:
            headers["Allow"] = ", ".join((*self.methods, hdrs.METH_OPTIONS))
        if answer.status == 401 and origin is None:  # a browser would ask its user for a password
            headers["WWW-Authenticate"] = 'Basic realm="write key"'
        return web.Response(status=answer.status, body=answer.body, headers=headers)
