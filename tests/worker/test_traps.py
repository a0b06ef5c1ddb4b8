"""Traps found on the real client and broker, each set for the worker over an in-memory Kafka.

Every test fails when the line that answers its trap is taken away; decision 0005 says which line that is.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from confluent_kafka import KafkaError

from router import metrics
from router.agents.table import ROUTE_TOTALS
from router.errors import Fenced, Unavailable
from router.kafka.partition_state import watermark_ms
from tests.agents.messages import track
from tests.worker.fake_kafka import FakeKafka, FakeProducer, Fuse, Place
from tests.worker.test_crash_points import IDS, PLACES, TOPICS, Disk, Life, delivered, filled

ABORTABLE = KafkaError(KafkaError.INVALID_TXN_STATE, "try", False, False, True)
RETRIABLE = KafkaError(KafkaError._TIMED_OUT, "wait", False, True, False)
WRONG_STATE = KafkaError(KafkaError._STATE, "produce in a transaction that has failed")
ONCE = Counter(set(IDS))
COUNTS = [14, 0, 0, 5, 9]  # received, invalid, blocked, duplicate, resolved


class Refusing:
    """Refuses the call of this name, the `at`-th time and `times` times in all."""

    def __init__(self, call: str, error: KafkaError, at: int = 1, times: int = 1) -> None:
        self._call, self._error = call, error
        self._first, self._end = at, at + times
        self._count = 0

    def __call__(self, call: str) -> KafkaError | None:
        self._count += call == self._call
        return self._error if call == self._call and self._first <= self._count < self._end else None

    @property
    def refused(self) -> bool:
        return self._count >= self._first


class At:
    """Does something once, when it hears this call for the `at`-th time."""

    def __init__(self, call: str, action: Callable[[], object], at: int = 1) -> None:
        self._call, self._action, self._left = call, action, at

    def __call__(self, call: str) -> None:
        self._left -= call == self._call
        if call == self._call and self._left == 0:
            self._action()


def counts(kafka: FakeKafka) -> list[int]:
    """The committed totals of all partitions."""
    rows = [orjson.loads(metadata or "")["n"] for _, metadata in kafka.offsets.values()]
    return [sum(column) for column in zip(*rows, strict=True)]


def append(kafka: FakeKafka, name: str, device: str = "") -> None:
    device = device or f"device-{name}"
    kafka.append(TOPICS.raw, orjson.dumps(track(name, anonymousId=device)), device.encode(), -1, None)


def rounds(life: Life, number: int) -> None:
    for _ in range(number):
        life.worker.round()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("router.worker.loop.FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("router.worker.loop.LONGEST_PAUSE_SECONDS", 0.002)
    yield
    for labels in list(ROUTE_TOTALS.rows()):
        ROUTE_TOTALS.hide(labels)


# Aborted transactions


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize(
    ("call", "error"),
    [("offsets", ABORTABLE), ("commit", ABORTABLE), ("produce", WRONG_STATE), ("produce", ABORTABLE)],
    ids=["offsets", "commit", "produce, wrong state", "produce"],
)
def test_an_aborted_batch_is_read_again_and_counted_once(call: str, error: KafkaError, at: int) -> None:
    """The prepared batch and all pending keys are dropped, every partition goes back, totals too."""
    kafka = filled(IDS)
    kafka.refuse = refusing = Refusing(call, error, at)

    assert Life(kafka, Disk(), "exactly_once", Fuse()).live()

    assert refusing.refused
    assert delivered(kafka) == delivered(kafka, TOPICS.destination("crm")) == ONCE
    assert counts(kafka) == COUNTS


def test_what_librdkafka_calls_retriable_is_called_again() -> None:
    """Neither aborted nor given up: the outcome of the call is not known."""
    kafka = filled(IDS)
    kafka.refuse = Refusing("commit", RETRIABLE, times=3)
    heard: Counter[str] = Counter()
    kafka.heard = lambda call: heard.update([call])

    assert Life(kafka, Disk(), "exactly_once", Fuse()).live()

    assert heard["abort"] == 0
    assert delivered(kafka) == ONCE


def test_a_coordinator_that_refuses_for_a_while_is_waited_for() -> None:
    kafka = filled(IDS)
    kafka.refuse = Refusing("offsets", ABORTABLE, times=20)

    assert Life(kafka, Disk(), "exactly_once", Fuse()).live(400)

    assert delivered(kafka) == ONCE
    assert counts(kafka) == COUNTS


def test_a_producer_that_cannot_even_abort_ends_the_worker() -> None:
    """Its transaction may be open or not; the next life fences it and knows."""
    kafka = filled(IDS)
    kafka.refuse = lambda call: ABORTABLE if call in ("commit", "abort") else None
    life = Life(kafka, Disk(), "exactly_once", Fuse())

    with pytest.raises(Unavailable):
        life.live()
    kafka.refuse = lambda _: None

    assert Life(kafka, Disk(), "exactly_once", Fuse()).live()
    assert delivered(kafka) == ONCE


def test_a_fatal_error_ends_the_worker_at_once() -> None:
    kafka = filled(IDS)
    kafka.refuse = Refusing("commit", KafkaError(KafkaError._FENCED, "over", True))
    life = Life(kafka, Disk(), "exactly_once", Fuse())

    with pytest.raises(Fenced):
        life.live()


def test_a_worker_that_ends_by_an_error_leaves_by_that_error() -> None:
    """Leaving the group asks for the batch under way once more: it has been collected already."""
    kafka = filled(IDS)
    kafka.refuse = lambda call: ABORTABLE if call in ("commit", "abort") else None
    life = Life(kafka, Disk(), "exactly_once", Fuse())
    life.consumer.close = lambda: life.worker.revoked(lost=False)  # type: ignore[method-assign]

    with pytest.raises(Unavailable):
        life.worker.run(threading.Event())


def test_aborted_changelog_records_are_no_known_ids() -> None:
    """A restore reads only what was committed, though it goes past the end of all that was written."""
    kafka = filled(IDS)
    kafka.refuse = Refusing("commit", ABORTABLE, at=2, times=99)
    life = Life(kafka, Disk(), "exactly_once", Fuse())
    rounds(life, 30)
    assert any(entry.aborted for place in kafka.logs for entry in kafka.logs[place])
    kafka.refuse = lambda _: None

    assert Life(kafka, Disk(), "exactly_once", Fuse()).live()

    assert delivered(kafka) == ONCE


# Group, generation, rebalance


def test_a_batch_is_committed_in_the_generation_that_read_it() -> None:
    """A worker that lost its partitions unawares commits nothing that its successor has committed."""
    kafka = filled(IDS)
    sleeper = Life(kafka, Disk(), "exactly_once", Fuse(), chunk=500, name="sleeper")
    successor = Life(kafka, Disk(), "exactly_once", Fuse(), name="successor")
    kafka.heard = At("begin", lambda: successor.live())  # the sleeper's session ends right before it commits

    sleeper.live()

    assert delivered(kafka) == ONCE


def test_group_metadata_is_taken_before_the_consumer_is_called_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later it could be that of a generation in which another worker has the partitions."""
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse())
    consume, send = life.consumer.consume, FakeProducer.send_offsets_to_transaction
    reads: list[set[tuple[Place, int]]] = []  # what each read brought
    late: list[int] = []

    def consume_noted(number: int, wait: float) -> list[Any]:
        if number == 1:
            reads.append(set())
        found = consume(number, wait)
        reads[-1].update((entry.place, entry.at) for entry in found)
        return found

    def send_noted(producer: FakeProducer, offsets: list[Any], group: int, timeout: float) -> None:
        late.extend(o.offset for o in offsets if ((o.topic, o.partition), o.offset - 1) not in reads[group])
        send(producer, offsets, kafka.generation, timeout)

    life.consumer.consume = consume_noted  # type: ignore[method-assign]
    life.consumer.consumer_group_metadata = lambda: len(reads) - 1  # type: ignore[method-assign]
    monkeypatch.setattr(FakeProducer, "send_offsets_to_transaction", send_noted)

    assert life.live()

    assert delivered(kafka) == ONCE
    assert late == []


