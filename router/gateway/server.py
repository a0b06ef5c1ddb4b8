"""The gateway process: its producer, its watch on Kafka, its listener, and how they start and stop.

On stop it takes no new connections, answers what is in progress, waits for Kafka's acknowledgements and ends.
kill -9 at any point loses nothing that was answered 200, since no answer is sent before the acknowledgement.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from router import metrics
from router.config.options import Address, RunOptions
from router.config.topics import owned_topics, topics_of
from router.embedded.capacity import Capacity, capacity_of
from router.errors import Unavailable, UsageError
from router.gateway.acknowledge import AckProducer
from router.gateway.credentials import WriteKeys
from router.gateway.handler import RequestHandler
from router.gateway.listen import Listener
from router.gateway.pages import Pages
from router.gateway.receivers import PostReceivers
from router.gateway.renew import Intake, Renewal, ingest_of
from router.gateway.watch import BrokerWatch, HealthSink
from router.kafka import clients
from router.kafka.cluster import Cluster
from router.kafka.owners import Owners
from router.process.reload import Reload
from router.process.run import GC_THRESHOLDS

if TYPE_CHECKING:
    from router.config.loader import Loaded

_CAPACITY = "capacity"
_LOOP = "requests"
_HANGS_SECONDS = 30.0
_ROUND_SECONDS = 0.1
_FLUSH_SECONDS = 5.0
_GRACE_SECONDS = 2.0

log = logging.getLogger(__name__)


def run_gateway(
    loaded: Loaded,
    options: RunOptions,
    stop: Event,
    health: HealthSink,
    *,
    listening: Callable[[Address], None] = lambda _: None,
    reload: Reload[Intake] | None = None,
) -> None:
    """Serve until `stop` is set; `listening` gets the real address once requests are taken.

    Raises UsageError (address taken, no broker named) and Unavailable (the Kafka client is unusable).
    """
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)  # see collecting_rarely
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(loaded, options, stop, health, listening, reload))


async def serve(
    loaded: Loaded,
    options: RunOptions,
    stop: Event,
    health: HealthSink,
    listening: Callable[[Address], None] = lambda _: None,
    reload: Reload[Intake] | None = None,
) -> None:
    """The same inside a running loop."""
    if not options.bootstrap:
        raise UsageError("expected --bootstrap: only `router up` starts a broker")
    topology = loaded.topology
    topics = topics_of(topology)
    cluster = Cluster.of(options)
    with capacity_of(cluster, topology) as capacity:
        note = capacity.note if capacity is not None else None
        producer = AckProducer(clients.producer(cluster), ack_timeout=topology.gateway.ack_timeout, note=note)
        claim = partial(Owners(cluster).claim, topology.name, owned_topics(topology))
        watch = BrokerWatch(producer.client, (topics.raw, topics.invalid), health, claim)
        metrics.GATEWAY_IN_FLIGHT.set_function(lambda: float(producer.in_flight))
        try:
            watch.start()
            keys = WriteKeys(topology.sources, topology.environment)
            handler = RequestHandler(
                topology.gateway,
                ingest_of(topology, keys),
                producer,
                pages=Pages.of(topology),
                receivers=PostReceivers.of(loaded),
                blocked=lambda: _blocked(watch, capacity),
                failed=watch.doubt,
            )
            listener = Listener(
                handler.handle,
                options.gateway,
                max_connections=topology.gateway.max_connections,
                idle_timeout=topology.gateway.idle_timeout,
            )
            renew = Renewal(handler, listener, capacity)
            if reload is not None:
                renew.follow(reload, keys, cluster, options)
            watcher = _Watcher(stop, producer, watch, health, renew, capacity)
            await _listen(handler, listener, topology.gateway.ack_timeout, watcher, listening)
        finally:
            left = await producer.close(_FLUSH_SECONDS)
            await asyncio.to_thread(watch.stop)
            if left:
                log.warning("Kafka did not acknowledge some messages; none was answered 200", extra={"messages": left})


def _blocked(watch: BrokerWatch, capacity: Capacity | None) -> str:
    """The code of why events cannot be stored now, or an empty text."""
    if not watch.up:
        return "broker_unavailable" if watch.asked else "starting"
    if capacity is None or capacity.free():
        return ""
    return "no_room" if capacity.known else "starting"


class _Watcher:
    """Returns when it is time to stop. While the loop turns, the process is live; a loop that hangs is restarted."""

    def __init__(
        self,
        stop: Event,
        producer: AckProducer,
        broker: BrokerWatch,
        health: HealthSink,
        renew: Callable[[], None],
        capacity: Capacity | None,
    ) -> None:
        self._stop = stop
        self._producer = producer
        self._broker = broker
        self._health = health
        self._renew = renew
        self._capacity = capacity
        self._measured()

    def _measured(self) -> None:
        """Before the capacity is known the gateway refuses all, so it is not ready."""
        if self._capacity is not None:
            known = self._capacity.known
            self._health.ready(_CAPACITY, known, "" if known else "the backlog was not read yet")

    async def watch(self) -> None:
        self._health.progress(_LOOP, _HANGS_SECONDS)
        while not self._stop.is_set():
            if self._producer.fatal:
                raise Unavailable(f"the Kafka client cannot go on: {self._producer.fatal}")
            if self._broker.refusal is not None:
                raise self._broker.refusal
            self._health.idle(_LOOP, "serving")
            self._renew()
            self._measured()
            await asyncio.sleep(_ROUND_SECONDS)


async def _listen(
    handler: RequestHandler,
    listener: Listener,
    ack_timeout: float,
    watcher: _Watcher,
    listening: Callable[[Address], None],
) -> None:
    await listener.start()
    log.info("gateway listens", extra={"address": "{}:{}".format(*listener.address)})
    listening(listener.address)
    try:
        await watcher.watch()
    finally:
        handler.draining = True
        await listener.refuse_new()
        await _drained(handler, ack_timeout + _GRACE_SECONDS)
        await listener.close()


async def _drained(handler: RequestHandler, seconds: float) -> None:
    """Return once no request is in progress, or after so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await handler.idle.wait()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop
