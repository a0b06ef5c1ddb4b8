"""Around a connector that may do anything, the engine gives every event one end and keeps its bounds."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import orjson
import pytest

from router import metrics
from router.config.delivery import DeliveryConfig
from router.delivery.circuit_breaker import JitteredBackoff
from router.delivery.dispatcher import UNCOMMITTED, Dispatcher, in_order
from router.delivery.in_flight import InFlightLimit
from router.delivery.item import Partition, QueuedEvent
from router.delivery.pauses import Pause
from router.delivery.records import DeliveryLog
from router.delivery.retry_lane import RetryLane
from router.destinations.base import Connector, Delivery, Kind, Outcome, RequestLimits, Settings
from router.events.records import Record
from router.mask import Mask
from tests.deliveries import delivery

DEADLINE = 120.0
OK = Outcome(Kind.DELIVERED, "200")
DOWN = Outcome(Kind.RETRY, "503")
Answer = Callable[[Sequence[Delivery]], Sequence[Outcome]]


class Script(Connector):
    """Answers as told; notes every request and how many were under way."""

    type = "script"
    summary = "a connector of the tests"
    limits = RequestLimits(count=1000)
    Settings = Settings

    def __init__(self, answer: Answer, seconds: float = 0.0) -> None:
        super().__init__("crm", Settings(), 5.0)
        self.answer = answer
        self.seconds = seconds
        self.requests: list[list[str]] = []
        self.attempts: list[list[int]] = []
        self.busy = self.busiest = 0

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        self.requests.append([one.body["messageId"] for one in batch])
        self.attempts.append([one.attempt for one in batch])
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            await asyncio.sleep(self.seconds)
            return self.answer(batch)
        finally:
            self.busy -= 1


def origin_of(item: QueuedEvent) -> int:
    """The event's offset in the destination's topic."""
    return int(item.origin.rpartition(":")[2])


class Ends:
    """TerminalOutcomes that only remember. What is parked stands in the lane at once."""

    def __init__(self, lane: RetryLane) -> None:
        self.lane = lane
        self.retry = Partition("dest.crm.retry", 0)
        self.parks: list[int] = []
        self.pump: Callable[[], None] = lambda: None
        self.accepted: list[int] = []
        self.given_up: dict[int, tuple[str, str]] = {}
        self.lost: list[int] = []
        self.unsent: list[int] = []
        self.uncommitted = 0

    def delivered(self, item: QueuedEvent, record: Record | None = None) -> None:
        self.accepted.append(origin_of(item))

    def dead(self, item: QueuedEvent, code: str, stage: str) -> None:
        assert origin_of(item) not in self.given_up
        self.given_up[origin_of(item)] = (code, stage)

    def filtered(self, item: QueuedEvent) -> None:
        self.unsent.append(origin_of(item))

    def stale(self, item: QueuedEvent) -> None:
        self.lost.append(item.offset)

    def parked(self, item: QueuedEvent) -> None:
        item.came_from = item.origin
        self.parks.append(origin_of(item))
        asyncio.get_running_loop().call_soon(self._land, item, len(self.parks) - 1)

    def _land(self, item: QueuedEvent, offset: int) -> None:
        self.lane.landed(item, self.retry, offset)
        self.pump()

    @property
    def count(self) -> int:
        return len(self.accepted) + len(self.given_up) + len(self.unsent)


class Bench:
    """An engine, what it sends through and where it ends."""

    def __init__(self, connector: Script, **config: Any) -> None:
        retry = {"budget": "1m", "first": "5ms", "longest": "20ms"} | config.pop("retry", {})
        self.config = DeliveryConfig.model_validate({"retry": retry, **config})
        self.connector = connector
        ordered = in_order(connector, self.config)
        self.lane = RetryLane(ordered=ordered, limit=InFlightLimit(1000, 1 << 24), rewrite_bytes=1 << 24)
        self.ends = Ends(self.lane)
        self.delivery_log = DeliveryLog("crm", "delivery.log", Mask(["email"]))
        self.engine = Dispatcher(
            connector, self.config, self.ends, self.delivery_log, self.lane, clock=time.monotonic, wall=time.time,
            backoff=JitteredBackoff(self.config.retry.first, self.config.retry.longest, random.Random(7)),
        )  # fmt: skip
        self.ends.pump = self.engine.pump
        self.partition = Partition("dest.crm", 0)

    def item(self, number: int, lane: bytes | None = None, fault: str = "", replay: str = "") -> QueuedEvent:
        one, now = delivery(number), time.monotonic()
        return QueuedEvent(self.partition, number, one.value, lane, (), one, time.time(), now, fault, replay=replay)

    def give(self, count: int, queue: int = 0) -> None:
        self.engine.take([self.item(n, b"%d" % (n % queue) if queue else None) for n in range(count)])

    async def until(self, holds: Callable[[], object]) -> None:
        end = time.monotonic() + DEADLINE
        while not holds():
            assert time.monotonic() < end, (self.ends.accepted, self.ends.given_up, self.engine.idle)
            await asyncio.sleep(0.005)

    def log(self) -> list[dict[str, Any]]:
        return [orjson.loads(value or b"") for _, value, _, _ in self.delivery_log.records(0.0)]


@asynccontextmanager
async def bench(answer: Answer, seconds: float = 0.0, **config: Any) -> AsyncIterator[Bench]:
    one = Bench(Script(answer, seconds), **config)
    yield one
    await one.engine.halt(0.0)


def all_ok(batch: Sequence[Delivery]) -> list[Outcome]:
    return [OK] * len(batch)


def number_of(one: Delivery) -> int:
    return int(one.body["messageId"][1:])


async def test_every_event_is_delivered_once_in_order_of_arrival() -> None:
    """The plain course."""
    async with bench(all_ok, concurrency=1) as one:
        one.give(50)
        await one.until(lambda: one.ends.count == 50)

    assert one.ends.accepted == list(range(50))
    assert one.connector.requests == [[f"m{number}"] for number in range(50)]


async def test_the_stages_of_an_accepted_event_add_up_to_its_whole_way() -> None:
    """Once a request, and none of what a replay sends."""

    def staged(suffix: str) -> dict[str, float]:
        samples = [one for family in metrics.STAGE_SECONDS.collect() for one in family.samples]
        ours = [one for one in samples if one.labels["destination"] == "crm" and one.name.endswith(suffix)]
        return {one.labels["stage"]: one.value for one in ours}

    async with bench(all_ok, concurrency=1) as one:
        counts, sums = staged("_count"), staged("_sum")
        item, replayed = one.item(0), one.item(1, replay="r1")
        assert item.received is not None
        item.received -= 100
        item.routed = replayed.routed = item.received + 70
        one.engine.take([item, replayed])
        await one.until(lambda: one.ends.count == 2)
        one.engine.policy.times.observe()

    assert {stage: count - counts[stage] for stage, count in staged("_count").items()} == dict.fromkeys(
        ("route", "attempt", "accept"), 1
    )
    spent = {stage: seconds - sums[stage] for stage, seconds in staged("_sum").items()}
    assert spent["route"] == pytest.approx(70)
    assert spent["attempt"] + spent["accept"] + 1e-6 >= 30
    assert min(spent.values()) >= 0


async def test_a_replay_leaves_half_of_the_requests_to_live_events() -> None:
    """A live event goes at once while a replay waits for the partner."""
    gate = asyncio.Event()
    async with bench(all_ok, concurrency=4) as one:
        send = one.connector.send

        async def held(batch: Sequence[Delivery]) -> Sequence[Outcome]:
            if number_of(batch[0]) < 10:
                await gate.wait()
            return await send(batch)

        one.connector.send = held  # type: ignore[method-assign]
        one.engine.take([one.item(number, replay="r1") for number in range(10)])
        one.engine.take([one.item(number) for number in range(10, 14)])
        await one.until(lambda: one.ends.count == 4)
        assert sorted(one.ends.accepted) == [10, 11, 12, 13]
        gate.set()
        await one.until(lambda: one.ends.count == 14)
    assert sorted(one.ends.accepted) == list(range(14))
    assert one.engine.policy.times.window.quantile(0.95) is not None


async def test_a_replay_takes_only_what_the_rate_has_to_spare() -> None:
    async with bench(all_ok, rate="200/s", batch={"count": 100}) as one:
        one.engine.take([one.item(number, replay="r1") for number in range(30)])
        await one.until(lambda: one.ends.count == 30)
    assert max(map(len, one.connector.requests)) <= 10
    assert sorted(one.ends.accepted) == list(range(30))


async def test_no_more_requests_at_a_time_than_configured() -> None:
    """And no fewer, when there is enough to do."""
    async with bench(all_ok, seconds=0.01, concurrency=5) as one:
        one.give(60)
        await one.until(lambda: one.ends.count == 60)

    assert one.connector.busiest == 5


async def test_requests_carry_what_the_topology_says() -> None:
    """A batch goes when it is full; the rest when it is old enough."""
    async with bench(all_ok, batch={"count": 20, "age": "30ms"}, concurrency=2) as one:
        one.give(50)
        await one.until(lambda: one.ends.count == 50)

    assert sorted(map(len, one.connector.requests)) == [10, 20, 20]


async def test_a_request_that_fills_is_no_reason_to_be_taken_for_stuck() -> None:
    """However long it may wait for company."""
    async with bench(all_ok, batch={"count": 20, "age": "1h"}) as one:
        one.give(19)

        assert one.engine.idle == "waiting for a request to fill"
        assert one.connector.requests == []


async def test_what_kill_minus_nine_can_repeat_is_bounded() -> None:
    """Accepted events that are not committed stop further requests until they are."""
    async with bench(all_ok) as one:
        one.ends.uncommitted = UNCOMMITTED
        one.give(5)
        await asyncio.sleep(0.05)
        assert one.connector.requests == []
        one.ends.uncommitted = UNCOMMITTED - 2
        one.engine.pump()
        await one.until(lambda: one.ends.count == 5)

        assert one.connector.busiest <= 2


async def test_a_failed_event_is_tried_again_and_counts_its_attempts() -> None:
    """Until it is accepted."""

    def third_time(batch: Sequence[Delivery]) -> list[Outcome]:
        return [OK if one.attempt == 3 else DOWN for one in batch]

    async with bench(third_time, concurrency=1) as one:
        one.give(2)
        await one.until(lambda: one.ends.count == 2)

    assert sorted(one.ends.accepted) == [0, 1]
    assert sorted(attempt for attempts in one.connector.attempts for attempt in attempts) == [1, 1, 2, 2, 3, 3]
    outcomes = {(entry["outcome"], entry["code"]): entry["count"] for entry in one.log()}
    assert outcomes == {("delivered", ""): 2, ("retry", "errors.awaiting-retry.503"): 4}


async def test_what_keeps_failing_is_given_up_when_its_budget_is_over() -> None:
    """With the code of its last attempt; others of the destination are not held up."""

    def one_bad(batch: Sequence[Delivery]) -> list[Outcome]:
        return [DOWN if number_of(one) == 3 else OK for one in batch]

    async with bench(one_bad, retry={"budget": "150ms"}) as one:
        one.give(10)
        await one.until(lambda: one.ends.count == 10)

    assert one.ends.given_up == {3: ("503", "deliver")}
    assert sorted(one.ends.accepted) == [0, 1, 2, 4, 5, 6, 7, 8, 9]


async def test_a_partner_that_never_works_gets_dead_letters_not_deliveries() -> None:
    """Every event is attempted; none counts as delivered."""
    async with bench(lambda batch: [DOWN] * len(batch), retry={"budget": "50ms"}) as one:
        one.give(30)
        await one.until(lambda: one.ends.count == 30)

    assert one.ends.accepted == []
    assert {code for code, _ in one.ends.given_up.values()} == {"503"}
    assert {name for request in one.connector.requests for name in request} == {f"m{number}" for number in range(30)}


async def test_time_that_the_partner_asked_for_is_not_counted() -> None:
    """Retry-After is outside the budget, and nothing is sent before it."""
    asked = Outcome(Kind.RETRY, "429", retry_after=0.2)
    times: list[float] = []

    def wait(batch: Sequence[Delivery]) -> list[Outcome]:
        times.append(time.monotonic())
        return [OK if len(times) == 4 else asked] * len(batch)

    async with bench(wait, retry={"budget": "100ms"}) as one:
        one.give(1)
        await one.until(lambda: one.ends.count == 1)

    assert one.ends.accepted == [0]
    assert all(later - earlier >= 0.2 for earlier, later in pairwise(times))


@pytest.mark.parametrize("failure", [DOWN, Outcome(Kind.RETRY, "429")], ids=["outage", "limit"])
async def test_attempts_that_the_partner_failed_for_all_do_not_lengthen_an_events_back_off(failure: Outcome) -> None:
    """After thirty of them it goes again as soon as after one: its own failures alone count."""
    failing = [failure]

    def once(batch: Sequence[Delivery]) -> list[Outcome]:
        return [failing.pop() if failing and number_of(one) == 0 else OK for one in batch]

    async with bench(once, concurrency=1, retry={"budget": "9h", "longest": "8h"}) as one:
        unlucky = one.item(0)
        unlucky.attempts = 30
        one.engine.take([unlucky])
        await one.until(lambda: not failing)
        one.engine.take([one.item(1)])
        await one.until(lambda: one.ends.count == 2)

    assert sorted(one.ends.accepted) == [0, 1]


async def test_an_outage_does_not_lengthen_the_back_off_of_what_is_in_the_lane() -> None:
    """It failed as a probe all the time, and does once more by itself when the partner is back."""
    down, poisoned = False, True

    def answer(batch: Sequence[Delivery]) -> list[Outcome]:
        return [DOWN if down or (poisoned and number_of(one) == 0) else OK for one in batch]

    async with bench(answer, concurrency=1, retry={"budget": "9h", "longest": "8h"}) as one:
        bad = one.item(0)
        one.engine.take([bad, one.item(1)])
        await one.until(lambda: one.ends.parks)
        down = True
        one.engine.take([one.item(number) for number in range(2, 20)])
        await one.until(lambda: one.engine.breaker.reason == "down")
        bad.failures = 30
        down = False
        await one.until(lambda: one.ends.count == 19)
        poisoned = False
        await one.until(lambda: one.ends.count == 20)

    assert len(one.ends.accepted) == 20


async def test_a_person_who_sends_too_much_holds_nobody_else_back() -> None:
    """Neither the rate nor the circuit breaker takes it for the partner's state, however often it happens."""
    asked = Outcome(Kind.RETRY, "THROTTLED", retry_after=0.001)

    def busy(batch: Sequence[Delivery]) -> list[Outcome]:
        return [asked if one.attempt == 1 else OK for one in batch]

    async with bench(busy, concurrency=1) as one:
        one.engine.rate.throttled = pytest.fail  # type: ignore[method-assign]
        one.engine.breaker.failed = pytest.fail  # type: ignore[method-assign,assignment]
        one.give(30)
        await one.until(lambda: one.ends.count == 30)

    assert sorted(one.ends.accepted) == list(range(30))


