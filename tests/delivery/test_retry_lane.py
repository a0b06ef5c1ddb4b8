"""Whatever fails and wherever a process dies, the retry lane loses nothing, keeps a profile's order and stays short."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.delivery.circuit_breaker import CircuitBreaker, JitteredBackoff
from router.delivery.in_flight import InFlightLimit
from router.delivery.item import Partition, QueuedEvent
from router.delivery.outcome_policy import OutcomePolicy
from router.delivery.queue import DeliveryQueue, QueuedBatch
from router.delivery.rate import Rate
from router.delivery.read import read_item
from router.delivery.records import DeliveryLog
from router.delivery.retry_lane import RetryLane
from router.delivery.retry_records import Now, open_entries, origin_offset, read_entry, retry_entry
from router.delivery.tracker import SPAN
from router.destinations.base import Kind, Outcome
from router.events.records import PlacedRecord, Record
from router.mask import Mask
from tests.deliveries import delivery
from tests.delivery.clock import Clock

PROFILES = 2
OK, BAD = Outcome(Kind.DELIVERED, "200"), Outcome(Kind.RETRY, "500")
MAIN, RETRY = "dest.crm", "dest.crm.retry"


@dataclass
class StoredMessage:
    """A message as Kafka keeps it; after `retry_entry`, of which the other fields are known."""

    place: int
    record: PlacedRecord

    def offset(self) -> int:
        return self.place

    def value(self) -> bytes | None:
        return self.record[2]

    def key(self) -> bytes | None:
        return self.record[3]

    def headers(self) -> Any:
        return self.record[4]

    def timestamp(self) -> tuple[int, int]:
        return 1, 0


@dataclass
class Kafka:
    """What survives a process: the retry topic's partition, and what was committed of both, with its metadata."""

    retry: list[StoredMessage] = field(default_factory=list)
    committed: dict[str, tuple[int, str]] = field(default_factory=dict)
    accepted: list[int] = field(default_factory=list)  # by the partner, repeats included

    def open(self, topic: str) -> Partition:
        offset, metadata = self.committed.get(topic, (-1001, ""))
        partition = Partition.open(topic, 0, offset, metadata)
        return partition if offset >= 0 else partition.recreated(0)


class Life:
    """One process: the real queue, lane and outcome policy; commits happen when the test says so."""

    def __init__(self, kafka: Kafka, clock: Clock, *, events: int, exact: bool) -> None:
        self.kafka, self.clock, self.events, self.exact = kafka, clock, events, exact
        self.lane = RetryLane(ordered=True, limit=InFlightLimit(1000, 1 << 20), rewrite_bytes=1 << 20)
        self.queue = DeliveryQueue(ordered=True)
        backoff = JitteredBackoff(1.0, 8.0)
        self.policy = OutcomePolicy(
            "crm", self, DeliveryLog("crm", "delivery.log", Mask()), self.queue, self.lane,
            breaker=CircuitBreaker(backoff, clock), rate=Rate(None, clock), backoff=backoff, budget=1e6, clock=clock,
            wall=clock,
        )  # fmt: skip
        self.uncommitted = 0
        self.waiting: list[QueuedEvent] = []  # parked, not yet written
        self.main, self.retry = kafka.open(MAIN), kafka.open(RETRY)
        now = Now(clock.now, clock.now)
        rest = kafka.retry[self.retry.tracker.low or 0 :]
        found = open_entries([read_entry("crm", self.retry, one, now) for one in rest], MAIN)  # type: ignore[arg-type]
        self.retry.tracker.reach(len(kafka.retry))
        self.lane.restore(found)
        if not exact:
            self.main.tracker.skip(offset for one in found if (offset := origin_offset(one, MAIN)) is not None)
        self.next = self.main.tracker.low or 0

    # TerminalOutcomes

    def delivered(self, item: QueuedEvent, record: Record | None = None) -> None:
        item.partition.counts.delivered += 1
        item.partition.tracker.finish(item.offset)

    def parked(self, item: QueuedEvent) -> None:
        item.came_from = item.origin
        self.waiting.append(item)
        item.partition.tracker.finish(item.offset)

    def dead(self, item: QueuedEvent, code: str, stage: str) -> None:
        raise AssertionError("nothing is given up here")

    filtered = stale = delivered

    # Steps

    def take(self) -> None:
        """The next event of the destination's topic."""
        if self.next >= self.events:
            return
        one, offset = delivery(self.next), self.next
        self.next += 1
        key = b"p%d" % (offset % PROFILES)
        item = read_item("crm", self.main, offset, one.value, key, (), self.clock.now)
        if self.main.tracker.take(offset):
            if self.lane.holds(item):
                self.policy.follow(item)
            else:
                self.queue.push(item)

    def attempt(self, outcome: Outcome) -> None:
        """One request with one event, if any is ready."""
        self.queue.wake(self.clock.now)
        for item in self.lane.due(self.clock.now):
            self.queue.push(item)
        batch = self.queue.take(self.clock.now, 1, 1 << 20, 0)
        if batch is None:
            return
        (item,) = batch.events
        item.attempts += 1
        if outcome is OK:
            self.kafka.accepted.append(int(item.origin.rpartition(":")[2]))
        self.policy.apply(QueuedBatch(batch.events), [outcome], self.clock.now, probe=False)

    def commit(self, *, dies_after_records: bool = False) -> None:
        """Entries and offsets; without transactions a process may die between the two."""
        now, parked, self.waiting = Now(self.clock.now, self.clock.now), self.waiting, []
        entries = [retry_entry(RETRY, item, now) for item in parked]
        offsets = {
            one.topic: (one.tracker.low, one.counts.encode(one.tracker.low, one.tracker.finished()))
            for one in (self.main, self.retry)
            if one.tracker.low is not None
        }
        if dies_after_records and self.exact:
            return
        places = range(len(self.kafka.retry), len(self.kafka.retry) + len(entries))
        self.kafka.retry += map(StoredMessage, places, entries)
        if dies_after_records:
            return
        self.kafka.committed |= offsets
        for item, place in zip(parked, places, strict=True):
            self.lane.landed(item, self.retry, place)


