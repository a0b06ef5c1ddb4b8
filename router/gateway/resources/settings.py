"""GET /v1/projects/KEY/settings: what the browser and mobile libraries ask for before they send.

Made from the topology: where events go, and which destinations the page serves itself (`device_mode`). The key of no
source, or of a disabled one, is answered 404.
"""

from __future__ import annotations

from aiohttp import web

from router.gateway.credentials import WriteKeys
from router.gateway.pages import Pages
from router.gateway.resource import GatewayResource, json_response, unknown_key

_KEPT_SECONDS = 60


class SourceSettings(GatewayResource):
    name = "settings"
    paths = ("/v1/projects/{key}/settings", "/projects/{key}/settings")

    def get(self, request: web.Request, pages: Pages, keys: WriteKeys) -> web.Response:
        key = request.path.split("/")[-2]
        credential = keys.find(key)
        if credential.problem:
            return unknown_key(credential)
        body = pages.settings(credential.source, key, f"{request.scheme}://{request.host}")
        return json_response(body, seconds=_KEPT_SECONDS)