async def test_an_answer_to_a_batch_does_not_condemn_its_good_events() -> None:
    """The bad one is found by halving; the others are delivered."""

    def strict(batch: Sequence[Delivery]) -> list[Outcome]:
        if any(number_of(one) == 37 for one in batch):
            return [Outcome(Kind.REJECTED, "400", shared=len(batch) > 1)] * len(batch)
        return all_ok(batch)

    async with bench(strict, batch={"count": 64, "age": "1ms"}, concurrency=1) as one:
        one.give(64)
        await one.until(lambda: one.ends.count == 64)

    assert one.ends.given_up == {37: ("400", "deliver")}
    assert sorted(one.ends.accepted) == [number for number in range(64) if number != 37]
    assert len(one.connector.requests) == 13


async def test_statuses_for_each_event_are_taken_one_by_one() -> None:
    """Only the rejected is dead, only the failed comes again."""

    def partial(batch: Sequence[Delivery]) -> list[Outcome]:
        kinds = [OK, Outcome(Kind.REJECTED, "400"), DOWN, Outcome(Kind.UNCONFIRMED, "204")]
        return [kinds[number_of(one) % 4] if one.attempt == 1 else OK for one in batch]

    async with bench(partial, batch={"count": 8, "age": "1ms"}, concurrency=1) as one:
        one.give(8)
        await one.until(lambda: one.ends.count == 8)

    assert sorted(one.ends.given_up) == [1, 5]
    assert sorted(one.ends.accepted) == [0, 2, 3, 4, 6, 7]
    assert one.connector.requests[0] == [f"m{number}" for number in range(8)]
    assert {name for request in one.connector.requests[1:] for name in request} == {"m2", "m6"}


