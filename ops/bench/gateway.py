"""Requests and events per second of the HTTP gateway: `python -m ops.bench.gateway [--bootstrap HOST:PORT]`.

One gateway process, keep-alive connections in a closed loop from this process, every answer 200 after Kafka's
acknowledgement. Without --bootstrap the embedded broker takes the events; then each run stays under what it can hold.
The figures are of this machine, shared by gateway, broker and load.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import secrets
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Event, Thread
from typing import Any, cast

import uvloop
from aiohttp import web

from router.config.loader import Loaded
from router.config.models import Topology
from router.config.options import Address, RunOptions
from router.embedded.broker import EmbeddedBroker
from router.events.topics import REGISTRY, Topics, TopicSpec
from router.gateway.server import run_gateway
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.process.health import Health

KEY = "bench-key"
PARTITIONS = 12
READY_SECONDS = 60
Where = tuple[str, str]  # bootstrap address, topic prefix


def event(number: int) -> dict[str, Any]:
    """A track event of about 700 bytes."""
    return {
        "type": "track",
        "event": "Product Viewed",
        "userId": f"user-{number % 5000}",
        "anonymousId": f"anonymous-{number % 5000}",
        "messageId": secrets.token_hex(16),
        "timestamp": "2026-01-01T00:00:00.000Z",
        "context": {
            "library": {"name": "analytics.js", "version": "2.1.0"},
            "page": {"path": "/shoes/1", "title": "A shoe", "url": "https://shop.example/shoes/1"},
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
        },
        "properties": {f"property_{index}": "v" * 16 for index in range(8)},
    }


def request(events: int, number: int) -> bytes:
    """One HTTP request: a single event, or a batch."""
    items = [event(number * events + index) for index in range(events)]
    body: Any = items[0] if events == 1 else {"batch": items, "sentAt": "2026-01-01T00:00:00.000Z"}
    data = json.dumps(body).encode()
    path = "/v1/track" if events == 1 else "/v1/batch"
    authorization = base64.b64encode(f"{KEY}:".encode()).decode()
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Basic {authorization}\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


class Client(asyncio.Protocol):
    """One connection that sends the next request as soon as the last is answered."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        # Answers are small: each comes in one piece.
        self._load.answered(data[9:12], time.perf_counter() - self._sent)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.closed()

    def _next(self) -> None:
        assert self._transport is not None
        message = self._load.next()
        if message is None:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(message)


class Load:
    """The requests of one run, and what became of them."""

    def __init__(self, requests: list[bytes]) -> None:
        self._requests = iter(requests)
        self._left = len(requests)
        self.seconds: list[float] = []
        self.refused = 0
        self.lost = False
        self.done = asyncio.Event()

    def next(self) -> bytes | None:
        return next(self._requests, None)

    def answered(self, status: bytes, seconds: float) -> None:
        self.seconds.append(seconds)
        self.refused += status != b"200"
        self._left -= 1
        if not self._left:
            self.done.set()

    def closed(self) -> None:
        """A connection ended: the run cannot, if it was the server that closed it."""
        if next(self._requests, None) is not None:
            self.lost = True
            self.done.set()


def wait_until_ready(address: Address) -> None:
    """Send single events until one is stored: a gateway that starts answers 503. Raises TimeoutError."""
    end = time.monotonic() + READY_SECONDS
    while asked(address) != b"200":
        if time.monotonic() > end:
            raise TimeoutError(f"the server stored nothing within {READY_SECONDS} s")
        time.sleep(0.05)


def asked(address: Address) -> bytes:
    """The status of one event, sent on a connection of its own."""
    with socket.create_connection(address, READY_SECONDS) as connection:
        connection.sendall(request(1, 0))
        return connection.recv(4096)[9:12]


