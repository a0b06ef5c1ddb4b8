"""The route worker: read, run the agents, make durable, in a pipeline of two.

While the transaction of one batch is committed, the next is read, validated and looked up, also against the keys
still pending. kill -9 at any point: see `router.worker.checkpoint`. Abort or revoke: the prepared batch and the pending
keys are dropped and every owned partition goes back to its committed offset; nothing is skipped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from confluent_kafka import TopicPartition

from router import metrics
from router.agents.batch import Batch, Fresh
from router.agents.decode import Message
from router.agents.totals import Totals
from router.dedupe.window import Window
from router.embedded.capacity import Capacity
from router.errors import Unavailable
from router.events.message_batch import joined
from router.identity.log import LinkLog
from router.identity.merges import MergesTask
from router.kafka.group_consumer import GroupConsumer
from router.kafka.partition_state import watermark_ms
from router.kafka.transactions import CommitRefused, TransactionAborted
from router.process.health import Health
from router.worker.active_topology import ActiveTopology
from router.worker.checkpoint import Checkpoint, CommitBatch
from router.worker.commit_thread import CommitThread
from router.worker.partition import RoutePartition, changelog_of, encode_totals, export_counts
from router.worker.restore import Restore

log = logging.getLogger(__name__)
IDLE_SECONDS = 0.2
SMALL_BATCH = 200
HOUSEKEEPING_SECONDS = 1.0
STUCK_SECONDS = 120.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 2.0


@dataclass(frozen=True, slots=True)
class Components:
    """What every engine runs: the state of the agents, and `topology`, which has the agents of the present topology."""

    window: Window
    links: LinkLog
    merges: MergesTask
    topology: ActiveTopology


@dataclass(slots=True)
class InFlight:
    """A batch that is being committed, and where its partitions stand with it."""

    batch: Batch
    commit: CommitBatch
    partitions: list[tuple[RoutePartition, int, Totals]]
    started: float


class Worker:
    """One route worker: the owner of its consumer's partitions.

    `restore` brings the window up to the changelog of some partitions. A batch of fewer than `small_batch` messages
    waits for the one before it and grows meanwhile: under light load that gives the shortest way through.
    """

    def __init__(
        self,
        components: Components,
        consumer: GroupConsumer[RoutePartition],
        checkpoint: Checkpoint,
        restore: Callable[[set[int]], Restore],
        health: Health,
        *,
        capacity: Capacity | None = None,
        small_batch: int = SMALL_BATCH,
    ) -> None:
        self._components = components
        self._checkpoint = checkpoint
        self._committing = CommitThread(checkpoint)
        self._open_restore = restore
        self._health = health
        self._capacity = capacity
        self._small_batch = small_batch
        self._restore: Restore | None = None
        self._in_flight: InFlight | None = None
        self._pending: Fresh = {}  # keys of the batch in flight, which the window does not have yet
        self._housekeeping = 0.0
        self._pause = FIRST_PAUSE_SECONDS
        health.ready("kafka", False, "joining the group")
        health.progress("route", STUCK_SECONDS)
        self.consumer = consumer
        consumer.join(self)

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; then the batch in flight is finished and the group is left."""
        try:
            while not stop.is_set():
                self.round()
            self._finish_last("at the end")
        finally:
            self._close()

    def round(self) -> None:
        """One turn: read what is there, prepare it, finish the batch before, hand this one over."""
        if self._restore is not None:
            self._restoring(self._restore)
            return
        self._components.topology.take()
        self._hold_back()
        messages = self.consumer.read(0.01 if self._committing.busy else IDLE_SECONDS)
        self._components.links.follow()
        self._components.merges.feed()
        try:
            if messages:
                self._take(messages)
            elif self._committing.busy and self._committing.finished(0.02):
                self._finish(None)
        except TransactionAborted as aborted:
            self._start_over(aborted)
        self._keep_house()

    def _take(self, messages: Sequence[Message]) -> None:
        started = time.monotonic()
        if self._committing.busy and len(messages) < self._small_batch:
            generation = self.consumer.generation
            self._committing.finished(STUCK_SECONDS)
            self._finish(None)  # a small batch grows while the one before it commits
            messages = joined(messages, self.consumer.read(0))
            if generation != self.consumer.generation:
                return
        self._finish(self._prepare(messages, started))

    def _prepare(self, messages: Sequence[Message], started: float) -> InFlight:
        """Run the agents. The group's metadata is taken first: later it may be that of another generation."""
        group = self.consumer.group_metadata()
        batch = self._components.topology.agents.run(messages, self.consumer.index, self._pending)
        if self._capacity is not None:
            self._capacity.note(batch.outputs())
        destinations = self._components.topology.destinations
        partitions, offsets = [], []
        for one in self.consumer.advanced():
            one.ahead = one.ahead.copy()
            one.ahead.add(batch, self.consumer.index[one.place])
            partitions.append((one, one.next, one.ahead))
            offsets.append(TopicPartition(*one.place, one.next, metadata=encode_totals(one.ahead, destinations)))
        rows = batch.rows()
        changelog = changelog_of(batch, self.consumer.partitions)
        return InFlight(
            batch, CommitBatch(batch.records, offsets, group, batch.fans, changelog, rows), partitions, started
        )

    def _finish(self, following: InFlight | None) -> None:
        """End the batch in flight and hand over the next before writing local state. Raises TransactionAborted."""
        previous, self._in_flight = self._in_flight, None
        if previous is not None:
            self._committing.finish()
        self._in_flight = following
        if following is not None:
            self._committing.start(following.commit)
        if previous is not None:
            self._apply(previous)
        self._pending = following.batch.fresh if following is not None else {}

    def _apply(self, done: InFlight) -> None:
        """What follows the publication of a batch: local state, its partitions' totals, metrics."""
        self._pause = FIRST_PAUSE_SECONDS
        try:
            self._checkpoint.apply(done.commit)
        except CommitRefused as refused:
            if not (refused.revoked or refused.rebalancing):
                raise Unavailable(f"offsets were not committed: {refused}") from refused
            log.warning("offsets were not committed, the partitions have gone: %s", refused)
        for one, offset, totals in done.partitions:
            one.committed, one.totals = offset, totals
            one.show()
            self._health.beat(one.name)
        export_counts(done.batch)
        metrics.BATCH_SECONDS.observe(time.monotonic() - done.started)
        metrics.BATCH_EVENTS.observe(sum(done.batch.received.values()))
        self._health.beat("route")

    def _start_over(self, aborted: TransactionAborted) -> None:
        """Back to the committed offsets, after a pause that doubles while nothing can be committed."""
        log.warning("transaction aborted (%s): going back to the committed offsets", aborted)
        metrics.ABORTS.labels(aborted.code).inc()
        self._pending = {}
        self.consumer.rewind()
        for one in self.consumer.partitions:
            one.ahead = one.totals.copy()
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    # The owner of the partitions; called from within the consumer

    def assigned(self, partitions: list[RoutePartition]) -> None:
        """New partitions, paused: their state comes first."""
        if not partitions:
            return
        self._components.links.look()
        self._restore = self._open_restore({one.number for one in partitions})
        self._health.ready("state", False, "restoring")

    def revoked(self, *, lost: bool) -> None:
        """Partitions go: the batch in flight is finished (or, when they are lost, has been aborted) first."""
        self._finish_last("as partitions were lost" if lost else "as partitions went")
        self._pending = {}
        for one in self.consumer.partitions:
            one.hide()
            self._health.forget(one.name)
        if self._restore is not None:
            self._restore.close()
            self._restore = None

    def reached_end(self, partition: RoutePartition) -> None:
        """`at_end` says it."""

    def skipped(self, partition: RoutePartition, offset: int, *, recreated: bool) -> RoutePartition:
        return partition

    def _finish_last(self, when: str) -> None:
        if self._in_flight is not None:
            try:
                self._finish(None)
            except TransactionAborted as aborted:
                log.warning("transaction aborted (%s) %s; its events will be read again", aborted, when)

    def _restoring(self, restore: Restore) -> None:
        """A slice of the restore; the group member goes on polling."""
        links = self._components.links
        restore.step(IDLE_SECONDS)
        links.follow()
        self.consumer.stay(0)
        self._health.idle("route", f"restoring: {restore.progress()}; {links.progress()}")
        if self._restore is restore and restore.done and links.caught_up:
            restore.close()
            self._restore = None
            for one in self.consumer.partitions:
                one.show()
                self._health.progress(one.name, STUCK_SECONDS)
            self.consumer.set_paused(())
            self._health.ready("state", True)

    def _hold_back(self) -> None:
        """Back-pressure: the destination topics are full, so nothing is read, but the group member goes on polling."""
        capacity = self._capacity
        if capacity is None or capacity.free():
            return
        self.consumer.set_paused(self.consumer.partitions)
        while not capacity.free() and self._restore is None:
            self._idle("held back: the destination topics are full", self.consumer.partitions)
            self._components.topology.take()
            self.consumer.stay(0.05)
        if self._restore is None:
            self.consumer.set_paused(())

    def _idle(self, why: str, partitions: Sequence[RoutePartition]) -> None:
        """These partitions rightly stand still; if all do, so does the worker."""
        for one in partitions:
            self._health.idle(one.name, why)
        if len(partitions) == len(self.consumer.partitions):
            self._health.idle("route", why)

    def _keep_house(self) -> None:
        now = time.monotonic()
        if now < self._housekeeping:
            return
        self._housekeeping = now + HOUSEKEEPING_SECONDS
        partitions = self.consumer.partitions
        if self._restore is None and partitions:
            watermark = watermark_ms(partitions, int(time.time() * 1000))
            self._components.window.advance(watermark, {one.number for one in partitions})
        if self._restore is None and not self._committing.busy:
            self._idle("nothing to read", [one for one in partitions if one.at_end])
        problem = self.consumer.check_broker()
        self._health.ready("kafka", not problem, problem)
        for one in partitions:
            one.show_backlog(self.consumer.lag(one))

    def _close(self) -> None:
        self._components.merges.close()
        self.consumer.close()
        self._committing.close()
        self._components.links.close()
        self._components.window.close()