async def test_what_the_mapping_does_not_send_is_final_and_says_nothing_of_the_partner() -> None:
    """Counted with its reason, neither delivered nor dead; the next of its profile goes."""

    def some(batch: Sequence[Delivery]) -> list[Outcome]:
        return [Outcome(Kind.FILTERED, "no_email") if number_of(one) % 2 else OK for one in batch]

    async with bench(some, order="profile", batch={"count": 4, "age": "1ms"}) as one:
        one.give(20, queue=3)
        await one.until(lambda: one.ends.count == 20)

    assert (sorted(one.ends.unsent), one.ends.given_up) == (list(range(1, 20, 2)), {})
    counts = {(entry["outcome"], entry["code"]): entry["count"] for entry in one.log()}
    assert counts == {("delivered", ""): 10, ("filtered", "no_email"): 10}


async def test_a_batch_that_failed_comes_again_as_it_was() -> None:
    """Under the same idempotency key, so that a partner that had taken it can tell."""
    failures = iter([True, True])

    def flaky(batch: Sequence[Delivery]) -> list[Outcome]:
        return [Outcome(Kind.RETRY, "ECONNRESET", shared=True) if next(failures, False) else OK] * len(batch)

    async with bench(flaky, batch={"count": 5, "age": "1ms"}, concurrency=1) as one:
        one.give(5)
        await one.until(lambda: one.ends.count == 5)

    assert one.connector.requests == [[f"m{number}" for number in range(5)]] * 3


