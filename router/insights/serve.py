"""The answers as JSON over HTTP, for this machine: GET only, each parameter checked, each answer of a known schema."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

from aiohttp import web

from router.errors import UsageError
from router.insights.schema import ANSWERS, InsightsAnswer

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
Ask = Callable[[str, dict[str, str]], InsightsAnswer]


class InsightsServer:
    """Serves on a bound socket, in the event loop that runs it. `ask` answers, or raises UsageError."""

    def __init__(self, listener: socket.socket, ask: Ask) -> None:
        self._listener = listener
        self._ask = ask
        self._local = listener.getsockname()[0] in ("127.0.0.1", "::1")
        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self) -> None:
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        if self._local and _host(request.host) not in _LOCAL:
            return _json(403, {"error": f"expected a request to this machine by a local name, got {request.host!r}"})
        if request.path not in ANSWERS:
            return _json(404, {"error": f"expected one of {', '.join(ANSWERS)}, got {request.path!r}"})
        names = list(request.query)
        if len(names) != len(set(names)):
            return _json(400, {"error": "expected each parameter once"})
        try:
            found = self._ask(request.path, dict(request.query))
        except UsageError as error:
            return _json(400, {"error": str(error)})
        return web.Response(
            body=found.model_dump_json().encode() + b"\n", content_type="application/json", headers=_PLAIN
        )


_PLAIN = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def _host(header: str) -> str:
    """Without the port; a page elsewhere whose name leads here has its own name in it."""
    return header.partition("]")[0].removeprefix("[") if header.startswith("[") else header.rpartition(":")[0] or header


def _json(status: int, body: str | dict[str, str]) -> web.Response:
    text = body if isinstance(body, str) else json.dumps(body)
    return web.Response(status=status, text=text + "\n", content_type="application/json", headers=_PLAIN)
