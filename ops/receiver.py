"""A partner to deliver to: an HTTP receiver that writes down what it accepts, and misbehaves when told to.

Each accepted event is one line of `--log`, written before the answer: what a test or a checker reads is what arrived,
whatever the answer did afterwards. Faults are set per path, by `Receiver.faults` or `POST /_faults` with
`{"/crm": [{"kind": "status", "status": 503, "share": 0.1}]}`; the first one that applies decides:

    status     answer `status` (with `retry_after` seconds if given) and accept nothing
    slow       wait `seconds`, then accept
    close      drop the connection, accepting nothing
    lost       accept, then drop the connection: the sender cannot know
    garbage    answer bytes that are not HTTP
    endless    accept, with an answer that never ends
    redirect   answer 307 to `location`
    poison     answer `status` to a request that carries an event with `"poison": true` in it
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self

import orjson
import uvloop
from aiohttp import web

from router.destinations.webhook import SIGNATURE_HEADER, TIMESTAMP_HEADER, verify


@dataclass
class Fault:
    """Applies to a `share` of the requests, `times` at most (-1: for ever)."""

    kind: str
    status: int = 503
    share: float = 1.0
    times: int = -1
    seconds: float = 0.0
    retry_after: str = ""
    location: str = ""

    def applies(self, body: bytes) -> bool:
        if self.times == 0 or random.random() >= self.share or (self.kind == "poison" and b'"poison":true' not in body):
            return False
        self.times -= self.times > 0
        return True


class Receiver:
    """Serves on `url` between `start` and `stop`. Counts requests and accepted events per path."""

    def __init__(self, log: Path, *, host: str = "127.0.0.1", port: int = 0, secret: str = "") -> None:
        self.faults: dict[str, list[Fault]] = {}
        self.requests: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.forged = 0
        self.url = ""
        self._log = log
        self._address = (host, port)
        self._secret = secret.encode()
        self._file: IO[bytes] | None = None
        self._runner: web.ServerRunner | None = None

    async def start(self) -> Self:
        self._file = self._log.open("ab", buffering=0)
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, *self._address).start()
        host, port = self._runner.addresses[0][:2]
        self._address = (host, port)  # the same one after stop and start
        self.url = f"http://{host}:{port}"
        return self

    async def stop(self) -> None:
        if self._runner is not None and self._file is not None:
            await self._runner.cleanup()
            self._file.close()
            self._runner = None

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
            return web.Response(status=401, text="bad signature")
        fault = next((fault for fault in self.faults.get(request.path, ()) if fault.applies(body)), None)
        return await self._misbehave(fault, request, body) if fault else self._accept(request, body)

    def _authentic(self, request: web.BaseRequest, body: bytes) -> bool:
        stamp, given = request.headers.get(TIMESTAMP_HEADER, ""), request.headers.get(SIGNATURE_HEADER, "")
        return verify(self._secret, stamp, given, body, time.time())

    def _accept(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError:
            return web.Response(status=400, text="not JSON")
        events = data if isinstance(data, list) else [data]
        self._write(request, events)
        self.accepted[request.path] += len(events)
        return web.Response(text="ok")

    def _write(self, request: web.BaseRequest, events: list[dict[str, Any]]) -> None:
        assert self._file is not None
        shared = {
            "at": time.time(), "path": request.path, "attempt": int(request.headers.get("X-Attempt", 0)),
            "idempotency": request.headers.get("Idempotency-Key", ""), "batch": len(events),
        }  # fmt: skip
        kept = ("messageId", "profileId", "userId", "anonymousId", "type", "event", "receivedAt", "seq")
        lines = [orjson.dumps(shared | {name: one[name] for name in kept if name in one}) + b"\n" for one in events]
        self._file.write(b"".join(lines))

    async def _misbehave(self, fault: Fault, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        if fault.kind in ("status", "poison"):
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else None
            return web.Response(status=fault.status, text="no", headers=headers)
        if fault.kind == "redirect":
            return web.Response(status=307, headers={"Location": fault.location})
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            return self._accept(request, body)
        if fault.kind in ("lost", "endless"):
            self._accept(request, body)
        if fault.kind == "endless":
            return await self._endless(request)
        if fault.kind == "garbage" and request.transport is not None:
            request.transport.write(b"\x00\x01 what is this\r\n\r\n")
        if request.transport is not None:
            request.transport.close()
        return web.Response(status=500)

    async def _endless(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    def _control(self, request: web.BaseRequest, body: bytes) -> web.Response:
        if request.path == "/_faults" and request.method == "POST":
            given = orjson.loads(body)
            self.faults = {path: [Fault(**fault) for fault in faults] for path, faults in given.items()}
        if request.path not in ("/_faults", "/_stats"):
            return web.Response(status=404)
        faults = {path: [asdict(fault) for fault in faults] for path, faults in self.faults.items()}
        stats = {"requests": self.requests, "accepted": self.accepted, "forged": self.forged, "faults": faults}
        return web.json_response(stats)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The receipts so far, in order of arrival; a line that is just being written is left for the next call."""
    content = path.read_bytes() if path.exists() else b""
    return [orjson.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]


async def serve(receiver: Receiver) -> None:
    """Print the URL and serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with receiver:
        print(receiver.url, flush=True)
        await stop.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--log", type=Path, required=True, help="receipts, one JSON object a line")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--secret", default="", help="refuse requests that are not signed with it")
    parser.add_argument("--faults", type=json.loads, default={}, help="JSON, as POST /_faults takes it")
    chosen = parser.parse_args()
    receiver = Receiver(chosen.log, host=chosen.host, port=chosen.port, secret=chosen.secret)
    receiver.faults = {path: [Fault(**fault) for fault in faults] for path, faults in chosen.faults.items()}
    uvloop.run(serve(receiver))
    return 0


if __name__ == "__main__":
    sys.exit(main())