async def test_a_batch_that_fails_while_others_pass_is_split() -> None:
    """Or one event that makes the partner fail would take its neighbours along."""

    def fragile(batch: Sequence[Delivery]) -> list[Outcome]:
        bad = any(number_of(one) == 2 for one in batch)
        return [Outcome(Kind.RETRY, "500", shared=len(batch) > 1) if bad else OK] * len(batch)

    async with bench(fragile, batch={"count": 4, "age": "1ms"}, concurrency=1, retry={"budget": "400ms"}) as one:
        feed = asyncio.get_running_loop().create_task(_feed(one))
        await one.until(lambda: one.ends.given_up)
        feed.cancel()
        await one.until(lambda: {0, 1, 3} <= set(one.ends.accepted))

    assert one.ends.given_up == {2: ("500", "deliver")}


async def _feed(one: Bench) -> None:
    number = 0
    while True:
        one.engine.take([one.item(number + more) for more in range(4)])
        number += 4
        await asyncio.sleep(0.01)


def paused(reason: str) -> float:
    return float(
        metrics.REGISTRY.get_sample_value("router_delivery_paused", {"destination": "crm", "reason": reason}) or 0
    )


async def test_a_refusal_pauses_the_destination_and_drops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """401 and 403: one probe at a time, an alert, and everything is delivered once they end."""
    refused = True

    def guard(batch: Sequence[Delivery]) -> list[Outcome]:
        return [Outcome(Kind.REFUSED, "401") if refused else OK] * len(batch)

    async with bench(guard, concurrency=3, retry={"budget": "30ms"}) as one:
        one.give(20)
        await one.until(lambda: len(one.connector.requests) > 8)
        assert (one.ends.count, paused("refused")) == (0, 1)
        assert "PAUSED" in caplog.text
        assert re.fullmatch(
            r"held back: the partner refuses us \(401\), since \S+Z; (next try at \S+Z|it is being asked now)",
            one.engine.idle,
        )
        assert one.connector.busiest <= 3
        refused = False
        await one.until(lambda: one.ends.count == 20)

    assert (sorted(one.ends.accepted), paused("refused")) == (list(range(20)), 0)