STEPS = st.lists(
    st.sampled_from(["take", "take", "ok", "ok", "fail", "commit", "wait", "kill", "die in a commit"]), max_size=80
)


FAILS = ["take", "fail", "take", "ok"]  # the first event fails, the second is accepted: the first is parked


@given(STEPS, st.booleans())
@example([*FAILS, "die in a commit"], False)  # it stands in the lane, and its own offset is not committed
@example([*FAILS, "commit", "wait", "fail", "die in a commit"], False)  # it stands there twice
@example([*FAILS, "commit", "take", "take", "commit", "wait", "fail", "kill"], True)
@settings(max_examples=200, deadline=None)
def test_no_course_of_events_loses_one_or_breaks_a_profiles_order(steps: list[str], exact: bool) -> None:
    """Nothing is counted twice either, and only what was not committed is sent again."""
    events, kafka, clock = 8, Kafka(), Clock()
    life, deaths = Life(kafka, clock, events=events, exact=exact), 0
    for step in steps:
        if step == "take":
            life.take()
        elif step in ("ok", "fail"):
            life.attempt(OK if step == "ok" else BAD)
        elif step == "commit":
            life.commit()
        elif step == "wait":
            clock.go(5.0)
        else:
            if step == "die in a commit":
                life.commit(dies_after_records=True)
            life, deaths = Life(kafka, clock, events=events, exact=exact), deaths + 1
        assert len(life.lane) <= events
    for _ in range(8 * events):
        life.take()
        clock.go(10.0)
        life.attempt(OK)
        life.commit()

    counts = Counter(kafka.accepted)
    assert set(counts) == set(range(events))
    assert max(counts.values()) <= 1 + deaths
    first = list(dict.fromkeys(kafka.accepted))
    for profile in range(PROFILES):
        mine = [number for number in first if number % PROFILES == profile]
        assert mine == sorted(mine)
    assert life.main.counts.delivered + life.retry.counts.delivered == events
    assert (life.main.tracker.span, life.retry.tracker.span) == (0, 0)


def parked(number: int, *, key: bytes = b"p1", due: float = 5.0, partition: Partition | None = None) -> QueuedEvent:
    """An event as the lane restores it, at this offset of the retry topic."""
    partition = partition or Partition(RETRY, 0)
    event = QueuedEvent(partition, number, b"{}", key, (), delivery(number), None, 0.0)
    event.parked, event.due, event.came_from = True, due, f"{MAIN}:0:{number}"
    partition.tracker.take(number)
    return event


def lane_of(*events: QueuedEvent, ordered: bool = True) -> RetryLane:
    lane = RetryLane(ordered=ordered, limit=InFlightLimit(100, 1 << 20), rewrite_bytes=10_000)
    lane.restore(events)
    return lane


def test_only_the_first_of_a_profile_is_ever_due() -> None:
    """The next one follows as soon as it is final, whatever its own time."""
    first, second, other = parked(1), parked(2, due=0.0), parked(3, key=b"p2", due=7.0)
    lane = lane_of(first, second, other)

    assert (lane.next_due, lane.due(4.9)) == (5.0, [])
    assert lane.due(5.0) == [first]
    assert lane.due(6.0) == []
    lane.done(first)
    assert lane.due(6.0) == [second]
    assert lane.due(7.0) == [other]


