"""The same agents in a Faust app: batches in, at least once, our windowed table and replica instead of Faust's tables.

For teams that run Faust already. Order of a batch: outputs flushed, changelog flushed, local state written; only then
are its events acknowledged, by hand: Faust would acknowledge whatever leaves its loop, also by an error or a stop.
kill -9 repeats at most what was not committed, and the restored window drops what was durable of it. Any error that is
not one event's own ends the process with nothing of its batch acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from router import metrics
from router.agents.pipeline import Pipeline
from router.config.loader import Loaded
from router.config.options import RunOptions
from router.config.topics import input_topics
from router.engines.faust.app import FaustMessage, make_app, raise_crash, refuse_security
from router.engines.faust.partitions import FaustPartitions
from router.engines.faust.transport import Standing
from router.errors import RouterError, Unavailable
from router.kafka.admin import Admin
from router.kafka.log import calm
from router.kafka.offsets import PartitionKey
from router.kafka.partition_state import watermark_ms
from router.kafka.watchdog import Watchdog
from router.process.health import Health
from router.process.reload import Reload
from router.worker.build import WorkerBuilder, calm_collector
from router.worker.checkpoint import AtLeastOnce, CommitBatch
from router.worker.loop import Components
from router.worker.partition import changelog_of, export_counts
from router.worker.restore import Restore

log = logging.getLogger(__name__)
BATCH_EVENTS = 2000
WAIT_SECONDS = 0.05
TURN_SECONDS = 0.2
SLICE_SECONDS = 0.2
BROKER_SECONDS = 5.0
STUCK_SECONDS = 120.0
STOP_TICKS = 120
NO_GENERATION = -1


def run_faust(
    loaded: Loaded, options: RunOptions, stop: threading.Event, health: Health, reload: Reload[Pipeline] | None = None
) -> None:
    """Run the agents on Faust until `stop` is set. Raises RouterError as `run_route` does."""
    with ExitStack() as stack:
        builder = WorkerBuilder(loaded, options, health, stack, stop=stop, transactions=False, reload=reload)
        refuse_security(builder.cluster)
        if loaded.topology.guarantee == "exactly_once":
            log.warning("the topology asks for exactly_once; the Faust engine is at least once")
        engine = FaustEngine(builder, input_topics(loaded.topology))
        calm("aiokafka", "faust", "mode")
        calm_collector()
        asyncio.run(engine.run(stop))


class FaustEngine:
    """One Faust app around the parts of a worker. State is touched under one lock: by a batch, or by a turn."""

    def __init__(self, builder: WorkerBuilder, topics: Iterable[str]) -> None:
        self._opening = builder
        self._parts: Components = builder.components()
        writer = builder.writer(builder.topics.dedupe_changelog)
        self._checkpoint = AtLeastOnce(writer, None, self._parts.window)  # Faust commits the offsets
        self._health = builder.health
        self._topics = frozenset(topics)
        self._admin = Admin(builder.cluster, timeout=1.0)
        self._partitions = FaustPartitions(builder.health, lambda: self._parts.topology.destinations, self._oldest)
        self._busy = asyncio.Lock()
        self._restore: Restore | None = None
        self._restoring = self._generation = NO_GENERATION  # of the group: begun, and with its state in place
        self._failed: Exception | None = None
        self._stopping = False
        self._look_at_broker = 0.0
        self._app: Any = None  # made in the loop that runs it

    async def run(self, stop: threading.Event) -> None:
        """Start the app, look after it until `stop` or an error, stop it. Raises the error."""
        self._health.ready("kafka", False, "joining the group")
        self._health.progress("route", STUCK_SECONDS)
        self._app, channel = make_app(self._opening, sorted(self._topics), self._partitions)
        self._app.agent(channel, name="route", concurrency=1)(self._consume)
        self._app.on_partitions_revoked.connect(self._revoked)
        try:
            await self._app.start()
            while not stop.is_set():
                self._raise_failure()
                if not await self._turn():
                    await asyncio.sleep(TURN_SECONDS)
        finally:
            await self._end()

    def _raise_failure(self) -> None:
        if self._failed is not None:
            raise self._failed
        raise_crash(self._app)

    async def _end(self) -> None:
        """Finish the batch under way, leave the group, close."""
        self._stopping = True
        watchdog = Watchdog(STOP_TICKS)
        with watchdog.watch("stopping the Faust app"):
            async with self._busy:
                self._forget()
            await self._app.stop()
            await self._in_thread(self._close)
        watchdog.close()

    async def _consume(self, stream: Any) -> None:
        """The agent. It never acknowledges an event by leaving the loop."""
        async for events in stream.noack_take(BATCH_EVENTS, WAIT_SECONDS):
            try:
                while not await self._take(stream, events):  # noqa: ASYNC110  parts of Faust would have to set an event
                    await asyncio.sleep(0.02)
            except Exception as error:  # noqa: BLE001  raised by `run`, which ends the process
                self._failed = error
                await asyncio.Event().wait()

    async def _take(self, stream: Any, events: list[Any]) -> bool:
        """Process and acknowledge these events; False while state is not in place for them.

        Events of an earlier generation are left alone: who owns their partitions now reads them again.
        """
        async with self._busy:
            if self._stopping:
                return True
            generation = self._generation
            if self._app.rebalancing or generation != self._app.consumer_generation_id:
                return False
            mine = [event for event in events if event.message.generation_id == generation]
            if mine:
                await self._in_thread(self._batch, [FaustMessage(event.message) for event in mine])
                if not self._app.rebalancing and generation == self._app.consumer_generation_id:
                    for event in mine:
                        await stream.ack(event)
            return True

    async def _in_thread(self, call: Any, *arguments: Any) -> Any:
        """The event loop goes on with heartbeats."""
        return await asyncio.get_running_loop().run_in_executor(None, call, *arguments)

    def _batch(self, messages: list[FaustMessage]) -> None:
        """The whole way of a batch."""
        started = time.monotonic()
        parts = self._parts
        parts.topology.take()
        parts.links.follow()
        self._partitions.look_for_gaps(messages)
        batch = parts.topology.agents.run(messages, self._partitions.index)
        rows = batch.rows()
        changelog = changelog_of(batch, self._partitions.rows)
        commit = CommitBatch(batch.records, [], shared=batch.fans, changelog=changelog, rows=rows)
        self._checkpoint.publish(commit)
        self._checkpoint.apply(commit)
        self._partitions.advance(messages, batch)
        self._partitions.settle()
        export_counts(batch)
        parts.merges.feed()
        metrics.BATCH_SECONDS.observe(time.monotonic() - started)
        metrics.BATCH_EVENTS.observe(sum(batch.received.values()))
        self._health.beat("route")

    async def _turn(self) -> bool:
        """What is due beside the batches. True: there is more to do at once."""
        if self._app.rebalancing or not self._app.consumer_generation_id:
            return False
        standings = await self._app.consumer.standings()
        async with self._busy:
            generation = self._app.consumer_generation_id
            if self._app.rebalancing:
                return False
            if generation == self._generation:
                await self._in_thread(self._keep_house, standings)
                return False
            places = {(tp.topic, tp.partition) for tp in self._app.consumer.assignment()}
            await self._in_thread(self._catch_up, generation, {p for p in places if p[0] in self._topics})
            return True

    def _catch_up(self, generation: int, places: set[PartitionKey]) -> None:
        """A slice of the restore; what Faust has fetched meanwhile waits. First the offsets, then the logs' ends."""
        if self._restore is None or self._restoring != generation:
            self._forget()
            self._partitions.start(places, self._opening.admin.committed(self._opening.topics.route_group, places))
            self._parts.links.look()
            self._restore = self._opening.restore(self._parts.window, {partition for _, partition in places})
            self._restoring = generation
            self._health.ready("state", False, "restoring")
        restore, links = self._restore, self._parts.links
        restore.step(SLICE_SECONDS)
        links.follow()
        self._health.idle("route", f"restoring: {restore.progress()}; {links.progress()}")
        if restore.done and links.caught_up:
            restore.close()
            self._restore = None
            self._partitions.open(STUCK_SECONDS)
            self._generation = generation
            log.info("generation %d: reading %d partitions", generation, len(places))
            self._health.ready("kafka", True)
            self._health.ready("state", True)

    def _keep_house(self, standings: dict[PartitionKey, Standing]) -> None:
        parts, partitions = self._parts, self._partitions
        parts.topology.take()
        parts.links.follow()
        parts.merges.feed()
        partitions.settle()
        partitions.look(standings)
        if partitions.rows:
            owned = {one.number for one in partitions.rows}
            parts.window.advance(watermark_ms(partitions.rows, int(time.time() * 1000)), owned)
        if partitions.at_end:
            self._health.idle("route")
        self._check_broker()

    def _check_broker(self) -> None:
        if time.monotonic() < self._look_at_broker:
            return
        self._look_at_broker = time.monotonic() + BROKER_SECONDS
        try:
            self._admin.cluster_id()
        except Unavailable:
            self._health.ready("kafka", False, "no broker answers")
        else:
            self._health.ready("kafka", True)

    async def _revoked(self, _: Any, revoked: set[Any], **__: Any) -> None:
        """The batch under way ends first."""
        async with self._busy:
            self._forget()

    def _forget(self) -> None:
        """Partitions go: what was known of them is of no use."""
        self._generation = NO_GENERATION
        self._partitions.end()
        if self._restore is not None:
            self._restore.close()
            self._restore = None

    def _oldest(self, place: PartitionKey) -> int:
        return self._opening.admin.watermarks([place])[place].low

    def _close(self) -> None:
        """All of it, whatever fails. What ended the worker says more than what cannot be closed because of it."""
        parts = self._parts
        for close in (parts.merges.close, self._checkpoint.close, parts.links.close, parts.window.close):
            try:
                close()
            except RouterError as error:
                log.warning("at the end: %s", error)