async def test_one_event_that_is_refused_while_others_pass_is_rejected() -> None:
    """A firewall that dislikes a payload must not stop a destination for ever."""

    def firewall(batch: Sequence[Delivery]) -> list[Outcome]:
        bad = any(number_of(one) == 5 for one in batch)
        return [Outcome(Kind.REFUSED, "403") if bad else OK] * len(batch)

    async with bench(firewall, concurrency=2) as one:
        feed = asyncio.get_running_loop().create_task(_feed(one))
        await one.until(lambda: one.ends.given_up)
        feed.cancel()

    assert one.ends.given_up == {5: ("403", "deliver")}


async def test_a_partner_that_is_down_is_probed_and_gets_everything_when_it_is_back() -> None:
    """After ten failures in a row one request at a time; nothing is lost and nothing counted as delivered before."""
    up = False

    def outage(batch: Sequence[Delivery]) -> list[Outcome]:
        return [OK if up else DOWN] * len(batch)

    async with bench(outage, seconds=0.002, concurrency=4) as one:
        one.give(100)
        await one.until(lambda: one.engine.breaker.reason == "down")
        await one.until(lambda: one.connector.busy == 0)
        one.connector.busiest = 0
        before = len(one.connector.requests)
        await one.until(lambda: len(one.connector.requests) > before + 5)
        assert (one.connector.busiest, one.ends.count, paused("down")) == (1, 0, 1)
        up = True
        await one.until(lambda: one.ends.count == 100)

    assert (sorted(one.ends.accepted), paused("down")) == (list(range(100)), 0)


