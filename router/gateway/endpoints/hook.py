"""POST /v1/hooks/SOURCE: what a partner posts about its messages, signed as the partner signs.

No write key is asked for. GET and HEAD are answered 200 for a source that is there: some partners ask before they
accept the URL. A post that is kept is answered 200 even where nothing in it is an event: the partner would repeat it
in vain, and some hold back all later posts meanwhile.
"""

from __future__ import annotations

from aiohttp import hdrs, web

from router.gateway.answers import Answer
from router.gateway.cors import CorsPolicy
from router.gateway.endpoint import Endpoint

_PREFIX = "/v1/hooks/"


class HookEndpoint(Endpoint):
    """The signature stands in place of a write key."""

    name = "hook"
    paths = (_PREFIX + "{source}",)
    methods = (hdrs.METH_POST, hdrs.METH_GET, hdrs.METH_HEAD)
    signed = True

    def respond(self, answer: Answer, request: web.BaseRequest, cors: CorsPolicy) -> web.Response:
        response = super().respond(answer, request, cors)
        response.headers.popall(hdrs.WWW_AUTHENTICATE, None)  # no user name and password would help
        return response

    def source(self, request: web.BaseRequest) -> str:
        """The name of the source that the URL says."""
        return request.rel_url.path.removeprefix(_PREFIX).rstrip("/")