async def run(address: Address, events: int, requests: int, connections: int) -> dict[str, float]:
    """One run; latencies are those of the closed loop, so they grow with the connections.

    Raises ConnectionError when the server closes a connection before all is sent.
    """
    load = Load([request(events, number) for number in range(requests)])
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: Client(load), *address)
    await load.done.wait()
    if load.lost:
        raise ConnectionError(f"the server closed a connection after {len(load.seconds)} of {requests} answers")
    elapsed = time.perf_counter() - started
    quantiles = statistics.quantiles(load.seconds, n=100)
    return {
        "events_per_request": events,
        "connections": connections,
        "requests_per_second": round(requests / elapsed),
        "events_per_second": round(requests * events / elapsed),
        "median_ms": round(quantiles[49] * 1000, 1),
        "p99_ms": round(quantiles[98] * 1000, 1),
        "refused": load.refused,
    }


def gateway(bootstrap: str, prefix: str, pipe: Connection) -> None:
    """The gateway process."""
    topology = Topology.model_validate(
        {"name": "bench", "topics": {"prefix": prefix}, "sources": {"web": {"write_keys": [KEY]}}}
    )
    loaded = Loaded(topology, (), (), {}, {})
    options = RunOptions(bootstrap=bootstrap, gateway=("127.0.0.1", 0))
    run_gateway(loaded, options, obey(pipe), Health(), listening=pipe.send)


def bare(bootstrap: str, prefix: str, pipe: Connection) -> None:
    """What to compare with: aiohttp alone, which reads the body and answers 200."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        await request.content.read()
        return web.Response(body=b"{}")

    async def serve_bare() -> None:
        runner = web.ServerRunner(web.Server(handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][:2])
        await asyncio.to_thread(stop.wait)

    stop = obey(pipe)
    uvloop.run(serve_bare())


def obey(pipe: Connection) -> Event:
    """Tell the CPU seconds of this process for each True that comes; the event is set by a False."""
    stop = Event()

    def listen() -> None:
        while pipe.recv():
            times = os.times()
            pipe.send(times.user + times.system)
        stop.set()

    Thread(target=listen, daemon=True).start()
    return stop


@contextmanager
def broker(bootstrap: str) -> Iterator[Where]:
    """The broker, with the topics made."""
    if bootstrap:
        prefix = f"bench-{secrets.token_hex(4)}."
        topics = Topics("bench", prefix=prefix)
        Admin(Cluster(bootstrap)).create([TopicSpec(name, PARTITIONS) for name in (topics.raw, topics.invalid)])
        yield bootstrap, prefix
        return
    topics = Topics("bench")
    with EmbeddedBroker() as embedded:
        yield embedded.start({topics.raw: PARTITIONS, topics.invalid: PARTITIONS, REGISTRY.name: 1}), ""


def measure(target: Callable[..., None], where: Where, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Single events, then batches of 50, against a fresh server process. Raises EOFError when that ends too early."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=target, args=(*where, theirs), daemon=True)
    child.start()
    theirs.close()
    address = ours.recv()
    wait_until_ready(address)
    rows = []
    for events in (1, 50):
        requests = chosen.events // events if events > 1 else chosen.events // 2
        ours.send(True)
        before = ours.recv()
        figures = uvloop.run(run(address, events, requests, chosen.connections))
        ours.send(True)
        cpu = (ours.recv() - before) / (requests * events) * 1e6
        rows.append({"server": target.__name__, **figures, "cpu_us_per_event": round(cpu, 1)})
        print(json.dumps(rows[-1]))
    ours.send(False)
    child.join(30)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", default="")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--events", type=int, default=50_000, help="events of each run")
    chosen = parser.parse_args()
    with broker(chosen.bootstrap) as where:
        compared = measure(bare, where, chosen)
        ours = measure(gateway, where, chosen)
    for row, other in zip(ours, compared, strict=True):
        ratio = row["requests_per_second"] / other["requests_per_second"]
        print(f"{row['events_per_request']} events a request: {ratio:.2f} of the requests/s of bare aiohttp")
    return 1 if any(row["refused"] for row in ours) else 0


if __name__ == "__main__":
    sys.exit(main())