async def test_what_an_outage_put_off_is_due_when_it_ends() -> None:
    """Not minutes later: pauses of single events grow far beyond those of probes."""
    up = False

    def outage(batch: Sequence[Delivery]) -> list[Outcome]:
        return [OK if up else DOWN] * len(batch)

    async with bench(outage, concurrency=4, retry={"first": "1h", "longest": "1h", "budget": "4h"}) as one:
        one.engine.breaker._backoff = JitteredBackoff(0.005, 0.02)
        one.give(30)
        await one.until(lambda: one.engine.breaker.reason == "down")
        await one.until(lambda: len(one.connector.requests) > 30)
        up = True
        await one.until(lambda: one.ends.count == 30)

    assert sorted(one.ends.accepted) == list(range(30))


async def test_a_partner_is_asked_without_an_event_where_that_can_be() -> None:
    """While it says no, no event goes out as a probe; when it says yes, one does, and then the others."""
    refused = True
    checks: list[bool] = []

    class Checked(Script):
        async def check(self) -> Outcome:
            checks.append(refused)
            return Outcome(Kind.REFUSED, "401") if refused else OK

    def guard(batch: Sequence[Delivery]) -> list[Outcome]:
        return [Outcome(Kind.REFUSED, "401") if refused else OK] * len(batch)

    one = Bench(Checked(guard), concurrency=2)
    one.give(10)
    await one.until(lambda: len(checks) > 5)
    sent = len(one.connector.requests)
    assert (sent <= 2, one.ends.count, paused("refused")) == (True, 0, 1)
    refused = False
    await one.until(lambda: one.ends.count == 10)
    await one.engine.halt(0.0)

    assert sorted(one.ends.accepted) == list(range(10))
    assert max(attempt for attempts in one.connector.attempts for attempt in attempts) <= 2
    assert len(one.connector.requests) == sent + 10


async def test_retry_after_of_a_partner_that_is_down_is_respected_by_probes() -> None:
    """503 with Retry-After: nobody asks before."""
    times: list[float] = []

    def outage(batch: Sequence[Delivery]) -> list[Outcome]:
        times.append(time.monotonic())
        return [OK if len(times) > 12 else Outcome(Kind.RETRY, "503", retry_after=0.05)] * len(batch)

    async with bench(outage, concurrency=1) as one:
        one.give(20)
        await one.until(lambda: one.ends.count == 20)

    assert all(later - earlier >= 0.05 for earlier, later in pairwise(times[:13]))


async def test_a_connector_that_raises_costs_no_event() -> None:
    """Nor one that loses count."""
    calls = 0

    def broken(batch: Sequence[Delivery]) -> list[Outcome]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("a bug")
        return [] if calls == 2 else all_ok(batch)

    async with bench(broken, batch={"count": 3, "age": "1ms"}, concurrency=1) as one:
        one.give(3)
        await one.until(lambda: one.ends.count == 3)

    assert one.ends.accepted == [0, 1, 2]
    assert [entry["code"] for entry in one.log() if entry["outcome"] == "retry"] == ["errors.awaiting-retry.EINTERNAL"]


async def test_what_is_no_event_goes_to_the_dead_letters_without_a_request() -> None:
    """Somebody else wrote to the topic."""
    async with bench(all_ok) as one:
        one.engine.take([one.item(1, fault="MESSAGE_REJECTED"), one.item(2)])
        await one.until(lambda: one.ends.count == 2)

    assert one.ends.given_up == {1: ("MESSAGE_REJECTED", "read")}
    assert one.connector.requests == [["m2"]]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("batch", [None, {"count": 7, "age": "2ms"}])
