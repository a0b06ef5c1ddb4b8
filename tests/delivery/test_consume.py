"""The consuming side of a destination: what its owner hears, in which order, and when partitions are paused."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from router.delivery import consume
from router.delivery.consume import DestinationConsumer
from router.delivery.in_flight import InFlightLimit
from router.delivery.item import Partition
from router.delivery.tracker import Counts
from router.kafka.transactions import CommitRefused
from tests.worker.fake_kafka import FakeConsumer, FakeKafka, Fuse, Place

TOPIC = "dest.crm"
PLACES: list[Place] = [(TOPIC, 0), (TOPIC, 1)]


class Owner:
    """Notes what it hears, and lets partitions go at once."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.partitions: list[Partition] = []

    def assigned(self, partitions: list[Partition]) -> None:
        self.partitions = partitions

    def released(self, *, lost: bool) -> Future[None]:
        done: Future[None] = Future()
        done.set_result(None)
        self.heard.append("lost" if lost else "released")
        return done

    def taken(self, batch: list[tuple[Partition, Message]]) -> None:
        for partition, message in batch:
            offset = message.offset()
            assert offset is not None
            partition.tracker.take(offset)
            self.heard.append((partition.number, offset))

    def reached(self, partition: Partition, offset: int) -> None:
        partition.tracker.reach(offset)
        self.heard.append(f"end of {partition.number} at {offset}")

    def replaced(self, old: Partition, new: Partition) -> None:
        self.heard.append(("replaced", old, new))

    def failed(self, error: BaseException) -> None:
        raise error


class Reading:
    """A consumer over an in-memory Kafka, driven turn by turn; partition 0 has `size` messages."""

    def __init__(self, size: int, *, limit: int = 1000, committed: tuple[int, str] | None = None) -> None:
        self.kafka = FakeKafka()
        for number in range(size):
            self.kafka.append(TOPIC, b"%d" % number, None, 0, None)
        if committed is not None:
            self.kafka.offsets[PLACES[0]] = committed
        self.client = FakeConsumer(self.kafka, Fuse())
        self.owner = Owner()
        self.in_flight = InFlightLimit(limit, 1 << 20)
        client: Any = self.client
        self.consumer = DestinationConsumer(
            {}, TOPIC, self.owner, self.in_flight, commits=True, client=lambda _: client
        )
        self.consumer._consumer.join(self.consumer)
        self.client.deal("assign", PLACES)

    def turns(self, number: int) -> list[Any]:
        for _ in range(number):
            self.consumer._turn()
        heard, self.owner.heard = self.owner.heard, []
        return heard


def test_the_end_of_a_partition_is_heard_after_the_messages_before_it() -> None:
    """The end moves what may be committed: earlier, a commit in between would skip the messages."""
    reading = Reading(3)

    heard = reading.turns(3)

    assert heard == [(0, 0), (0, 1), (0, 2), "end of 0 at 3", "end of 1 at 0"]
    assert reading.owner.partitions[0].tracker.low == 0


def test_reading_stops_while_there_is_no_room_and_goes_on_with_half_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consume, "ROOM_SECONDS", 0.0)
    reading = Reading(300, limit=100)

    assert len(reading.turns(4)) == 101
    reading.in_flight.free(40, 0)
    assert reading.turns(2) == []
    reading.in_flight.free(20, 0)

    assert len(reading.turns(1)) == 101


def test_a_partition_waits_for_its_first_unfinished_event_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is finished beyond it fits the offset's metadata."""
    monkeypatch.setattr(consume, "SPAN", 100)
    reading = Reading(300)
    reading.turns(2)
    reading.kafka.append(TOPIC, b"other", None, 1, None)

    assert reading.turns(3) == [(1, 0), "end of 1 at 1"]
    for offset in range(60):
        reading.owner.partitions[0].tracker.finish(offset)

    assert (0, 101) in reading.turns(2)


def test_what_is_final_beyond_the_committed_offset_is_known_again() -> None:
    counts = Counts(delivered=2)
    reading = Reading(5, committed=(1, counts.encode(1, [3])))

    reading.turns(2)

    (first, _) = reading.owner.partitions
    assert (first.counts.delivered, first.tracker.low, first.tracker.finished()) == (2, 1, [3])


def test_a_gap_moves_what_may_be_committed_behind_it() -> None:
    reading = Reading(9, committed=(2, ""))
    reading.kafka.lows[PLACES[0]] = 7

    assert reading.turns(2)[:3] == ["end of 0 at 7", (0, 7), (0, 8)]


def test_a_topic_that_was_made_anew_gets_a_new_partition_with_the_counts_so_far() -> None:
    reading = Reading(9)
    reading.turns(3)
    (old, _) = reading.owner.partitions
    old.counts.delivered = 9
    reading.kafka.logs[PLACES[0]] = reading.kafka.logs[PLACES[0]][:2]

    new = reading.consumer.skipped(old, 0, recreated=True)

    assert reading.turns(0) == [("replaced", old, new)]
    assert (new.tracker.low, new.counts.delivered, new.place) == (0, 9, old.place)


def test_a_commit_is_made_by_the_consuming_thread_and_its_refusal_is_raised_where_it_was_asked_for() -> None:
    """Another thread's call would wait for the poll that is running."""
    reading = Reading(1)
    reading.turns(2)

    def refuse(**_: Any) -> None:
        raise KafkaException(KafkaError(KafkaError.REBALANCE_IN_PROGRESS))

    asked: Future[None] = Future()
    reading.consumer._commits.put(([TopicPartition(TOPIC, 0, 1)], asked))
    reading.turns(1)
    assert asked.result(0) is None
    assert reading.kafka.offsets[PLACES[0]][0] == 1
    reading.client.commit = refuse  # type: ignore[method-assign]
    refused: Future[None] = Future()
    reading.consumer._commits.put(([TopicPartition(TOPIC, 0, 1)], refused))
    reading.turns(1)

    with pytest.raises(CommitRefused, match="REBALANCE_IN_PROGRESS"):
        refused.result(0)


def test_partitions_are_given_back_only_once_the_owner_has_let_them_go() -> None:
    reading = Reading(1)
    reading.turns(3)
    reading.client.deal("revoke", PLACES)
    assert reading.turns(1) == ["released"]
    reading.client.deal("lose", [])

    assert reading.turns(1) == [], "nothing was owned any more"