def test_the_consumer_belongs_to_one_thread() -> None:
    """From another one, asking for the group would wait until `consume` returns."""
    life = Life(filled(IDS), Disk(), "exactly_once", Fuse())

    assert life.live()

    assert life.consumer.threads == {threading.get_ident()}


@pytest.mark.parametrize("what", ["revoke", "lose"])
def test_partitions_go_only_once_the_running_commit_has_ended(what: str) -> None:
    """Whoever gets them next begins at the offsets that stand then."""
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse(), chunk=500)
    committing, ended = threading.Event(), threading.Event()

    def slow(call: str) -> None:
        if call == "commit":
            committing.set()
            time.sleep(0.3)
            ended.set()
        elif call == "unassign":
            assert ended.is_set()

    kafka.heard = slow
    while not committing.is_set():
        life.worker.round()
    life.consumer.deal(what, PLACES)

    life.worker.round()

    assert "unassign" in life.consumer.calls
    assert ended.is_set()


def test_messages_read_before_a_rebalance_are_left_to_the_next_owner() -> None:
    """One call may bring messages, and the next one, of the same read, the rebalance."""
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse(), chunk=2)
    rounds(life, 3)
    consume = life.consumer.consume

    def consume_then_lose(number: int, wait: float) -> list[Any]:
        found = consume(number, wait)
        if found and number == 1:
            life.consumer.consume = consume  # type: ignore[method-assign]
            life.consumer.deal("revoke", PLACES)
        return found

    life.consumer.consume = consume_then_lose  # type: ignore[method-assign]
    rounds(life, 20)
    life.consumer.deal("assign", PLACES)

    assert life.live()
    assert delivered(kafka) == ONCE
    assert counts(kafka) == COUNTS