async def test_a_profile_s_events_are_accepted_in_order_whatever_fails(seed: int, batch: Any) -> None:
    """`order: profile`, under failures of every kind."""
    chance = random.Random(seed)
    outcomes = [OK, OK, DOWN, Outcome(Kind.REJECTED, "400"), Outcome(Kind.RETRY, "429", retry_after=0.005)]

    def chaos(requested: Sequence[Delivery]) -> list[Outcome]:
        return [chance.choice(outcomes) for _ in requested]

    async with bench(chaos, seconds=0.001, order="profile", concurrency=6, batch=batch) as one:
        one.engine.rate.throttled = lambda: None  # type: ignore[method-assign]  # not what is tested
        one.give(120, queue=5)
        await one.until(lambda: one.ends.count == 120)

    assert sorted([*one.ends.accepted, *one.ends.given_up]) == list(range(120))
    for lane in range(5):
        mine = [number for number in one.ends.accepted if number % 5 == lane]
        assert mine == sorted(mine)


async def test_halting_lets_end_what_is_under_way_and_starts_nothing() -> None:
    """Graceful stop: no event is left half way."""
    async with bench(all_ok, seconds=0.05, concurrency=3) as one:
        one.give(10)
        await one.until(lambda: one.connector.busy == 3)
        await one.engine.halt(DEADLINE)

        assert (len(one.connector.requests), sorted(one.ends.accepted)) == (3, [0, 1, 2])
        await asyncio.sleep(0.02)
        assert len(one.connector.requests) == 3


async def test_halting_does_not_wait_for_ever() -> None:
    """What does not end in time is cancelled; its outcome is nobody's."""
    async with bench(all_ok, seconds=60, concurrency=3) as one:
        one.give(10)
        await one.until(lambda: one.connector.busy == 3)
        await one.engine.halt(0.05)

        assert (one.connector.busy, one.ends.count) == (0, 0)


async def test_after_a_halt_new_partitions_start_fresh() -> None:
    """What waited before is somebody else's now."""
    async with bench(all_ok, seconds=0.01, concurrency=1) as one:
        one.give(10)
        await one.engine.halt(DEADLINE)
        done = one.ends.count
        one.engine.resume()
        one.engine.take([one.item(77)])
        await one.until(lambda: one.ends.count == done + 1)
        await asyncio.sleep(0.05)

        assert one.ends.accepted[-1] == 77
        assert one.ends.count == done + 1


async def test_late_answers_for_partitions_that_are_gone_do_not_count() -> None:
    """Their new owner sends those events."""
    async with bench(all_ok, seconds=0.02) as one:
        one.give(3)
        await one.until(lambda: one.connector.busy)
        one.partition.revoked = True
        await one.until(lambda: len(one.ends.lost) == 3)

    assert one.ends.count == 0


async def test_the_oldest_event_that_waits_is_known_and_replays_do_not_count() -> None:
    async with bench(all_ok, concurrency=2) as one:
        assert one.engine.oldest() is None
        one.engine.pause(Pause("2026-01-01T00:00:00Z", "ana@desk"))
        items = [one.item(number) for number in range(4)]
        for item, received in zip(items, (50.0, 30.0, 20.0, 10.0), strict=True):
            item.received = received
        items[2].replay, items[3].redriven = "r1", True
        one.engine.take(items)
        assert one.engine.oldest() == 30.0
        one.engine.pause(None)
        await one.until(lambda: one.ends.count == 4)
        await one.until(lambda: one.engine.oldest() is None)


async def test_nothing_is_sent_while_paused_and_everything_afterwards() -> None:
    """By an operator; a partner that was held back before is not even probed."""
    async with bench(all_ok, concurrency=2) as one:
        one.engine.pause(Pause("2026-01-01T00:00:00Z", "ana@desk"))
        one.give(10)
        assert one.engine.idle == "paused by ana@desk since 2026-01-01T00:00:00Z"
        assert one.connector.requests == []
        one.engine.pause(None)
        await one.until(lambda: one.ends.count == 10)
