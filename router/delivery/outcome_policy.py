"""What an outcome means: a final state, a later attempt, and what it says about the partner as a whole."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Protocol

from prometheus_client import Counter

from router import metrics
from router.delivery.circuit_breaker import CircuitBreaker, JitteredBackoff
from router.delivery.item import QueuedEvent
from router.delivery.latency import DeliveryTimes
from router.delivery.queue import DeliveryQueue, QueuedBatch
from router.delivery.rate import Rate
from router.delivery.records import LARGEST, DeliveryLog, awaiting_retry, discarded, label, reason_label
from router.delivery.retry_lane import FOLLOWS, RetryLane
from router.destinations.base import Kind, Outcome
from router.events.records import Record
from router.events.times import iso

_FOR_ALL = ("429", "503")  # codes whose Retry-After is meant for every request
_TOO_MUCH = ("429", "THROTTLED")  # no failure of the partner; THROTTLED: of some people, whose events alone wait
_HELD = {"": "", "down": "the partner is down", "refused": "the partner refuses us"}
REFUSALS = 3  # of one event, while others were taken in between: then it is the event

log = logging.getLogger(__name__)


class TerminalOutcomes(Protocol):
    """Where events go that are final; see `router.delivery.committer`."""

    def delivered(self, item: QueuedEvent, record: Record | None = None) -> None:
        """`record` is written in the commit that has the event's offset."""

    def dead(self, item: QueuedEvent, code: str, stage: str) -> None: ...

    def filtered(self, item: QueuedEvent) -> None: ...

    def stale(self, item: QueuedEvent) -> None: ...

    def parked(self, item: QueuedEvent) -> None:
        """An event is to wait in the retry lane; the lane hears of it once it stands there."""

    @property
    def uncommitted(self) -> int:
        """Accepted events that are not yet committed."""


