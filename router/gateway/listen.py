"""The HTTP server: limits on connections and headers, protocol errors answered in the gateway's own form."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from router import metrics
from router.config.options import Address
from router.errors import UsageError
from router.gateway.answers import refused
from router.gateway.credentials import NO_SOURCE
from router.gateway.endpoint import OTHER_ENDPOINT

_LINGER_SECONDS = 3.0  # for a client still sending a refused body, so that it can read why
_HEADER_BYTES = 8 * 1024
_HEADERS = 64
_BACKLOG = 1024

log = logging.getLogger(__name__)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Connection(web.RequestHandler):
    """One client. Malformed HTTP is answered without echoing it; requests are not logged."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        code = "bad_request" if status < 500 else "internal"
        if isinstance(exc, LineTooLong):
            code = "head_too_large"
        if code == "internal":
            log.error("a request failed: %s", type(exc).__name__, exc_info=exc)
        if request.writer.output_size:
            raise ConnectionError("the answer had begun")
        answer = refused(code, close=True)
        metrics.GATEWAY_REQUESTS.labels(OTHER_ENDPOINT, str(answer.status)).inc()
        metrics.GATEWAY_EVENTS.labels(NO_SOURCE, code).inc()
        headers = {"Content-Type": "application/json", "Server": "event-router"}
        response = web.Response(status=answer.status, body=answer.body, headers=headers)
        response.force_close()
        return response


class _Server(web.Server):
    """Closes connections beyond `limit` as they are made."""

    def __init__(self, handler: Handler, limit: int, **settings: Any) -> None:
        super().__init__(handler, **settings)
        self._settings = settings
        self._limit = limit
        self._open = 0

    def limit(self, connections: int, **settings: Any) -> None:
        """For connections from now on."""
        self._limit = connections
        self._settings |= settings

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=asyncio.get_running_loop(), **self._settings)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._open += 1
        if self._open > self._limit:
            transport.abort()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._open -= 1


class Listener:
    """Serves `handler` at `address` (the real one after `start`, also when port 0 was asked for).

    A connection that brings no complete request head within `idle_timeout` seconds is closed.
    """

    def __init__(self, handler: Handler, address: Address, *, max_connections: int, idle_timeout: float) -> None:
        self.address = address
        self._server = _Server(
            handler,
            max_connections,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=idle_timeout,
            lingering_time=_LINGER_SECONDS,
            max_field_size=_HEADER_BYTES,
            max_headers=_HEADERS,
            max_line_size=_HEADER_BYTES,
        )
        self._runner = web.ServerRunner(self._server, shutdown_timeout=1.0)
        self._site: web.TCPSite | None = None

    async def start(self) -> None:
        """Raises UsageError when it cannot listen at the address."""
        host, port = self.address
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, host, port, backlog=_BACKLOG)
        try:
            await self._site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        self.address = (host, int(self._runner.addresses[0][1]))

    def limit(self, *, max_connections: int, idle_timeout: float) -> None:
        """Change the limits of new connections."""
        self._server.limit(max_connections, keepalive_timeout=idle_timeout)

    async def refuse_new(self) -> None:
        """Close the listening socket; connections that are open live on."""
        if self._site is not None:
            await self._site.stop()
            self._site = None

    async def close(self) -> None:
        """Close what is still open; requests in progress get one more second."""
        await self._runner.cleanup()
