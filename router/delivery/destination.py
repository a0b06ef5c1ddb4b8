"""One destination at work: its topic's reader, its retry lane, dispatcher, committer and connector, and how they stop.

kill -9 loses nothing: what was not committed is read again. It repeats at most the events under way and those accepted
since the last commit, `Dispatcher.max_uncommitted` together, each with the idempotency key it had before.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import chain
from typing import Any

from confluent_kafka import KafkaException, Message, Producer

from router import metrics
from router.config.delivery import DeliveryConfig
from router.delivery.cap_reader import check_topic, read_caps
from router.delivery.circuit_breaker import JitteredBackoff
from router.delivery.committer import Committer
from router.delivery.consume import DestinationConsumer
from router.delivery.dispatcher import Dispatcher, in_order, max_uncommitted
from router.delivery.in_flight import InFlightLimit
from router.delivery.item import Partition, QueuedEvent
from router.delivery.pauses import Pause
from router.delivery.profile_cap import ProfileCap
from router.delivery.read import read_item
from router.delivery.records import DeliveryLog
from router.delivery.retry_lane import RetryLane
from router.delivery.retry_reader import RetryReader
from router.destinations.base import Connector
from router.errors import Unavailable
from router.events.topics import Topics
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.failure import translated
from router.kafka.transactions import TransactionalWriter
from router.kafka.writer import Writer
from router.mask import Mask
from router.process.health import Health
from router.worker.checkpoint import AtLeastOnce, Checkpoint, ExactlyOnce

HALT_SECONDS = 15.0  # a supervisor waits 30 for the whole process
DRAIN_SECONDS = 8.0
STUCK_SECONDS = 120.0
TICK_SECONDS = 1.0
IN_FLIGHT_BYTES = 16 * 1024 * 1024
FETCHED_AHEAD_KBYTES = 8_192
MOST_WAITING = 8_000  # events in the retry lane, after which nothing more is read
WAITING_BYTES, REWRITE_BYTES = 16 * 1024 * 1024, 32 * 1024 * 1024
EMBEDDED_WAITING_BYTES, EMBEDDED_REWRITE_BYTES = 1024 * 1024, 2 * 1024 * 1024  # a partition there keeps 5 MiB
RETRY_AGES = {"1m": 60.0, "1h": 3_600.0, "1d": 86_400.0}  # values of a label
CapState = list[tuple[bytes | None, bytes | None]]
Waiting = list[tuple[Partition, list[QueuedEvent]]]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeliveryContext:
    """What the destinations of a process share. `member` is unique among the processes of a topology."""

    cluster: Cluster
    topics: Topics
    member: str
    transactional: bool
    mask: Mask
    health: Health
    failed: Callable[[BaseException], None]


class Destination:
    """Everything happens in one event loop but reading and committing, which have a thread each.

    `dead_since` is when its oldest dead letter was written, in seconds since 1970; None: there is none.
    """

    def __init__(self, connector: Connector, config: DeliveryConfig, context: DeliveryContext) -> None:
        self.name = connector.name
        self._connector = connector
        self._config = config
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._delivery_log = DeliveryLog(self.name, context.topics.delivery_log, context.mask, config.log)
        self._committer: Committer | None = None
        self._dispatcher: Dispatcher | None = None
        self._reader: DestinationConsumer | None = None
        self._max_uncommitted = max_uncommitted(connector, config)
        kept = context.cluster.capabilities.retention
        self._lane = RetryLane(
            ordered=in_order(connector, config),
            limit=InFlightLimit(MOST_WAITING, WAITING_BYTES if kept else EMBEDDED_WAITING_BYTES),
            rewrite_bytes=REWRITE_BYTES if kept else EMBEDDED_REWRITE_BYTES,
        )
        self._in_flight = InFlightLimit(2 * self._max_uncommitted, IN_FLIGHT_BYTES, self._lane.limit)
        cap_topic = context.topics.caps(self.name)
        self._cap = ProfileCap(config.cap, cap_topic) if config.cap is not None else None
        self._ticking: asyncio.Task[None] | None = None
        self._advanced = False
        self._knows_counts = False  # what the group has committed was read, and is shown
        self._pause: Pause | None = None
        self.dead_since: float | None = None
        self._aged: set[str] = set()

    async def start(self) -> None:
        """Open the connector, as often as it takes, then join the group. Raises Unavailable without a broker."""
        self._context.health.ready(self._check, False, "starting")
        self._context.health.progress(self._check, STUCK_SECONDS)
        metrics.DEAD_OLDEST.labels(self.name).set_function(
            lambda: 0.0 if self.dead_since is None else max(0.0, time.time() - self.dead_since)
        )
        self._ticking = self._loop.create_task(self._tick())
        await self._open()
        checkpoint = await asyncio.to_thread(self._checkpoint)
        topics = self._context.topics
        committer = self._committer = Committer(
            self.name, topics.dead(self.name), topics.retry(self.name), self._delivery_log, self._in_flight, self._lane,
            checkpoint, flush_at=self._max_uncommitted // 2, group=self._group, on_committed=self._committed,
            on_fault=self._context.failed, cap=self._cap,
        )  # fmt: skip
        self._dispatcher = Dispatcher(
            self._connector,
            self._config,
            committer,
            self._delivery_log,
            self._lane,
            clock=time.monotonic,
            wall=time.time,
            cap=self._cap,
        )
        self._dispatcher.pause(self._pause)
        metrics.PENDING.labels(self.name).set_function(
            lambda: max(0, self._in_flight.used + len(self._lane) - committer.replaying)
        )
        metrics.REPLAY_PENDING.labels(self.name).set_function(lambda: committer.replaying)
        metrics.RETRY_LANE.labels(self.name).set_function(lambda: len(self._lane))
        topic = topics.destination(self.name)
        commits = not self._context.transactional
        self._reader = DestinationConsumer(self._consumer_settings(), topic, self, self._in_flight, commits=commits)
        self._reader.start()

    def pause(self, pause: Pause | None) -> None:
        """Paused by an operator, or, with None, not so: nothing more is sent, what is under way ends."""
        if pause != self._pause:
            log.warning("%s", pause or "resumed by an operator", extra={"destination": self.name})
        self._pause = pause
        metrics.PAUSED.labels(self.name, "operator").set(pause is not None)
        if self._dispatcher is not None:
            self._dispatcher.pause(pause)

    async def stop(self) -> None:
        """Take nothing more, let end what is under way, commit, leave the group, close the connector."""
        if self._ticking is not None:
            self._ticking.cancel()
        if self._reader is not None:
            self._reader.stop()
            await asyncio.to_thread(self._reader.join)
        if self._dispatcher is not None:
            await self._dispatcher.halt(0.0)
        if self._committer is not None:
            await self._committer.close()
        await self._connector.close()
        self._context.health.forget(self._check)

    @property
    def _check(self) -> str:
        return f"deliver.{self.name}"

    async def _open(self) -> None:
        backoff = JitteredBackoff(1.0, 60.0)
        paused = metrics.PAUSED.labels(self.name, "open")
        for failures in range(1, 1 << 30):
            try:
                if self._cap is not None:
                    await asyncio.to_thread(self._check_cap)
                if self._connector.commits_to:
                    await asyncio.to_thread(self._check_target)
                await self._connector.open()
                paused.set(0)
                return
            except Unavailable as error:
                paused.set(1)
                self._context.health.idle(self._check, f"cannot open: {error}")
                log.error("PAUSED: the destination cannot be opened", extra={"destination": self.name, "why": error})
                await asyncio.sleep(backoff.pause(failures))

    def _check_cap(self) -> None:
        topics = self._context.topics
        check_topic(self._context.cluster, topics.caps(self.name), topics.destination(self.name))

    def _check_target(self) -> None:
        """A commit with records for a topic that is not there would fail for as long as it is not."""
        topic = self._connector.commits_to
        with translated(f"look for {topic}"):
            if topic not in Admin(self._context.cluster).topics():
                raise Unavailable(f"expected a topic {topic} in the router's cluster, got none")

    # Kafka

    def _consumer_settings(self) -> dict[str, Any]:
        cluster, topics = self._context.cluster, self._context.topics
        ours = {"queued.max.messages.kbytes": FETCHED_AHEAD_KBYTES, "queued.min.messages": 2_000}
        return clients.consumer(cluster, topics.deliver_group(self.name)) | ours | dict(cluster.overrides)

    def _checkpoint(self) -> Checkpoint:
        cluster, topics = self._context.cluster, self._context.topics
        larger = {"message.max.bytes": clients.LARGEST_DEAD_LETTER, **cluster.overrides}
        if not self._context.transactional:
            return AtLeastOnce(Writer(Producer(clients.producer(cluster) | larger)), self._commit)
        name = f"{topics.deliver_group(self.name)}.{self._context.member}"
        try:
            return ExactlyOnce(TransactionalWriter(Producer(clients.transactional(cluster, name) | larger)))
        except KafkaException as error:
            raise Unavailable(f"{self.name}: no transactions: {error.args[0].str()}") from error

    def _commit(self, offsets: Any) -> None:
        assert self._reader is not None
        self._reader.commit(offsets)

    def _group(self) -> Any:
        return self._reader.group if self._reader is not None else None

    # What the reader says, from its thread

    def assigned(self, partitions: list[Partition]) -> None:
        cluster, topics = self._context.cluster, self._context.topics
        group, topic = topics.deliver_group(self.name), topics.retry(self.name)
        waiting = RetryReader(cluster, self.name, group, topic, exact=self._context.transactional).read(partitions)
        state: CapState = []
        if self._cap is not None:
            state = read_caps(cluster, topics.caps(self.name), [partition.number for partition in partitions])
        self._loop.call_soon_threadsafe(self._assigned, partitions, waiting, state)

    def released(self, *, lost: bool) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(self._release(lost=lost), self._loop)

    def taken(self, batch: list[tuple[Partition, Message]]) -> None:
        self._loop.call_soon_threadsafe(self._taken, batch)

    def reached(self, partition: Partition, offset: int) -> None:
        self._loop.call_soon_threadsafe(self._reached, partition, offset)

    def replaced(self, old: Partition, new: Partition) -> None:
        self._loop.call_soon_threadsafe(self._parts[1].replaced, old, new)

    def failed(self, error: BaseException) -> None:
        self._loop.call_soon_threadsafe(self._context.failed, error)

    # The same, in the loop

    @property
    def _parts(self) -> tuple[Dispatcher, Committer]:
        assert self._dispatcher is not None
        assert self._committer is not None
        return self._dispatcher, self._committer

    def _assigned(self, partitions: list[Partition], waiting: Waiting, state: CapState) -> None:
        dispatcher, committer = self._parts
        committer.assigned(partitions, [partition for partition, _ in waiting])
        self._knows_counts = True
        if self._cap is not None:
            self._cap.restore(state, round(time.time() * 1000))
            for event in chain.from_iterable(events for _, events in waiting):
                self._cap.reserve(event)
        for _, events in waiting:
            self._lane.restore(events)
            for event in events:
                committer.took(event)
        dispatcher.resume()

    async def _release(self, *, lost: bool) -> None:
        dispatcher, committer = self._parts
        await dispatcher.halt(0.0 if lost else min(self._config.timeout + 1.0, HALT_SECONDS))
        await committer.release(DRAIN_SECONDS, lost=lost)
        self._lane.clear()
        if self._cap is not None:
            self._cap.clear()

    def _taken(self, batch: list[tuple[Partition, Message]]) -> None:
        dispatcher, committer = self._parts
        now = time.monotonic()
        items: list[QueuedEvent] = []
        for partition, message in batch:
            offset = message.offset()
            assert offset is not None
            headers: Any = message.headers() or ()
            item = read_item(self.name, partition, offset, message.value(), message.key(), headers, now)
            item.routed = message.timestamp()[1] / 1000
            if partition.tracker.take(offset):
                items.append(item)
                committer.took(item)
            else:
                committer.stale(item)
                committer.touch(partition)
        dispatcher.take(items)

    def _reached(self, partition: Partition, offset: int) -> None:
        if not partition.revoked and partition.tracker.reach(offset):
            self._parts[1].touch(partition)

    def _committed(self) -> None:
        self._advanced = True
        dispatcher = self._parts[0]
        dispatcher.policy.times.observe()
        dispatcher.pump()

    # Health and gauges

    async def _tick(self) -> None:
        while True:
            if self._dispatcher is not None and self._reader is not None:
                self._observe(self._dispatcher, self._reader)
            await asyncio.sleep(TICK_SECONDS)

    def _observe(self, dispatcher: Dispatcher, reader: DestinationConsumer) -> None:
        health = self._context.health
        metrics.END_TO_END_P95.labels(self.name).set(dispatcher.policy.times.window.quantile(0.95))
        metrics.DELIVERY_LAG.labels(self.name).set(reader.lag)
        oldest = dispatcher.oldest()
        metrics.DELIVERY_OLDEST.labels(self.name).set(0.0 if oldest is None else max(0.0, time.time() - oldest))
        metrics.RETRY_LANE_AGE.labels(self.name).set(self._lane.age(time.time()))
        for age, count in zip(RETRY_AGES, self._lane.older(time.time(), *RETRY_AGES.values()), strict=True):
            if count or age in self._aged:  # no sample before the first event of that age
                self._aged.add(age)
                metrics.RETRY_LANE_OLDER.labels(self.name, age).set(count)
        why = reader.problem or ("" if reader.joined and self._knows_counts else "joining the group")
        health.ready(self._check, not why, why)
        now = time.monotonic()
        committing = self._parts[1].since
        if now - reader.polled > STUCK_SECONDS / 2 or (committing and now - committing > STUCK_SECONDS):
            return  # a thread hangs: the check runs out
        if self._advanced:
            self._advanced = False
            health.beat(self._check)
        elif (why := reader.problem or dispatcher.idle) and (
            reader.lag == 0 or self._in_flight.used or self._lane or reader.problem
        ):
            health.idle(self._check, why)
