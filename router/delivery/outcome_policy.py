"""What an outcome means: a final state, a later attempt, and what it says about the partner as a whole."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Protocol

from router import metrics
from router.delivery.circuit_breaker import CircuitBreaker, JitteredBackoff
from router.delivery.item import QueuedEvent
from router.delivery.latency import LatencyWindow
from router.delivery.queue import DeliveryQueue
from router.delivery.rate import Rate
from router.delivery.records import DeliveryLog, awaiting_retry, discarded, label, reason_label
from router.destinations.base import Kind, Outcome

_FOR_ALL = ("429", "503")  # codes whose Retry-After is meant for every request
REFUSALS = 3  # of one event, while others were taken in between: then it is the event

log = logging.getLogger(__name__)


class TerminalOutcomes(Protocol):
    """Where events go that are final; see `router.delivery.settle`."""

    def delivered(self, item: QueuedEvent) -> None: ...

    def dead(self, item: QueuedEvent, code: str, stage: str) -> None: ...

    def filtered(self, item: QueuedEvent) -> None: ...

    def stale(self, item: QueuedEvent) -> None: ...

    @property
    def uncommitted(self) -> int:
        """Accepted events that are not yet committed."""


class OutcomePolicy:
    """Of one destination. `budget`: seconds from an event's first attempt; `clock` is monotonic, `wall` since 1970."""

    def __init__(
        self, name: str, finals: TerminalOutcomes, delivery_log: DeliveryLog, *, breaker: CircuitBreaker, rate: Rate,
        backoff: JitteredBackoff, budget: float, clock: Callable[[], float], wall: Callable[[], float],
    ) -> None:  # fmt: skip
        self._name = name
        self._finals = finals
        self._delivery_log = delivery_log
        self._breaker = breaker
        self._rate = rate
        self._backoff = backoff
        self._budget = budget
        self._clock = clock
        self._wall = wall
        self._accepted = 0
        self._groups = 0
        self._seconds = metrics.END_TO_END.labels(name)
        self.latencies = LatencyWindow(clock)
        self.queue = DeliveryQueue(ordered=False)

    def apply(self, batch: list[QueuedEvent], outcomes: Sequence[Outcome], started: float, *, probe: bool) -> None:
        """Settle one attempt. Events of partitions that are gone no longer count: their new owner sends them."""
        metrics.ATTEMPTS.labels(self._name, label(outcomes[0].code)).inc()
        self._learn(batch, outcomes, probe=probe)
        back: list[QueuedEvent] = []
        later: list[tuple[QueuedEvent, Outcome]] = []
        for item, outcome in zip(batch, outcomes, strict=True):
            if item.partition.gone:
                self.queue.done(item)
                self._finals.stale(item)
                continue
            if outcome.kind is Kind.DELIVERED or outcome.kind is Kind.UNCONFIRMED:
                self._deliver(item, outcome)
            elif outcome.kind is Kind.FILTERED:
                self._filter(item, outcome)
            elif outcome.kind is Kind.RETRY:
                later.append((item, outcome))
            elif outcome.kind is Kind.REFUSED:
                back += self._refuse(item, outcome, batch)
            else:
                back += self._reject(item, outcome, batch)
        self._retry(later, batch, started)
        self.queue.put_back(back)

    def _learn(self, batch: Sequence[QueuedEvent], outcomes: Sequence[Outcome], *, probe: bool) -> None:
        """What an answer says about the partner as a whole."""
        again = [outcome for outcome in outcomes if outcome.kind is Kind.RETRY]
        if any(outcome.code == "429" for outcome in again):
            self._rate.throttled()
        self._rate.close(max((one.retry_after or 0.0 for one in again if one.code in _FOR_ALL), default=0.0))
        kinds = {outcome.kind for outcome in outcomes if outcome.code != "429"} - {Kind.FILTERED}
        if not kinds and all(outcome.kind is Kind.FILTERED for outcome in outcomes):
            if probe:
                self._breaker.unclear()
            return  # nothing was asked
        before, since = self._breaker.reason, self._breaker.since
        if kinds == {Kind.RETRY}:
            self._breaker.failed(probe=probe, fresh=any(item.attempts == 1 for item in batch))
        elif kinds == {Kind.REFUSED}:
            self._breaker.refused(probe=probe)
        else:
            self._breaker.worked()
        if self._breaker.reason != before:
            if before == "refused":
                self._extend(self._clock() - since)
            self._tell(before, outcomes[0])

    def _tell(self, before: str, outcome: Outcome) -> None:
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

    def _extend(self, seconds: float) -> None:
        """Time in which we were refused does not count into any event's budget."""
        for item in self.queue:
            if item.deadline is not None:
                item.deadline += seconds

    def _deliver(self, item: QueuedEvent, outcome: Outcome) -> None:
        latency = None
        if item.received is not None:
            latency = max(0.0, self._wall() - item.received)
            self._seconds.observe(latency)
            self.latencies.add(latency)
        self._accepted += 1
        self.queue.done(item)
        self._delivery_log.accepted("delivered" if outcome.kind is Kind.DELIVERED else "unconfirmed", item, latency)
        self._finals.delivered(item)

    def _filter(self, item: QueuedEvent, outcome: Outcome) -> None:
        """The mapping does not send it: final, with the reason counted."""
        metrics.SKIPPED.labels(self._name, reason_label(outcome.code)).inc()
        self.queue.done(item)
        self._delivery_log.filtered(outcome.code, item)
        self._finals.filtered(item)

    def _retry(self, failed: list[tuple[QueuedEvent, Outcome]], batch: list[QueuedEvent], started: float) -> None:
        """Put events off, or give up those whose time is over.

        A batch that failed as a whole comes again as the same batch, under the same key, unless others were accepted
        meanwhile: then one of its events may be what makes the partner fail, and it is split.
        """
        now = self._clock()
        alive: list[tuple[QueuedEvent, Outcome]] = []
        for item, outcome in failed:
            item.code = outcome.code
            if item.deadline is None:
                item.deadline = started + self._budget
            elif item.asked is not None:
                item.deadline += started - item.asked
            item.asked = None if outcome.retry_after is None else now
            if now >= item.deadline:
                self.give_up(item, outcome.code, "deliver", outcome, batch)
                continue
            metrics.RETRIES.labels(self._name, label(outcome.code)).inc()
            self._delivery_log.failed("retry", awaiting_retry(outcome.code), item, outcome, batch)
            alive.append((item, outcome))
        if len(alive) > 1 and len(alive) == len(batch) and all(outcome.shared for _, outcome in failed):
            self._put_off_together(batch, failed[0][1], now)
            return
        for item, outcome in alive:
            item.group = 0
            self.queue.put_off(item, self._due(item, outcome, now))

    def _put_off_together(self, batch: list[QueuedEvent], outcome: Outcome, now: float) -> None:
        suspect = any(item.attempts > 1 and self._accepted > item.accepted_at for item in batch)
        self._groups += 1
        due = min(self._due(item, outcome, now) for item in batch)
        for item in batch:
            item.group = 0 if suspect else self._groups
            item.most = math.ceil(len(batch) / 2) if suspect else item.most
            item.accepted_at = self._accepted
            self.queue.put_off(item, due)

    def _due(self, item: QueuedEvent, outcome: Outcome, now: float) -> float:
        """As the partner asked, else after a back-off, at the latest when the event's time is over."""
        if outcome.retry_after is not None:
            return now + outcome.retry_after
        return min(now + self._backoff.delay(item.attempts), item.deadline or math.inf)

    def _refuse(self, item: QueuedEvent, outcome: Outcome, batch: list[QueuedEvent]) -> list[QueuedEvent]:
        """Back in line, its time not counted; but one that is refused while others pass is rejected."""
        item.code = outcome.code
        if len(batch) > 1:
            item.most = math.ceil(len(batch) / 2)
        elif self._accepted > item.accepted_at:
            item.refusals += 1
            item.accepted_at = self._accepted
        if item.refusals > REFUSALS:
            self.give_up(item, outcome.code, "deliver", outcome, batch)
            return []
        self._delivery_log.failed("refused", awaiting_retry(outcome.code), item, outcome, batch)
        return [item]

    def _reject(self, item: QueuedEvent, outcome: Outcome, batch: list[QueuedEvent]) -> list[QueuedEvent]:
        """Given up; or, where the answer was to a whole batch, tried at once in a smaller one."""
        if outcome.shared and len(batch) > 1:
            item.most = math.ceil(len(batch) / 2)
            item.group = 0
            metrics.RETRIES.labels(self._name, label(outcome.code)).inc()
            return [item]
        self.give_up(item, outcome.code, "deliver", outcome, batch)
        return []

    def give_up(
        self,
        item: QueuedEvent,
        code: str,
        stage: str,
        outcome: Outcome | None = None,
        batch: Sequence[QueuedEvent] = (),
    ) -> None:
        """An event is dead. `stage` is read when it never waited in a lane, else deliver."""
        metrics.DISCARDED.labels(self._name, label(code)).inc()
        self._delivery_log.failed("dead", discarded(code), item, outcome, batch)
        if stage != "read":
            self.queue.done(item)
        self._finals.dead(item, code, stage)
