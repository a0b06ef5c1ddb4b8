"""Readiness: wait until a cluster answers, and say why its brokers cannot be reached.

Names are looked up in threads of their own, and no client is made before one is known: a name server that does not
answer holds whoever asked for many seconds, and a client that asked it cannot be closed before.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from threading import Event, Thread

from router.errors import Stopped, Unavailable
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster

_ANSWER_SECONDS = 0.5  # a stop is looked for in between
_CONNECT_SECONDS = 0.2
_DEFAULT_PORT = 9092  # as the client has it
_RETRY_SECONDS = 0.1

log = logging.getLogger(__name__)


def wait_ready(cluster: Cluster, deadline: float, stop: Event | None = None) -> str:
    """Wait at most `deadline` seconds until the cluster answers; returns its id.

    Why nobody can be reached is logged at once. Raises Unavailable at the end, Stopped soon after `stop` is set.
    """
    end = time.monotonic() + deadline
    admin: Admin | None = None
    logged = False
    while True:
        if stop is not None and stop.is_set():
            raise Stopped(f"stopped while waiting for {cluster.bootstrap}")
        try:
            admin = admin or _resolved(cluster, min(_ANSWER_SECONDS, deadline))
            return admin.cluster_id()
        except Unavailable as error:
            ended = time.monotonic() >= end
            why = "" if logged and not ended else unreachable(cluster.bootstrap) or str(error)
            if ended:
                raise Unavailable(f"no broker answers: {why}") from error
            if not logged:
                log.warning("no broker answers yet: %s", why, extra={"waiting_seconds": deadline})
                logged = True
            time.sleep(_RETRY_SECONDS)


def unreachable(bootstrap: str) -> str:
    """Why none of the brokers `HOST:PORT,…` accepts a connection, a reason each; empty where one does."""
    return _refused(bootstrap, _connect, 2 * _CONNECT_SECONDS)


def _resolved(cluster: Cluster, timeout: float) -> Admin:
    if why := _refused(cluster.bootstrap, socket.getaddrinfo, timeout):
        raise Unavailable(why)
    return Admin(cluster, timeout=timeout)


def _connect(host: str, port: int) -> None:
    socket.create_connection((host, port), _CONNECT_SECONDS).close()


def _refused(bootstrap: str, ask: Callable[[str, int], object], seconds: float) -> str:
    """What `ask` fails with at each broker, or that it took longer than `seconds`; empty where it succeeds at one."""
    brokers = [broker.strip() for broker in bootstrap.split(",")]
    said = dict.fromkeys(brokers, f"no answer in {seconds:g} s")

    def inquire(broker: str) -> None:
        try:
            ask(*_address(broker))
        except (OSError, ValueError, OverflowError) as error:
            said[broker] = str(getattr(error, "strerror", None) or error)
        else:
            said[broker] = ""

    asked = [Thread(target=inquire, args=(broker,), daemon=True) for broker in said]
    for thread in asked:
        thread.start()
    end = time.monotonic() + seconds
    for thread in asked:
        thread.join(max(0.0, end - time.monotonic()))
    reasons = dict(said)
    return "; ".join(f"{broker}: {why}" for broker, why in reasons.items()) if all(reasons.values()) else ""


def _address(broker: str) -> tuple[str, int]:
    address = broker.rpartition("://")[2]
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        return address.strip("[]"), _DEFAULT_PORT
    return host.strip("[]"), int(port)
