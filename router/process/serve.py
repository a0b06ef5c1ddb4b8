"""The pages of a process: /metrics for Prometheus, /healthz and /readyz for whoever restarts it or sends it work.

A daemon thread accepts, one short-lived thread answers each request: it needs no event loop and costs nothing while
nobody asks. Only GET, only these three paths, no body is read; a slow client is cut off after `CLIENT_SECONDS`.
"""

from __future__ import annotations

import json
import logging
import socket
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from router import metrics
from router.config.options import Address
from router.errors import UsageError
from router.mask import SECRETS
from router.process.health import HealthSource, Report

CLIENT_SECONDS = 5.0
CLIENTS = 16
_POLL_SECONDS = 0.1

log = logging.getLogger(__name__)


class MetricsServer:
    """Serves the pages on a bound socket from `start` until `stop`, and shows the answers as metrics too.

    `address` is the real one, also when port 0 was asked for.
    """

    def __init__(self, listener: socket.socket, health: HealthSource, registry: Collector = metrics.REGISTRY) -> None:
        self._server = _Server(listener, health, registry)
        self._thread = Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), name="metrics", daemon=True)
        host, port = self._server.socket.getsockname()[:2]
        self.address: Address = (str(host), int(port))
        metrics.READY.set_function(lambda: float(health.readiness().ok))
        metrics.LIVE.set_function(lambda: float(health.liveness().ok))

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and close the socket; requests in work are not waited for."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
        for gauge in (metrics.READY, metrics.LIVE):
            gauge.set_function(lambda: 0.0)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def bind(address: Address, *, shared: bool = False) -> socket.socket:
    """A bound TCP socket that does not listen yet. Raises UsageError that names the address.

    Where two sockets are bound as `shared`, one can hold the port while the other listens, ends and comes back.
    """
    host, port = address
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT if shared else socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return sock


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, listener: socket.socket, health: HealthSource, registry: Collector) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_address = listener.getsockname()[:2]
        self.server_activate()
        self.health = health
        self.registry = registry
        self._room = BoundedSemaphore(CLIENTS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if isinstance(sys.exception(), OSError):
            log.debug("a client of the metrics page went away")
        else:
            log.exception("the metrics page failed")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = CLIENT_SECONDS
    server_version = "router"
    sys_version = ""

    def do_GET(self) -> None:
        pages: dict[str, Callable[[], None]] = {
            "/metrics": self._metrics,
            "/healthz": lambda: self._health(self.server.health.liveness()),
            "/readyz": lambda: self._health(self.server.health.readiness()),
        }
        page = pages.get(urlsplit(self.path).path)
        if page is None:
            self._json(HTTPStatus.NOT_FOUND, {"error": f"expected one of {', '.join(pages)}"})
        else:
            page()

    def _metrics(self) -> None:
        encode, content_type = choose_encoder(self.headers.get("Accept", ""))
        self._send(HTTPStatus.OK, content_type, encode(self.server.registry))

    def _health(self, report: Report) -> None:
        self._json(HTTPStatus.OK if report.ok else HTTPStatus.SERVICE_UNAVAILABLE, report.as_dict())

    def _json(self, status: HTTPStatus, body: Mapping[str, object]) -> None:
        self._send(status, "application/json", SECRETS(json.dumps(body)).encode() + b"\n")

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET")
        self.end_headers()
        self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Errors of the base class, such as a method that is not GET: same form as ours."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            code, message = HTTPStatus.METHOD_NOT_ALLOWED, "expected GET"
        self.close_connection = True
        self._json(HTTPStatus(code), {"error": message or HTTPStatus(code).phrase})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        log.debug("%s", format % args)