def test_a_batch_does_not_grow_over_a_rebalance() -> None:
    """A small batch waits for the one before it; meanwhile another worker may have had the partitions."""
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse(), chunk=2, small=200)
    other = Life(kafka, Disk(), "exactly_once", Fuse(), name="other")
    consume = life.consumer.consume
    committed = threading.Event()

    def heard(call: str) -> None:
        if call == "commit":
            committed.set()
        elif call == "unassign":
            assert other.live()

    def consume_then_move(number: int, wait: float) -> list[Any]:
        if number == 1 and wait == 0 and committed.is_set():  # the second read of a batch
            life.consumer.consume = consume  # type: ignore[method-assign]
            life.consumer.deal("revoke", PLACES)
            life.consumer.deal("assign", PLACES)
        return consume(number, wait)

    kafka.heard = heard
    life.consumer.consume = consume_then_move  # type: ignore[method-assign]

    assert life.live()
    assert "unassign" in life.consumer.calls
    assert delivered(kafka) == ONCE
    assert counts(kafka) == COUNTS


def test_a_worker_shows_the_counts_of_its_own_partitions_only() -> None:
    life = Life(filled(IDS), Disk(), "exactly_once", Fuse())
    rounds(life, 30)
    assert {(topic, int(number)) for topic, number in ROUTE_TOTALS.rows()} == set(PLACES)

    life.consumer.deal("revoke", PLACES)
    life.consumer.deal("assign", PLACES[1:])
    rounds(life, 10)

    assert {(topic, int(number)) for topic, number in ROUTE_TOTALS.rows()} == {PLACES[1]}


# Assign and restore


def test_committed_offsets_are_read_before_the_changelogs_end() -> None:
    """The other way round, a batch that is committed in between counts as done, and its ids stay unknown."""
    kafka = filled(["m0", "m1"])
    append(kafka, "m0")
    append(kafka, "m1")
    earlier = Life(kafka, Disk(), "exactly_once", Fuse(), chunk=1, name="earlier")
    rounds(earlier, 1)
    kafka.heard = At("committed", lambda: _commit_some(earlier))

    assert Life(kafka, Disk(), "exactly_once", Fuse(), name="later").live()

    assert delivered(kafka) == Counter(["m0", "m1"])


def _commit_some(life: Life) -> None:
    """The first half of the log: what comes after are repeats of it."""
    generation = life.consumer._kafka.generation
    life.consumer._kafka.generation = life.consumer._generation
    while len(delivered(life.consumer._kafka)) < 2:
        life.worker.round()
    life.consumer._kafka.generation = generation


def test_a_restore_goes_on_to_the_end_of_what_was_written() -> None:
    """Offsets may be committed before readers at read_committed see the changelog of the same transaction."""
    kafka = filled(["m0", "m1"])
    assert Life(kafka, Disk(), "exactly_once", Fuse()).live()
    append(kafka, "m2")
    kafka.late_markers = True
    assert Life(kafka, Disk(), "exactly_once", Fuse()).live()
    append(kafka, "m2")
    kafka.late_markers = False
    kafka.heard = At("consume 200 0.05", kafka.unmarked.clear, at=3)

    assert Life(kafka, Disk(), "exactly_once", Fuse()).live()

    assert delivered(kafka) == Counter(["m0", "m1", "m2"])


def test_nothing_is_read_before_state_is_restored() -> None:
    """Partitions start paused, and go on when window and identities have caught up."""
    life = Life(filled(IDS), Disk(), "exactly_once", Fuse())
    links = life.links
    links.caught_up = False

    rounds(life, 5)
    assert delivered(life.kafka) == Counter()
    assert "resume" not in life.consumer.calls
    links.caught_up = True

    assert life.live()
    assert delivered(life.kafka) == ONCE


def test_the_end_of_identities_is_looked_up_at_every_assignment() -> None:
    life = Life(filled(IDS), Disk(), "exactly_once", Fuse())
    rounds(life, 10)
    life.consumer.deal("revoke", PLACES)
    life.consumer.deal("assign", PLACES)

    rounds(life, 10)

    assert life.links.looks == 2


