"""The attempt loop of one destination: everything that is composed around a connector.

It takes events in the order consumed, forms requests, and starts as many as order, rate, concurrency and the partner's
health allow; `OutcomePolicy` turns each outcome into a final state or a later attempt. It lives in one event loop.
Memory is bounded by its owner, who stops giving it events; what kill -9 can repeat is bounded by `max_uncommitted`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from router.config.delivery import DeliveryConfig
from router.delivery import transform
from router.delivery.circuit_breaker import CircuitBreaker, JitteredBackoff
from router.delivery.item import QueuedEvent
from router.delivery.outcome_policy import OutcomePolicy, TerminalOutcomes
from router.delivery.pauses import Pause
from router.delivery.profile_cap import ProfileCap
from router.delivery.queue import DeliveryQueue, QueuedBatch
from router.delivery.rate import Rate
from router.delivery.records import LARGEST, DeliveryLog
from router.delivery.retry_lane import RetryLane
from router.destinations.base import Connector, Kind, Outcome

GRACE_SECONDS = 30.0  # past the connector's own timeout
UNCOMMITTED = 1_000  # at least
SPARE_SECONDS = 0.01  # until a replay asks again whether the rate has something to spare

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchShape:
    """Of a request: `count` events, `size` bytes, `age` seconds that it may wait to fill."""

    count: int
    size: int
    age: float


def shape_of(connector: Connector, config: DeliveryConfig) -> BatchShape:
    """From the topology, or, where it says nothing, the connector's own."""
    batch = config.batch
    if batch is None:
        return BatchShape(connector.limits.batch, connector.limits.batch_bytes, connector.batch_age)
    return BatchShape(min(batch.count, connector.limits.count), batch.bytes, batch.age)


def in_order(connector: Connector, config: DeliveryConfig) -> bool:
    """Whether the events of a profile are delivered in order."""
    return (config.order or connector.order) == "profile"


def max_uncommitted(connector: Connector, config: DeliveryConfig) -> int:
    """Events under way or accepted and not yet committed at most: what kill -9 can repeat."""
    wanted = 2 * config.concurrency * shape_of(connector, config).count
    return min(max(UNCOMMITTED, wanted), connector.limits.uncommitted)


