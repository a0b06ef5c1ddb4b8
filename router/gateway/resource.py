"""A resource of the gateway: what is asked for without sending an event. `router.gateway.resources` lists them all."""

from __future__ import annotations

from abc import ABC, abstractmethod

from aiohttp import hdrs, web

from router.gateway.answers import refused
from router.gateway.credentials import Credential, WriteKeys
from router.gateway.pages import Pages


class GatewayResource(ABC):
    """Set the attributes and `get`. `name` is the metrics' label; `paths` are aiohttp's, with `{variables}`."""

    name: str
    paths: tuple[str, ...]
    methods: tuple[str, ...] = (hdrs.METH_GET, hdrs.METH_HEAD)

    @abstractmethod
    def get(self, request: web.Request, pages: Pages, keys: WriteKeys) -> web.Response:
        """The response. Variables of the path are read from `request.path`."""


def missing(code: str) -> web.Response:
    """404, or what else the code stands for, in the form of every refusal."""
    answer = refused(code)
    return _json(answer.body, answer.status)


def unknown_key(credential: Credential) -> web.Response:
    """404 for a key that no source in use has: libraries take it as final. The code says what is wrong with it."""
    return _json(refused(credential.problem).body, 404)


def json_response(body: bytes, *, seconds: int = 0) -> web.Response:
    """`seconds`: how long it may be kept."""
    response = _json(body, 200)
    response.headers["Cache-Control"] = f"public, max-age={seconds}" if seconds else "no-store"
    return response


def _json(body: bytes, status: int) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")
