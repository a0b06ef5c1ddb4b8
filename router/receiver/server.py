"""The receiver: a partner over HTTP that writes down what it accepts, and misbehaves when told to.

Each accepted event is a line of the log, written before the answer: what a test or a checker reads is what arrived,
whatever the answer did afterwards. Faults are set per path, `*` for every path, by `Receiver.faults` or
`POST /_faults` with `{"/crm": [{"kind": "status", "status": 503, "share": 0.1}]}`; the first one that applies decides.
`GET /_stats` counts. kill -9 loses at most the line that is just being written.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

import orjson
from aiohttp import web
from pydantic import ValidationError

from router.destinations.webhook import SIGNATURE_HEADER, TIMESTAMP_HEADER, verify
from router.receiver.faults import EVERY_PATH, Faults, InjectedFault, faults_of
from router.receiver.receipts import events_of, line_of, receipts_of

_LOOK_SECONDS = 0.2


class Receiver:
    """Serves on `url` between `start` and `stop`. Counts requests and accepted events per path.

    With `show`, each event of a request is told to it as a line of text. With `secret`, a request that is not signed
    with it is answered 401.
    """

    def __init__(
        self,
        log: Path | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        secret: str = "",
        show: Callable[[str], object] | None = None,
    ) -> None:
        self.faults: Faults = {}
        self.requests: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.forged = 0
        self.url = ""
        self._log = log
        self._address = (host, port)
        self._secret = secret.encode()
        self._show = show
        self._file: IO[bytes] | None = None
        self._runner: web.ServerRunner | None = None

    async def start(self) -> Self:
        """Raises OSError where the address is taken or the log cannot be written."""
        if self._log is not None:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._log.open("ab", buffering=0)
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.5)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, *self._address).start()
        except OSError:
            await self.stop()
            raise
        host, port = self._runner.addresses[0][:2]
        self._address = (host, port)  # the same one after stop and start
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        return self

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._file is not None:
            self._file.close()
            self._file = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read(-1)
        if request.path.startswith("/_"):
            return self._control(request, body)
        self.requests[request.path] += 1
        if self._secret and not self._authentic(request, body):
            self.forged += 1
            return self._told(request, body, web.Response(status=401, text="bad signature"))
        applying = (*self.faults.get(request.path, ()), *self.faults.get(EVERY_PATH, ()))
        fault = next((fault for fault in applying if fault.applies(body)), None)
        return await self._misbehave(fault, request, body) if fault else self._accept(request, body)

    def _authentic(self, request: web.BaseRequest, body: bytes) -> bool:
        stamp, given = request.headers.get(TIMESTAMP_HEADER, ""), request.headers.get(SIGNATURE_HEADER, "")
        return verify(self._secret, stamp, given, body, time.time())

    def _accept(self, request: web.BaseRequest, body: bytes, shown: str = "200") -> web.StreamResponse:
        try:
            events = events_of(body)
        except ValueError as error:
            return self._told(request, body, web.Response(status=400, text=str(error)))
        if self._file is not None:
            self._file.write(receipts_of(request.path, request.headers, events))
        self.accepted[request.path] += len(events)
        return self._told(request, body, web.Response(text="ok"), shown)

    def _told(self, request: web.BaseRequest, body: bytes, answer: web.Response, shown: str = "") -> web.Response:
        """The answer, once each event that it is for has been shown."""
        if self._show is not None:
            events: list[dict[str, Any]] = [{}]
            with suppress(ValueError):
                events = events_of(body) or events
            attempt, status = request.headers.get("X-Attempt", ""), shown or str(answer.status)
            for event in events:
                self._show(line_of(request.path, status, self._signature(request, answer), attempt, event))
        return answer

    def _signature(self, request: web.BaseRequest, answer: web.Response) -> str:
        if self._secret:
            return "bad signature" if answer.status == 401 else "signed"
        return "signature not checked" if SIGNATURE_HEADER in request.headers else ""

    async def _misbehave(self, fault: InjectedFault, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        if fault.kind in ("status", "poison"):
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else None
            return self._told(request, body, web.Response(status=fault.status, text="no", headers=headers))
        if fault.kind == "redirect":
            return self._told(request, body, web.Response(status=307, headers={"Location": fault.location}))
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            return self._accept(request, body)
        if fault.kind in ("lost", "endless"):
            self._accept(request, body, fault.kind)
        else:
            self._told(request, body, web.Response(status=500), fault.kind)
        if fault.kind == "hang":
            await self._gone(request)
        if fault.kind == "endless":
            return await self._endless(request)
        if fault.kind == "garbage" and request.transport is not None:
            request.transport.write(b"\x00\x01 what is this\r\n\r\n")
        if request.transport is not None:
            request.transport.close()
        return web.Response(status=500)

    async def _gone(self, request: web.BaseRequest) -> None:
        """Until the sender has hung up."""
        while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110  no event says so
            await asyncio.sleep(_LOOK_SECONDS)

    async def _endless(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    def _control(self, request: web.BaseRequest, body: bytes) -> web.Response:
        if request.path == "/_faults" and request.method == "POST":
            try:
                self.faults = faults_of(orjson.loads(body))
            except (ValidationError, ValueError, AttributeError) as error:
                return web.Response(status=400, text=f"expected faults by path, got {error}")
        if request.path not in ("/_faults", "/_stats"):
            return web.Response(status=404)
        faults = {path: [fault.model_dump() for fault in faults] for path, faults in self.faults.items()}
        stats = {"requests": self.requests, "accepted": self.accepted, "forged": self.forged, "faults": faults}
        return web.json_response(stats)