class Dispatcher:
    """`clock` is monotonic, `wall` gives seconds since 1970. All methods are for the event loop's thread."""

    def __init__(
        self, connector: Connector, config: DeliveryConfig, finals: TerminalOutcomes, delivery_log: DeliveryLog,
        lane: RetryLane, *, clock: Callable[[], float], wall: Callable[[], float],
        backoff: JitteredBackoff | None = None, cap: ProfileCap | None = None,
    ) -> None:  # fmt: skip
        backoff = backoff or JitteredBackoff(config.retry.first, config.retry.longest)
        self._connector = connector
        self._finals = finals
        self._clock = clock
        self._shape = shape_of(connector, config)
        self._concurrency = config.concurrency
        self._patience = 2 * connector.timeout + GRACE_SECONDS
        self._keyed = type(connector).batch_key is not Connector.batch_key
        self._max_uncommitted = max_uncommitted(connector, config)
        self._queue = DeliveryQueue(ordered=in_order(connector, config))
        self._lane = lane
        self._cap = cap
        self._wall = wall
        self.breaker = CircuitBreaker(backoff, clock)
        self.rate = Rate(config.rate or connector.limits.rate, clock)
        self.policy = OutcomePolicy(
            connector.name, finals, delivery_log, self._queue, lane, breaker=self.breaker, rate=self.rate,
            backoff=backoff, budget=config.retry.budget, clock=clock, wall=wall,
        )  # fmt: skip
        self._tasks: dict[asyncio.Task[None], QueuedBatch] = {}  # under way
        self._free: asyncio.Task[None] | None = None  # the task that starts others takes the first of them itself
        self._under_way = 0  # events
        self._replaying = 0  # requests of replays
        self._timer: asyncio.TimerHandle | None = None
        self._taking = True
        self._pause: Pause | None = None
        self._paused_at = 0.0

    def take(self, items: Iterable[QueuedEvent]) -> None:
        """New events, in the order consumed."""
        self._queue_up(items)
        self.pump()

    def _queue_up(self, items: Iterable[QueuedEvent]) -> None:
        """New events and those whose time in the retry lane is over. One too large for its topic cannot wait there."""
        for item in items:
            if item.fault:
                self.policy.give_up(item, item.fault, "read")
            elif not item.parked and self._cap is not None and not self._cap.admits(item, round(self._wall() * 1000)):
                self.policy.withhold(item, "cap")
            elif not item.parked and item.size <= LARGEST and self._lane.holds(item):
                self.policy.follow(item)
            else:
                if self._keyed:
                    item.batch_key = self._connector.batch_key(item.delivery)
                self._queue.push(item)

    def pump(self) -> None:
        """Start what may start now, and wake up when something else may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._taking:
            wait = self._start()
            if wait is not None:
                self._timer = asyncio.get_running_loop().call_later(max(wait, 0.001), self.pump)

    def pause(self, pause: Pause | None) -> None:
        """Start nothing more until it is None again. That time does not count into any event's budget."""
        now = self._clock()
        if self._pause is not None and pause is None:
            self.policy.extend(now - self._paused_at)
        if self._pause is None:
            self._paused_at = now
        self._pause = pause
        self.pump()

    def _start(self) -> float | None:
        """Start requests until something is in the way: seconds until that may change, None if an end of one will."""
        while self._pause is None:
            now = self._clock()
            self._queue.wake(now)
            self._queue_up(self._lane.due(now))
            if self.breaker.reason:
                return self._probe(now)
            room = self._max_uncommitted - self._under_way - self._finals.uncommitted
            if len(self._tasks) >= self._concurrency or room <= 0:
                return None
            wait = self.rate.wait()
            if wait > 0:
                return wait
            shape = self._shape
            count, replays = min(shape.count, room), self._for_replays()
            batch = self._queue.take(now, count, shape.size, shape.age, replays)
            if batch is None:
                return self._next(now, count, replays)
            self._launch(batch, probe=False)
        return None

    def _for_replays(self) -> int:
        """Events that a replay's request may have now. Half of the concurrency is left to live events, where there is
        more than one request at a time, and what the rate has to spare for a burst of them."""
        free = self._replaying < max(1, self._concurrency // 2)
        return self.rate.spare() if free and self._queue.has_replays else 0

    def _next(self, now: float, count: int, replays: int) -> float | None:
        """Seconds until a request is old enough, a failed event due, or the rate may have some to spare."""
        ready_at = self._queue.ready_at(count, self._shape.size, self._shape.age, replays)
        times = [self._queue.due, self._lane.next_due, ready_at]
        if self._queue.has_replays and not replays and self._replaying < max(1, self._concurrency // 2):
            times.append(now + SPARE_SECONDS)
        return min((at - now for at in times if at is not None), default=None)

    def _fills(self) -> bool:
        """Whether what is ready may still wait for company."""
        shape = self._shape
        at = self._queue.ready_at(shape.count, shape.size, shape.age, shape.count)
        return at is not None and at > self._clock()

    def _probe(self, now: float) -> float | None:
        """The partner is held back: one event at a time, to find out."""
        if self.breaker.reason == "down":
            for expired in self._queue.expired(now):
                self.policy.give_up(expired, expired.code, "deliver")
        wait = self.breaker.wait()
        if wait is None or (wait := max(wait, self.rate.wait())) > 0:
            return wait
        if not self._queue:
            self._queue_up(self._lane.first())
        batch = self._queue.pick()
        if batch is not None:
            self.breaker.probe()
            self._launch(batch, probe=True)
        return None

    def _launch(self, batch: QueuedBatch, *, probe: bool) -> None:
        self.rate.spend(len(batch))
        self._under_way += len(batch)
        self._replaying += _of_replay(batch)
        batch.probe = probe
        task, self._free = self._free, None
        if task is None:
            task = asyncio.get_running_loop().create_task(self._work(batch))
            task.add_done_callback(self._ended)
        self._tasks[task] = batch

    async def _work(self, batch: QueuedBatch) -> None:
        """Attempts one after the other, as long as there is another: a task for each would cost as much as the rest."""
        task = asyncio.current_task()
        assert task is not None
        following: QueuedBatch | None = batch
        while following is not None:
            await self._attempt(following)
            del self._tasks[task]
            self._free = task
            try:
                self.pump()
            finally:
                self._free = None
            following = self._tasks.get(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nothing is left to start, or the attempt was cancelled."""
        cut_off = self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error  # a fault of the engine itself: for the loop's exception handler
        if cut_off is not None:
            self.pump()

    async def _attempt(self, batch: QueuedBatch) -> None:
        started, probe = self._clock(), batch.probe
        try:
            unwell = await self._check() if probe else None
            if unwell is not None:
                self._queue.put_back([batch])
                self.policy.probed(unwell)
                return
            for item in batch.events:
                item.attempts += 1
                item.delivery.attempt = item.attempts
            outcomes = await self._send(batch.events)
            self.policy.apply(batch, outcomes, started, probe=probe)
        finally:
            self._under_way -= len(batch)
            self._replaying -= _of_replay(batch)
            if probe:
                self.breaker.unclear()

    async def _check(self) -> Outcome | None:
        """What speaks against sending an event as a probe: the partner was asked without one and did not say yes."""
        if not self._connector.can_check():
            return None
        try:
            async with asyncio.timeout(self._patience):
                outcome = await self._connector.check()
        except Exception:
            log.exception("the connector's probe failed", extra={"destination": self._connector.name})
            return None
        return outcome if outcome is not None and outcome.kind in (Kind.RETRY, Kind.REFUSED) else None

    async def _send(self, batch: Sequence[QueuedEvent]) -> Sequence[Outcome]:
        """One outcome an event, whatever the connector does."""
        try:
            async with asyncio.timeout(self._patience):
                outcomes = await transform.send(self._connector, [item.delivery for item in batch])
        except TimeoutError:
            return _failure(batch, "ETIMEDOUT", "the connector gave no answer")
        except Exception:
            log.exception("the connector failed", extra={"destination": self._connector.name})
            return _failure(batch, "EINTERNAL", "the connector failed")
        if len(outcomes) != len(batch):
            log.error("the connector gave %d outcomes for %d events", len(outcomes), len(batch))
            return _failure(batch, "EINTERNAL", "the connector lost count")
        return outcomes

    def oldest(self) -> float | None:
        """When the oldest event was received that is not final: seconds since 1970. None where none waits.

        What was given up once, or is replayed, does not count: that delay is the operator's.
        """
        under_way = (item for batch in self._tasks.values() for item in batch.events)
        times = (
            item.received
            for item in chain(self._queue, self._lane, under_way)
            if item.received is not None and not item.redriven and not item.replay
        )
        return min(times, default=None)

    @property
    def idle(self) -> str:
        """Why it rightly does nothing new, or an empty string when it should be getting on."""
        if self._pause is not None:
            return str(self._pause)
        if self.breaker.reason:
            return self.policy.held()
        if self._tasks:
            return "waiting for the partner"
        if not self._queue and not self._lane:
            return "nothing to deliver"
        if self._queue.due is not None or self._lane.next_due is not None or self.rate.wait() > 0:
            return "waiting to try again"
        return "waiting for a request to fill" if self._fills() else ""

    async def halt(self, seconds: float) -> None:
        """Start nothing more; let what is under way end, by force after `seconds`; forget what waits."""
        self._taking = False
        self.pump()
        tasks = set(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self.policy.clear()

    def resume(self) -> None:
        """After `halt`: with new partitions."""
        self._taking = True
        self.pump()


def _of_replay(batch: QueuedBatch) -> bool:
    return bool(batch.events[0].replay)


def _failure(batch: Sequence[QueuedEvent], code: str, detail: str) -> list[Outcome]:
    return [Outcome(Kind.RETRY, code, detail, shared=len(batch) > 1)] * len(batch)
