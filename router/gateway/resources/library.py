"""GET /analytics.js/v1/KEY/analytics.min.js and its parts: the browser library that `gateway.analytics_js` names."""

from __future__ import annotations

from aiohttp import hdrs, web

from router.gateway.credentials import WriteKeys
from router.gateway.pages import SCRIPT, Pages, Script
from router.gateway.resource import GatewayResource, missing, unknown_key

_KEPT_SECONDS, _HASHED_SECONDS = 300, 31_536_000


class LibraryScript(GatewayResource):
    """The library asks for parts of itself by the hash of their content, when a page needs them."""

    name = "library"
    paths = (f"/analytics.js/v1/{{key}}/{SCRIPT}", "/analytics-next/bundles/{file}")

    def get(self, request: web.Request, pages: Pages, keys: WriteKeys) -> web.Response:
        *_, key, name = request.path.split("/")
        if name == SCRIPT and (credential := keys.find(key)).problem:
            return unknown_key(credential)
        script = pages.library.get(name)
        return missing("no_library" if not pages.library else "not_found") if script is None else _sent(script, request)


def _sent(script: Script, request: web.Request) -> web.Response:
    seconds = _HASHED_SECONDS if ".bundle." in script.name else _KEPT_SECONDS
    headers = {
        "Content-Type": "text/javascript; charset=utf-8", "Cache-Control": f"public, max-age={seconds}",
        "ETag": script.tag, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff",
    }  # fmt: skip
    if request.headers.get(hdrs.IF_NONE_MATCH) == script.tag:
        return web.Response(status=304, headers=headers)
    if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        return web.Response(body=script.zipped, headers={**headers, "Content-Encoding": "gzip"})
    return web.Response(body=script.content, headers=headers)