def test_a_wiped_store_is_rebuilt_before_repeats_come() -> None:
    kafka = filled(IDS)
    assert Life(kafka, Disk(), "exactly_once", Fuse()).live()
    for name in IDS:
        append(kafka, name)

    assert Life(kafka, Disk(), "exactly_once", Fuse()).live()

    assert delivered(kafka) == ONCE


# Ends, gaps, progress


def test_the_end_of_a_partition_may_come_with_its_last_messages() -> None:
    """The event is not said again: a worker that missed it would never know that there is nothing to read."""
    life = Life(filled(IDS), Disk(), "exactly_once", Fuse(), chunk=500)

    rounds(life, 10)

    assert [lane.at_end for lane in life.worker.consumer.partitions] == [True, True]
    assert watermark_ms(life.worker.consumer.partitions, 1 << 60) == 1 << 60


def test_markers_behind_the_last_message_are_nothing_to_read() -> None:
    """The end-of-partition event stands behind them: until it comes, a transactional topic has a lag."""
    kafka = filled(IDS)
    for topic, number in PLACES:
        kafka.append(topic, None, None, number, None, aborted=True)
    life = Life(kafka, Disk(), "exactly_once", Fuse(), chunk=500)

    rounds(life, 10)

    lanes = life.worker.consumer.partitions
    assert sum(life.worker.consumer.lag(lane) for lane in lanes) == 0
    assert all(lane.at_end for lane in lanes)


def test_new_messages_end_the_end() -> None:
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse(), chunk=1)
    rounds(life, 40)
    assert all(lane.at_end for lane in life.worker.consumer.partitions)

    for number in range(20):
        append(kafka, f"n{number}")
    rounds(life, 2)

    assert not all(lane.at_end for lane in life.worker.consumer.partitions)


def test_a_gap_is_counted_and_reading_goes_on_behind_it() -> None:
    """No offset resets by itself: what retention took before it was read must not look like nothing."""
    kafka = filled(IDS)
    assert Life(kafka, Disk(), "exactly_once", Fuse()).live()
    committed, _ = kafka.offsets[PLACES[0]]
    for number in range(20):
        append(kafka, f"n{number}")
    kafka.lows[PLACES[0]] = committed + 3
    before = lost()

    assert Life(kafka, Disk(), "exactly_once", Fuse()).live()

    assert lost() - before == 3
    assert counts(kafka)[0] == len(IDS) + 20 - 3
    assert len(delivered(kafka)) == len(ONCE) + 20 - 3


def test_a_batch_that_grows_behind_a_gap_has_each_message_once() -> None:
    """The gap makes all partitions be assigned anew, at what was read of them and not before."""
    kafka = FakeKafka()
    for place, number in (*[(PLACES[0], n) for n in range(10)], *[(PLACES[1], n) for n in range(4)]):
        kafka.append(TOPICS.raw, f"no event {place[1]} {number}".encode(), b"k", place[1], None)
    life = Life(kafka, Disk(), "exactly_once", Fuse(), chunk=2, small=200)
    kafka.heard = At("begin", lambda: kafka.lows.update({PLACES[0]: 8}))
    before = lost()

    assert life.live()

    found = Counter(entry.raw for entry in kafka.all(TOPICS.invalid))
    assert max(found.values()) == 1
    assert lost() - before + len(found) == 14
    assert counts(kafka)[:2] == [len(found)] * 2


def lost() -> float:
    samples = [sample for family in metrics.LOST.collect() for sample in family.samples]
    return sum(sample.value for sample in samples if sample.labels.get("topic") == TOPICS.raw)


def test_a_partition_that_stands_still_is_not_live() -> None:
    """Progress is watched for each partition: others may get on."""
    clock = [0.0]
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "exactly_once", Fuse(), chunk=500, clock=lambda: clock[0])
    rounds(life, 10)
    assert life.health.liveness().ok

    life.consumer._paused.add(PLACES[0])
    for number in range(40):
        append(kafka, f"n{number}")
    life.worker.consumer.partitions[0].end = None
    clock[0] += 121
    life.worker._housekeeping = 0.0
    rounds(life, 10)

    failing = [name for name, check in life.health.liveness().checks.items() if not check.ok]
    assert failing == [life.worker.consumer.partitions[0].name]


# at_least_once


def test_a_batch_of_lost_partitions_is_not_committed_by_who_lost_them() -> None:
    """Without transactions the coordinator refuses the offsets of an old generation; the events come again."""
    kafka = filled(IDS)
    life = Life(kafka, Disk(), "at_least_once", Fuse(), chunk=500)
    kafka.heard = At("commit offsets", lambda: setattr(kafka, "generation", kafka.generation + 1))

    rounds(life, 10)

    assert kafka.offsets == {}
    assert set(delivered(kafka)) == set(IDS)