class OutcomePolicy:
    """Of one destination. `budget`: seconds from an event's first attempt; `clock` is monotonic, `wall` since 1970."""

    def __init__(
        self, name: str, finals: TerminalOutcomes, delivery_log: DeliveryLog, queue: DeliveryQueue, lane: RetryLane,
        *, breaker: CircuitBreaker, rate: Rate, backoff: JitteredBackoff, budget: float,
        clock: Callable[[], float], wall: Callable[[], float],
    ) -> None:  # fmt: skip
        self._name = name
        self._finals = finals
        self._delivery_log = delivery_log
        self._queue = queue
        self._lane = lane
        self._failed: list[QueuedBatch] = []  # put off since the partner last took an event
        self._breaker = breaker
        self._rate = rate
        self._backoff = backoff
        self._budget = budget
        self._clock = clock
        self._wall = wall
        self._accepted = 0
        self._last: Outcome | None = None  # what the partner said last of itself
        self._attempts: dict[str, Counter] = {}  # by code
        self.times = DeliveryTimes(name, clock)

    def apply(self, batch: QueuedBatch, outcomes: Sequence[Outcome], started: float, *, probe: bool) -> None:
        """Apply the outcomes of one attempt. Events of revoked partitions are left to their new owner."""
        self._attempted(outcomes[0])
        self._learn(batch.events, outcomes, probe=probe)
        failed: list[tuple[QueuedEvent, Outcome]] = []
        refused: list[tuple[QueuedEvent, Outcome]] = []
        smaller: list[QueuedEvent] = []
        accepted, now = self._accepted, self._wall()
        for item, outcome in zip(batch.events, outcomes, strict=True):
            item.first = item.first or started
            if item.partition.revoked:
                self._leave(item)
                self._finals.stale(item)
            elif outcome.kind is Kind.DELIVERED or outcome.kind is Kind.UNCONFIRMED:
                self._deliver(item, outcome, now)
            elif outcome.kind is Kind.FILTERED:
                self._filter(item, outcome)
            elif outcome.kind is Kind.RETRY:
                failed.append((item, outcome))
            elif outcome.kind is Kind.REFUSED:
                refused.append((item, outcome))
            elif outcome.shared and len(batch) > 1:
                metrics.RETRIES.labels(self._name, label(outcome.code)).inc()
                smaller.append(item)
            else:
                self.give_up(item, outcome.code, "deliver", outcome, batch.events)
        if failed:
            self._retry(batch, failed, started)
        if smaller:
            self._queue.put_back(_halves(smaller))
        if refused:
            self._refuse(batch, refused)
        if self._accepted > accepted:
            self._park_failed()
            self._stage(batch.events[0], outcomes[0], now)

    def probed(self, outcome: Outcome) -> None:
        """The partner was asked without an event, and is not well or refuses us."""
        self._attempted(outcome)
        self._learn((), [outcome], probe=True)

    def _attempted(self, outcome: Outcome) -> None:
        """Count a request."""
        code = label(outcome.code)
        counter = self._attempts.get(code)
        if counter is None:
            counter = self._attempts[code] = metrics.ATTEMPTS.labels(self._name, code)
        counter.inc()

    def _learn(self, batch: Sequence[QueuedEvent], outcomes: Sequence[Outcome], *, probe: bool) -> None:
        """What an answer says about the partner as a whole."""
        first = outcomes[0]
        if first.kind is Kind.DELIVERED and not self._breaker.reason and all(one is first for one in outcomes):
            self._last = first
            self._breaker.worked()
            return
        again = [outcome for outcome in outcomes if outcome.kind is Kind.RETRY]
        if any(outcome.code == "429" for outcome in again):
            self._rate.throttled()
        self._rate.close(max((one.retry_after or 0.0 for one in again if one.code in _FOR_ALL), default=0.0))
        kinds = {outcome.kind for outcome in outcomes if outcome.code not in _TOO_MUCH} - {Kind.FILTERED}
        if not kinds and all(outcome.kind is Kind.FILTERED for outcome in outcomes):
            if probe:
                self._breaker.unclear()
            return  # nothing was asked
        self._last = outcomes[0]
        before, since = self._breaker.reason, self._breaker.since
        if kinds == {Kind.RETRY}:
            self._breaker.failed(probe=probe, fresh=any(item.attempts == 1 for item in batch))
        elif kinds == {Kind.REFUSED}:
            self._breaker.refused(probe=probe)
        else:
            self._breaker.worked()
        if self._breaker.reason != before:
            if before == "refused":
                self.extend(self._clock() - since)
            elif before == "down":
                self._forgive()
            self._announce(before, outcomes[0])

    def _forgive(self) -> None:
        """What waits was put off because of the outage: it goes now, and its next back-off begins anew."""
        for item in self._queue:
            item.failures = 0
        self._queue.wake(math.inf)

    def _announce(self, before: str, outcome: Outcome) -> None:
        """An alert in the log and the metric, when the partner is held back and when it no longer is."""
        reason = self._breaker.reason
        for name in ("down", "refused"):
            metrics.PAUSED.labels(self._name, name).set(float(name == reason))
        fields = {"destination": self._name, "code": outcome.code, "detail": outcome.detail}
        if reason == "refused":
            log.error("PAUSED: the partner refuses our credentials or settings; nothing is dropped", extra=fields)
        elif reason == "down":
            log.warning("paused: the partner is down; events wait in Kafka", extra=fields)
        else:
            log.warning("resumed: the partner takes requests again", extra={"destination": self._name, "was": before})

    def held(self) -> str:
        """Why the partner is not asked freely: what it said last, since when, and when it is asked again."""
        last, wait = self._last, self._breaker.wait()
        said = f" ({last.code}: {last.detail})" if last and last.detail else f" ({last.code})" if last else ""
        now = self._wall()
        since = now - (self._clock() - self._breaker.since)
        again = "it is being asked now" if wait is None else f"next try at {_clock_time(now + wait)}"
        return f"held back: {_HELD[self._breaker.reason]}{said}, since {_clock_time(since)}; {again}"

    def extend(self, seconds: float) -> None:
        """Time in which we were refused, or paused, does not count into any event's budget."""
        for item in self._queue:
            if item.deadline is not None:
                item.deadline += seconds
        self._lane.extend(seconds)

    def _deliver(self, item: QueuedEvent, outcome: Outcome, now: float) -> None:
        latency = None
        if item.received is not None and not (item.redriven or item.replay):  # an operator's delay is no latency
            latency = max(0.0, now - item.received)
            self.times.accepted(latency)
        self._accepted += 1
        self._leave(item)
        self._delivery_log.accepted("delivered" if outcome.kind is Kind.DELIVERED else "unconfirmed", item, latency)
        self._finals.delivered(item, outcome.record)

    def _stage(self, item: QueuedEvent, outcome: Outcome, now: float) -> None:
        """From receiving it to its topic, to the first attempt, to acceptance: once a request, for it is not free."""
        if outcome.kind not in (Kind.DELIVERED, Kind.UNCONFIRMED) or item.partition.revoked:
            return
        if item.received is None or not item.routed or item.came_from or item.redriven or item.replay:
            return
        first = now - (self._clock() - item.first)
        self.times.staged(item.received, item.routed, first, now)

    def _filter(self, item: QueuedEvent, outcome: Outcome) -> None:
        """The mapping does not send it: final, with the reason counted."""
        metrics.SKIPPED.labels(self._name, reason_label(outcome.code)).inc()
        self._leave(item)
        self._delivery_log.filtered(outcome.code, item)
        self._finals.filtered(item)

    def _retry(self, batch: QueuedBatch, failed: list[tuple[QueuedEvent, Outcome]], started: float) -> None:
        """Put events off, or give up those whose time is over.

        A batch that failed as a whole comes again as the same batch, under the same key, unless others were accepted
        since it last failed: then one of its events may be what makes the partner fail, and it is split.
        """
        now = self._clock()
        alive = [one for one in failed if self._has_time(*one, batch.events, started, now)]
        if not alive:
            return
        if 1 < len(alive) == len(batch) and all(outcome.shared for _, outcome in alive):
            due = min(self._due(*one, now) for one in alive)
            parts = _halves(batch.events) if self._accepted > batch.accepted >= 0 else [batch]
            for part in parts:
                part.whole, part.accepted = True, self._accepted
                self._queue.put_off(part, due)
            return
        for item, outcome in alive:
            self._put_off(item, self._due(item, outcome, now), alone=batch.whole)

    def _put_off(self, item: QueuedEvent, due: float, *, alone: bool) -> None:
        """In memory until it is clear whether the event or the partner is at fault. What is in the lane stays there."""
        item.alone = alone
        if item.parked and not self._breaker.reason:
            self._park(item, due)
            return
        batch = QueuedBatch([item], whole=alone)
        self._queue.put_off(batch, due)
        if item.code != "429" and item.size <= LARGEST:  # 429 is meant for all
            self._failed.append(batch)

    def _park_failed(self) -> None:
        """The partner takes events: what failed before did so by itself, and leaves the way of what follows.

        Its back-off begins anew: earlier attempts may have met an outage or a limit of the partner's.
        """
        failed, self._failed = self._failed, []
        latest = self._clock() + self._backoff.delay(1) if failed else 0.0
        for due, batch in self._queue.withdraw(failed) if failed else ():
            batch.events[0].failures = 1
            self._park(batch.events[0], min(due, latest))

    def _park(self, item: QueuedEvent, due: float) -> None:
        """Into the retry lane, with the events behind it."""
        followers = self._queue.leave(item)
        if item.partition.revoked:
            for one in (item, *followers):
                self._finals.stale(one)
            return
        self._lane.park(item, due)
        self._finals.parked(item)
        for one in followers:
            self.follow(one)

    def withhold(self, item: QueuedEvent, reason: str) -> None:
        """A new event is not sent at all: final, with the reason counted."""
        metrics.SKIPPED.labels(self._name, reason).inc()
        self._delivery_log.filtered(reason, item)
        self._finals.filtered(item)

    def follow(self, item: QueuedEvent) -> None:
        """A new event of which an earlier one is in the retry lane: behind it."""
        self._lane.park(item, FOLLOWS)
        self._finals.parked(item)

    def _leave(self, item: QueuedEvent) -> None:
        """An event is final, or another member's: those behind it may go."""
        self._queue.done(item)
        if item.parked:
            self._lane.done(item)

    def clear(self) -> None:
        """Forget what waits in memory."""
        self.times.observe()
        self._failed.clear()
        self._queue.clear()

    def _has_time(
        self, item: QueuedEvent, outcome: Outcome, batch: Sequence[QueuedEvent], started: float, now: float
    ) -> bool:
        """Whether there is time for another attempt. It does not run while the partner wants us to wait."""
        item.code = outcome.code
        item.failures += outcome.code != "429"  # which the rate answers, not the event's own back-off
        deadline = item.deadline
        if deadline is None:
            deadline = started + (self._budget if item.left is None else item.left)
        if now >= deadline:
            self.give_up(item, outcome.code, "deliver", outcome, batch)
            return False
        item.deadline, item.left = (deadline, None) if outcome.retry_after is None else (None, deadline - now)
        metrics.RETRIES.labels(self._name, label(outcome.code)).inc()
        self._delivery_log.failed("retry", awaiting_retry(outcome.code), item, outcome, batch)
        return True

    def _due(self, item: QueuedEvent, outcome: Outcome, now: float) -> float:
        """As the partner asked, else after a back-off, at the latest when the event's time is over."""
        if outcome.retry_after is not None:
            return now + outcome.retry_after
        return min(now + self._backoff.delay(max(1, item.failures)), item.deadline or math.inf)

    def _refuse(self, batch: QueuedBatch, refused: list[tuple[QueuedEvent, Outcome]]) -> None:
        """Back in line, their time not counted; but one that is refused while others pass is rejected."""
        for item, outcome in refused:
            item.code = outcome.code
        if len(batch) == 1 and refused and self._accepted > batch.accepted:
            batch.refusals, batch.accepted = batch.refusals + 1, self._accepted
        if batch.refusals > REFUSALS and refused:
            item, outcome = refused[0]
            self.give_up(item, outcome.code, "deliver", outcome, batch.events)
            return
        for item, outcome in refused:
            self._delivery_log.failed("refused", awaiting_retry(outcome.code), item, outcome, batch.events)
        if len(batch) == 1:
            batch.whole = True
            self._queue.put_back([batch] if refused else [])
        else:
            self._queue.put_back(_halves([item for item, _ in refused]))

    def give_up(
        self,
        item: QueuedEvent,
        code: str,
        stage: str,
        outcome: Outcome | None = None,
        batch: Sequence[QueuedEvent] = (),
    ) -> None:
        """An event is dead. `stage` is `read` for an event that was never queued, else `deliver`."""
        metrics.DISCARDED.labels(self._name, label(code)).inc()
        metrics.DEAD_LAST.labels(self._name).set(self._wall())
        if outcome is not None:
            item.answer = self._delivery_log.answer(item, outcome, batch)
        self._delivery_log.failed("dead", discarded(code), item, outcome, batch)
        if stage != "read":
            self._leave(item)
        elif item.parked:
            self._lane.done(item)
        self._finals.dead(item, code, stage)


def _clock_time(seconds: float) -> str:
    return iso(int(seconds) * 1000)[:-5] + "Z"


def _halves(events: Sequence[QueuedEvent]) -> list[QueuedBatch]:
    """One event alone, more in two parts."""
    middle = (len(events) + 1) // 2
    return [QueuedBatch(part, whole=True) for part in (events[:middle], events[middle:]) if part]