def test_what_waits_is_counted_by_its_age() -> None:
    young, old, oldest = parked(1), parked(2), parked(3)
    young.parked_at, old.parked_at, oldest.parked_at = 990.0, 940.0, 100.0
    lane = lane_of(young, old, oldest)

    assert lane.older(1_000.0, 60.0, 600.0, 3_600.0) == [2, 1, 0]
    assert lane.age(1_000.0) == 900.0


def test_without_order_all_are_due_by_their_own_times() -> None:
    """Events of one profile do not wait for each other."""
    first, second = parked(1), parked(2, due=1.0)

    assert lane_of(first, second, ordered=False).due(5.0) == [second, first]


def test_a_partner_that_is_held_back_is_probed_with_what_is_not_due_yet() -> None:
    """Else nobody would ever find out that it is back."""
    event = parked(1, due=1e9)

    assert lane_of(event).first() == [event]
    assert lane_of().first() == []


def test_an_entry_far_behind_is_written_anew_and_keeps_its_time_and_place_in_line() -> None:
    """By offsets, so that what is final fits the offset's metadata, and by bytes."""
    partition = Partition(RETRY, 0)
    old, follower = parked(1, partition=partition), parked(2, partition=partition, due=0.0)
    lane = lane_of(old, follower)
    assert lane.left_behind(partition) is None
    late = parked(SPAN, key=b"p9", partition=partition, due=99.0)
    lane.restore([late])

    moved = []
    while (event := lane.left_behind(partition)) is not None:
        partition.tracker.finish(event.offset)
        lane.park(event, event.due or 0.0)
        moved.append(event)
    assert moved == [old, follower]
    for place, event in enumerate(moved, SPAN + 1):
        lane.landed(event, partition, place)
    assert len(lane) == 3
    assert lane.due(5.0) == [old]
    lane.done(old)
    assert lane.due(5.0) == [follower]
    assert partition.tracker.span <= 3


def test_bytes_behind_an_entry_count_too() -> None:
    """A broker without retention keeps few of them. What waits itself is no reason to write it again."""
    partition = Partition(RETRY, 0)
    old = parked(0, key=b"old", due=99.0, partition=partition)
    others = [parked(number, key=b"k%d" % number, partition=partition) for number in range(1, 60)]
    lane = lane_of(old, *others)
    assert lane.left_behind(partition) is None

    for event in lane.due(5.0):
        partition.tracker.finish(event.offset)
        lane.done(event)
        lane.limit.free(1, event.size)
    assert lane.left_behind(partition) is old


def test_an_entry_says_all_that_a_later_process_must_know() -> None:
    """Attempts, times, reason and origin; the event, its key and its own headers are as they were."""
    event = parked(7, due=1_010.0)
    event.headers, event.attempts, event.code = [("source", b"web"), ("attempts", b"mine")], 3, "503"
    event.deadline, event.parked_at = 5_000.0, 1_700_000_000.0
    record = retry_entry(RETRY, event, Now(1_000.0, 1_700_000_000.0))

    later = Now(50.0, 1_700_000_004.0)  # another process: its clock began anew
    found = read_entry("crm", Partition(RETRY, 0), StoredMessage(9, record), later)  # type: ignore[arg-type]
    assert (found.due, found.deadline, found.left) == (56.0, 4_046.0, None)
    assert (found.attempts, found.code, found.origin, found.parked_at) == (3, "503", "dest.crm:0:7", 1_700_000_000.0)
    assert (found.key, found.value, list(found.headers)) == (b"p1", b"{}", [("source", b"web")])
    assert (found.offset, found.parked) == (9, True)


def test_time_that_the_partner_asked_for_is_kept_as_what_is_left() -> None:
    """It does not run until then."""
    event = parked(7)
    event.left = 60.5
    record = retry_entry(RETRY, event, Now(0.0, 1.7e9))
    found = read_entry("crm", Partition(RETRY, 0), StoredMessage(0, record), Now(0.0, 1.7e9))  # type: ignore[arg-type]

    assert (found.deadline, found.left) == (None, 60.5)


def test_what_somebody_else_wrote_is_due_at_once() -> None:
    """Without headers, or with nonsense in them; it has no other origin than its place."""
    record: PlacedRecord = (RETRY, 0, b"{}", None, [("retry-at", b"soon"), ("attempts", b"\xff")])
    found = read_entry("crm", Partition(RETRY, 0), StoredMessage(4, record), Now(1.0, 1.7e9))  # type: ignore[arg-type]

    assert (found.due, found.attempts, found.origin) == (0.0, 0, "dest.crm.retry:0:4")
    assert origin_offset(found, MAIN) is None
