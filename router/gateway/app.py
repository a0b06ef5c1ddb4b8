"""Every request, from its head to its answer; what it is answered, `Desk` says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from aiohttp import hdrs, web

from router.config.models import GatewayConfig
from router.gateway.answers import Answer
from router.gateway.desk import OTHER, Around, Desk, Log, Refusal
from router.gateway.door import ENDPOINTS, Door


class Gateway:
    """`blocked` says why Kafka takes nothing now (a code), or an empty text; `failed` is told of each failed write.

    `idle` is set while no request is in work; `draining` makes each answer the last of its connection.
    """

    def __init__(
        self,
        config: GatewayConfig,
        door: Door,
        log: Log,
        *,
        blocked: Callable[[], str] = lambda: "",
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._around = Around(log, blocked, failed)
        self.desk = Desk(config, door, self._around)
        self._active = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self.draining = False

    def renew(self, config: GatewayConfig, door: Door) -> None:
        """By another topology from the next request on."""
        self.desk = Desk(config, door, self._around, self.desk)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to any request."""
        self._active += 1
        self.idle.clear()
        desk = self.desk
        call = ENDPOINTS.get(request.path, OTHER)
        origin = request.headers.get(hdrs.ORIGIN)
        try:
            if request.method == hdrs.METH_OPTIONS and call is not OTHER:
                answer, extra = Answer(204, b""), desk.origins.preflight(origin)
            else:
                answer, extra = await desk.answer(request, call), desk.origins.headers(origin)
        except Refusal as refusal:
            answer, extra = refusal.answer, desk.origins.headers(origin)
        finally:
            self._active -= 1
            if not self._active:
                self.idle.set()
        self._around.counts.request(call.name, answer.status)
        return self._response(answer, extra, browser=origin is not None)

    def _response(self, answer: Answer, extra: Mapping[str, str], *, browser: bool) -> web.Response:
        headers = {"Content-Type": "application/json", "Server": "event-router", **extra}
        if answer.retry_after:
            headers["Retry-After"] = headers["X-RateLimit-Reset"] = str(answer.retry_after)
        if answer.status == 405:
            headers["Allow"] = "POST, OPTIONS"
        if answer.status == 401 and not browser:  # a browser would ask its user for a password
            headers["WWW-Authenticate"] = 'Basic realm="write key"'
        response = web.Response(status=answer.status, body=answer.body, headers=headers)
        if answer.close or self.draining:
            response.force_close()
        return response
