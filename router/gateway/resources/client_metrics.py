"""POST /v1/m: what libraries say of themselves. It is no event: taken, so that they do not repeat it, and left."""

from __future__ import annotations

from aiohttp import hdrs, web

from router.gateway.credentials import WriteKeys
from router.gateway.pages import Pages
from router.gateway.resource import GatewayResource, json_response


class ClientMetrics(GatewayResource):
    name = "client_metrics"
    paths = ("/v1/m",)
    methods = (hdrs.METH_POST,)

    def get(self, request: web.Request, pages: Pages, keys: WriteKeys) -> web.Response:
        return json_response(b'{"success":true}')
