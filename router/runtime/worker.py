"""The route worker: read, run the agents, make durable, in a pipeline of two.

While the transaction of one batch is committed, the next is read, validated and looked up, also against the keys
still pending. kill -9 at any point: see `router.runtime.outputs`. Abort or revoke: the prepared batch and the pending
keys are dropped and every owned partition goes back to its committed offset; nothing is skipped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import Message, TopicPartition

from router import metrics
from router.agents.batch import Batch
from router.agents.isolate import Isolated
from router.dedupe.window import Window
from router.embedded.capacity import Capacity
from router.identity.log import LinkLog
from router.process.health import Health
from router.runtime.committer import Committer
from router.runtime.merges import MergesTask
from router.runtime.outputs import Redo, Work
from router.runtime.reader import Lane, Reader, encode_totals
from router.runtime.restore import Restore
from router.runtime.tally import changelog_of, count, hide, show

log = logging.getLogger(__name__)
IDLE_SECONDS = 0.2
SMALL_BATCH = 200
HOUSEKEEPING_SECONDS = 1.0
STUCK_SECONDS = 120.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 2.0


class UnderWay:
    """A batch that is being committed, and what its lanes come to with it."""

    __slots__ = ("batch", "lanes", "started", "work")

    def __init__(self, batch: Batch, lanes: list[tuple[Lane, int, Any]], work: Work, started: float) -> None:
        self.batch = batch
        self.lanes = lanes
        self.work = work
        self.started = started


class Worker:
    """One route worker. `open_reader` and `open_restore` make the parts that talk to Kafka.

    `renew` is called before each batch and may change the chain and, in place, the destinations.
    A batch of fewer than `small_batch` messages waits for the one before it and grows meanwhile: under light load that
    gives the shortest way through.
    """

    def __init__(
        self,
        *,
        chain: Isolated,
        store: Window,
        links: LinkLog,
        merges: MergesTask,
        committer: Committer,
        open_reader: Callable[[Callable[[], None], Callable[[bool], None]], Reader],
        open_restore: Callable[[set[int]], Restore],
        health: Health,
        destinations: Sequence[str],
        transactional: bool,
        renew: Callable[[], object] = lambda: None,
        capacity: Capacity | None = None,
        small_batch: int = SMALL_BATCH,
    ) -> None:
        self._chain = chain
        self._store = store
        self._links = links
        self._merges = merges
        self._committer = committer
        self._open_restore = open_restore
        self._health = health
        self._destinations = destinations
        self._transactional = transactional
        self._renew = renew
        self._capacity = capacity
        self._small_batch = small_batch
        self._restore: Restore | None = None
        self._under_way: UnderWay | None = None
        self._housekeeping = 0.0
        self._pause = FIRST_PAUSE_SECONDS
        health.ready("kafka", False, "joining the group")
        health.progress("route", STUCK_SECONDS)
        self.reader = open_reader(self._gained, self._losing)

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; then the batch under way is finished and the group is left."""
        try:
            while not stop.is_set():
                self.round()
            self._finish()
        finally:
            self._close()

    def round(self) -> None:
        """One turn: read what is there, prepare it, collect the batch before, hand this one over."""
        if self._restore is not None:
            self._restoring(self._restore)
            return
        self._renew()
        self._hold_back()
        messages = self.reader.read(0.01 if self._committer.busy else IDLE_SECONDS)
        self._links.follow()
        self._merges.feed()
        try:
            if messages:
                self._take(messages)
            elif self._committer.busy and self._committer.finished(0.02):
                self._collect(None)
        except Redo as redo:
            self._start_over(redo)
        self._keep_house()

    def _take(self, messages: list[Message]) -> None:
        started = time.monotonic()
        moved = self._advanced(messages)  # at once: behind a gap, the next read begins where the lanes stand
        if self._committer.busy and len(messages) < self._small_batch:
            self._committer.finished(STUCK_SECONDS)
            self._collect(None)  # a small batch grows while the one before it commits
            more = self.reader.read(0)
            if not self.reader.lanes or self._restore is not None:
                return
            messages += more
            moved |= self._advanced(more)
        self._collect(self._prepare(messages, moved, started))

    def _advanced(self, messages: list[Message]) -> dict[int, Lane]:
        """Move on behind these messages; returns the lanes that moved, by their index."""
        return {self.reader.index[lane.topic, lane.partition]: lane for lane in self.reader.advance(messages)}

    def _prepare(self, messages: list[Message], moved: dict[int, Lane], started: float) -> UnderWay:
        group = self.reader.group()
        batch = self._chain.run(messages, self.reader.index)
        if self._capacity is not None:
            self._capacity.note(batch.outputs())
        lanes = []
        offsets = []
        for index, lane in moved.items():
            lane.ahead = lane.ahead.copy()
            lane.ahead.add(batch, index)
            lanes.append((lane, lane.next, lane.ahead))
            metadata = encode_totals(lane.ahead, self._destinations)
            offsets.append(TopicPartition(lane.topic, lane.partition, lane.next, metadata=metadata))
        work = Work(batch.records, changelog_of(batch, self.reader.lanes), offsets, group, batch.fans)
        return UnderWay(batch, lanes, work, started)

    def _collect(self, following: UnderWay | None) -> None:
        """End the batch under way and hand over the next before writing local state. Raises Redo."""
        previous, landed = self._under_way, {}
        self._under_way = None
        if previous is not None:
            landed = self._committer.collect()
        self._under_way = following
        if following is not None:
            self._committer.hand_over(following.work)
        if previous is not None:
            self._settle(previous, landed)
        self._chain.pending = following.batch.fresh if following is not None else {}

    def _settle(self, done: UnderWay, landed: dict[int, int]) -> None:
        """What follows a commit: local state, and for at_least_once the offsets."""
        fresh = done.batch.fresh
        self._pause = FIRST_PAUSE_SECONDS
        self._store.write([(key, at) for key, (at, _) in fresh.items()], landed)
        if not self._transactional:
            self.reader.commit(done.work.offsets)
        for lane, offset, totals in done.lanes:
            lane.committed, lane.totals = offset, totals
            show(lane)
            self._health.beat(lane.name)
        count(done.batch)
        metrics.BATCH_SECONDS.observe(time.monotonic() - done.started)
        metrics.BATCH_EVENTS.observe(sum(done.batch.received.values()))
        self._health.beat("route")

    def _start_over(self, redo: Redo) -> None:
        """Back to the committed offsets, after a pause that doubles while nothing can be committed."""
        log.warning("transaction aborted (%s): going back to the committed offsets", redo)
        metrics.ABORTS.labels(str(redo)).inc()
        self._chain.pending = {}
        self.reader.rewind()
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    def _gained(self) -> None:
        """New partitions, paused: their state comes first."""
        self._links.look()
        self._restore = self._open_restore({lane.partition for lane in self.reader.lanes})
        self._health.ready("state", False, "restoring")

    def _losing(self, lost: bool) -> None:
        """Partitions go: the batch under way is finished (or, when they are lost, has been aborted) first."""
        if self._under_way is not None:
            try:
                self._collect(None)
            except Redo as redo:
                log.warning("transaction aborted (%s) as partitions %s", redo, "were lost" if lost else "went")
        self._chain.pending = {}
        for lane in self.reader.lanes:
            hide(lane)
            self._health.forget(lane.name)
        if self._restore is not None:
            self._restore.close()
            self._restore = None

    def _restoring(self, restore: Restore) -> None:
        """A slice of the restore; the group member goes on polling."""
        restore.step(IDLE_SECONDS)
        self._links.follow()
        self.reader.read(0)
        self._health.idle("route", f"restoring: {restore.progress()}; {self._links.progress()}")
        if self._restore is restore and restore.done and self._links.caught_up:
            restore.close()
            self._restore = None
            for lane in self.reader.lanes:
                show(lane)
                self._health.progress(lane.name, STUCK_SECONDS)
            self.reader.resume()
            self._health.ready("state", True)

    def _hold_back(self) -> None:
        """Back-pressure: the destination topics are full, so nothing is read, but the group member goes on polling."""
        capacity = self._capacity
        if capacity is None or capacity.free():
            return
        self.reader.pause()
        while not capacity.free() and self._restore is None:
            self._idle("held back: the destination topics are full", self.reader.lanes)
            self._renew()
            self.reader.read(0.05)
        if self._restore is None:
            self.reader.resume()

    def _idle(self, why: str, lanes: Sequence[Lane]) -> None:
        """These lanes rightly stand still; if all do, so does the worker."""
        for lane in lanes:
            self._health.idle(lane.name, why)
        if len(lanes) == len(self.reader.lanes):
            self._health.idle("route", why)

    def _keep_house(self) -> None:
        now = time.monotonic()
        if now < self._housekeeping:
            return
        self._housekeeping = now + HOUSEKEEPING_SECONDS
        if self._restore is None and self.reader.lanes:
            owned = {lane.partition for lane in self.reader.lanes}
            self._store.advance(self.reader.watermark_ms(int(time.time() * 1000)), owned)
        if self._restore is None and not self._committer.busy:
            self._idle("nothing to read", [lane for lane in self.reader.lanes if lane.at_end])
        problem = self.reader.check_broker()
        self._health.ready("kafka", not problem, problem)
        for lane in self.reader.lanes:
            metrics.ROUTE_LAG.labels(lane.topic, str(lane.partition)).set(self.reader.lag(lane))

    def _finish(self) -> None:
        if self._under_way is not None:
            try:
                self._collect(None)
            except Redo as redo:
                log.warning("the last transaction was aborted (%s); its events will be read again", redo)

    def _close(self) -> None:
        self._merges.close()
        self.reader.close()
        self._committer.close()
        self._links.close()
        self._store.close()
