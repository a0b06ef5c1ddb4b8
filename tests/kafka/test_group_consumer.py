"""A group's member: batches of what is there, never waited for; offsets of its own; what the broker says in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from router import metrics
from router.errors import Unavailable
from router.events.topics import TopicSpec
from router.kafka import clients, group_consumer
from router.kafka.admin import Admin
from router.kafka.batch_consumer import BatchConsumer
from router.kafka.cluster import Cluster
from router.kafka.group_consumer import GroupConsumer
from router.kafka.partition_state import PartitionState, watermark_ms
from router.kafka.transactions import CommitRefused
from tests.worker.fake_kafka import AT, Entry, FakeConsumer, FakeKafka, Fuse, Place

RAW, OTHER = "events.raw", "events.keyed"
PLACES: list[Place] = [(RAW, 0), (RAW, 1)]
WAIT_SECONDS = 60.0


class Partition(PartitionState):
    """Nothing beside where it stands."""

    @classmethod
    def open(cls, topic: str, number: int, committed: int, metadata: str) -> Partition:
        return cls(topic, number, committed, committed)


class Owner:
    """Notes what it is told; lets partitions go on at once."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def assigned(self, partitions: list[Partition]) -> None:
        self.told.append(f"assigned {[one.number for one in partitions]}")

    def revoked(self, *, lost: bool) -> None:
        self.told.append("lost" if lost else "revoked")

    def reached_end(self, partition: Partition) -> None:
        self.told.append(f"end {partition.number} {partition.end}, next {partition.next}")

    def skipped(self, partition: Partition, offset: int, *, recreated: bool) -> Partition:
        self.told.append(f"skipped {partition.number} to {offset}{' recreated' if recreated else ''}")
        return partition


def consumer_of(client: Any, most: int = group_consumer.BATCH_MESSAGES) -> GroupConsumer[Partition]:
    return GroupConsumer({}, [RAW], Partition.open, most=most, client=lambda _: client)


class Group:
    """A consumer over an in-memory Kafka, its partitions given."""

    def __init__(self, sizes: Sequence[int], value: bytes = b"x", chunk: int = 500) -> None:
        self.kafka = FakeKafka()
        for place, size in zip(PLACES, sizes, strict=True):
            for _ in range(size):
                self.kafka.append(place[0], value, None, place[1], None)
        self.client = FakeConsumer(self.kafka, Fuse(), lambda: chunk)
        self.owner = Owner()
        self.consumer = consumer_of(self.client)
        self.consumer.join(self.owner)
        self.client.deal("assign", PLACES)
        self.consumer.read(0)
        self.consumer.set_paused(())
        self.client.calls.clear()


def test_only_the_first_message_is_waited_for() -> None:
    """A batch grows with the load, by itself; a `consume` that waits to fill would make every event late."""
    group = Group([700, 0])

    batch = group.consumer.read(0.2)

    assert len(batch) == 700
    assert [call for call in group.client.calls if call.startswith("consume")][:2] == [
        "consume 1 0.2",
        "consume 500 0",
    ]
    assert all(call.endswith(" 0") for call in group.client.calls if call.startswith("consume 500"))


def test_a_batch_has_at_most_two_thousand_messages() -> None:
    group = Group([3000, 3000])

    sizes = [len(group.consumer.read(0)) for _ in range(4)]

    assert sizes == [2000, 2000, 2000, 0]
    assert "consume 0 0" not in group.client.calls  # it would answer for a broker that has nothing


def test_a_batch_of_large_messages_is_cut_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that memory is bounded, whatever the events weigh."""
    monkeypatch.setattr(group_consumer, "BATCH_BYTES", 60_000)
    group = Group([2000, 0], value=b"x" * 100)

    assert len(group.consumer.read(0)) == 1001  # the first one, and chunks of 500 until it is too much


def test_reading_moves_each_partition_past_its_messages() -> None:
    group = Group([3, 2])

    group.consumer.read(0)
    moved = group.consumer.advanced()

    assert [(one.number, one.next) for one in moved] == [(0, 3), (1, 2)]
    assert watermark_ms(moved, 0) == 0
    assert all(one.at_end for one in moved)
    assert group.consumer.advanced() == []


def test_a_partition_has_reached_the_time_that_the_broker_gave_its_last_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A producer's own time may be of next year, and would let ids go that are still needed."""
    group = Group([3, 2])
    group.consumer.read(0)
    assert [one.reached_ms for one in group.consumer.partitions] == [AT + 2, AT + 1]

    monkeypatch.setattr(Entry, "timestamp", lambda _: (1, AT + 1_000_000))
    group.kafka.append(RAW, b"x", None, 0, None)
    group.consumer.read(0)

    assert [one.reached_ms for one in group.consumer.partitions] == [AT + 2, AT + 1]


def test_a_rewind_goes_back_to_what_is_committed_and_has_moved_nothing() -> None:
    group = Group([3, 2])
    group.consumer.read(0)

    group.consumer.rewind()

    assert group.consumer.advanced() == []
    assert [(one.next, one.end) for one in group.consumer.partitions] == [(-2, None), (-2, None)]
    assert len(group.consumer.read(0)) == 5


def test_the_lag_is_what_lies_before_the_end_that_the_broker_named(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group([9, 0], chunk=2)
    first, second = group.consumer.partitions
    group.kafka.lows[PLACES[0]] = 4
    assert (group.consumer.lag(first), group.consumer.lag(second)) == (5, 0)

    group.kafka.lows[PLACES[0]] = 0
    group.consumer.read(0)
    assert group.consumer.lag(first) == 9 - first.next

    for unknown in ((-1001, -1001), (0, 0)):  # before the first answer, and of an empty partition
        monkeypatch.setattr(group.client, "get_watermark_offsets", lambda *_, at=unknown, **__: at)
        assert group.consumer.lag(first) == 0


def test_the_owner_hears_of_an_end_after_the_messages_before_it() -> None:
    """One call brings both. What may be committed must not pass messages that nobody has seen yet."""
    group = Group([3, 0])

    assert len(group.consumer.read(0)) == 3
    assert group.owner.told == ["assigned [0, 1]"]
    group.consumer.read(0)

    assert group.owner.told == ["assigned [0, 1]", "end 0 3, next 3", "end 1 0, next -2"]


def test_the_window_moves_with_the_slowest_partition() -> None:
    """Ids may be dropped only once every partition has read past them, or has nothing to read."""
    slow, fast = PartitionState(RAW, 0, next=5, reached_ms=100), PartitionState(RAW, 1, next=5, reached_ms=200)

    assert watermark_ms([slow, fast], 900) == 100
    slow.end = 5
    assert watermark_ms([slow, fast], 900) == 200
    fast.end = 5
    assert watermark_ms([slow, fast], 900) == 900
    assert watermark_ms([], 900) == 0


def test_partitions_start_paused_and_others_go_on_when_one_is_paused() -> None:
    group = Group([3, 2])
    first, second = group.consumer.partitions

    group.consumer.set_paused([first])
    assert {message.partition() for message in group.consumer.read(0)} == {1}
    group.consumer.set_paused([second])

    assert {message.partition() for message in group.consumer.read(0)} == {0}


def test_messages_that_a_pause_did_not_hold_back_are_read_later() -> None:
    """They were fetched before it."""
    group = Group([3, 0])

    group.consumer.stay(0)

    assert group.consumer.advanced() == []
    assert len(group.consumer.read(0)) == 3


def test_a_paused_partition_stays_paused_behind_the_gap_of_another() -> None:
    group = Group([9, 9], chunk=2)
    group.consumer.read(0)
    group.consumer.set_paused([group.consumer.partitions[1]])
    group.kafka.lows[PLACES[0]] = 7

    read = [message for _ in range(9) for message in group.consumer.read(0)]

    assert [(message.partition(), message.offset()) for message in read] == [(0, 7), (0, 8)]


@pytest.mark.parametrize(
    ("committed", "low", "lost", "told"),
    [(2, 7, 5, ["skipped 0 to 7"]), (2, 1, 0, []), (None, 7, 0, [])],
    ids=["gap", "none", "never committed"],
)
def test_a_gap_before_the_first_read_is_counted(
    committed: int | None, low: int, lost: int, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Looked up before partitions are paused, which would swallow what the client says of it."""
    group = Group([9, 0])
    group.client.deal("revoke", PLACES)
    group.consumer.read(0)
    if committed is not None:
        group.kafka.offsets[PLACES[0]] = committed, ""
    group.kafka.lows[PLACES[0]] = low
    group.owner.told.clear()
    before = counted()

    group.client.deal("assign", PLACES)
    group.consumer.read(0)

    assert counted() - before == lost
    assert group.owner.told == ["assigned [0, 1]", *told]
    assert [f"LOST {lost} messages of {RAW} [0]" in text for text in caplog.messages] == [True] * len(told)
    if told:
        first = group.consumer.partitions[0]
        assert (first.next, first.committed, first.end) == (low, low, None)


def counted() -> float:
    samples = [sample for family in metrics.LOST.collect() for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))


def test_a_topic_that_was_made_anew_is_read_from_its_beginning_and_nothing_is_lost() -> None:
    group = Group([9, 0])
    group.consumer.read(0)
    before = counted()
    group.kafka.logs[PLACES[0]] = group.kafka.logs[PLACES[0]][:2]
    answers: Iterator[list[Any]] = iter([[Failed(KafkaError._AUTO_OFFSET_RESET)], []])
    consume, group.client.consume = group.client.consume, lambda *_: next(answers)  # type: ignore[method-assign]
    group.consumer.read(0)
    group.client.consume = consume  # type: ignore[method-assign]

    assert len(group.consumer.read(0)) == 2
    assert "skipped 0 to 0 recreated" in group.owner.told
    assert counted() == before


@pytest.mark.parametrize(
    "code", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._MAX_POLL_EXCEEDED, KafkaError._UNKNOWN_TOPIC]
)
def test_what_no_waiting_mends_ends_the_worker(code: int) -> None:
    group = Group([1, 1])
    group.client.consume = lambda *_: [Failed(code)]  # type: ignore[method-assign]

    with pytest.raises(Unavailable):
        group.consumer.read(0)


def test_a_passing_error_is_told_and_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    group = Group([1, 1])
    answers: Iterator[list[Any]] = iter([[Failed(KafkaError._TRANSPORT)], []])
    group.client.consume = lambda *_: next(answers)  # type: ignore[method-assign]

    assert group.consumer.read(0) == []
    assert RAW in caplog.text


class Failed:
    """An error in a message's place."""

    def __init__(self, code: int) -> None:
        self._error = KafkaError(code)

    def error(self) -> KafkaError:
        return self._error

    def topic(self) -> str:
        return RAW

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 0

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("code", "revoked"),
    [(KafkaError.ILLEGAL_GENERATION, True), (KafkaError.GROUP_AUTHORIZATION_FAILED, False)],
)
def test_a_commit_that_is_refused_says_whether_the_partitions_have_gone(code: int, revoked: bool) -> None:
    """If so their next owner reads the events again; else somebody must hear of it."""
    group = Group([1, 1])

    def refuse(**_: Any) -> None:
        raise KafkaException(KafkaError(code))

    group.client.commit = refuse  # type: ignore[method-assign]

    with pytest.raises(CommitRefused) as caught:
        group.consumer.commit([TopicPartition(RAW, 0, 1)])
    assert caught.value.revoked == revoked


def test_offsets_that_are_refused_one_by_one_are_not_taken_for_committed() -> None:
    group = Group([1, 1])
    refused: Any = TopicPartition(RAW, 0, 1)

    class Row:
        error = KafkaError(KafkaError.REBALANCE_IN_PROGRESS)

    group.client.commit = lambda **_: [Row(), refused]  # type: ignore[method-assign, assignment]

    with pytest.raises(CommitRefused) as caught:
        group.consumer.commit([refused])
    assert caught.value.rebalancing


def test_committed_offsets_are_asked_for_until_they_are_stable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that is still open may commit them."""
    unstable = [KafkaError(KafkaError.UNSTABLE_OFFSET_COMMIT)] * 3
    original = FakeConsumer.committed

    def committed(consumer: FakeConsumer, partitions: list[TopicPartition], seconds: float) -> list[TopicPartition]:
        if unstable:
            raise KafkaException(unstable.pop())
        return original(consumer, partitions, seconds)

    monkeypatch.setattr(FakeConsumer, "committed", committed)

    group = Group([1, 1])

    assert not unstable
    assert group.owner.told == ["assigned [0, 1]"]


# On a real Kafka


@pytest.fixture
def cluster(kafka: str) -> Cluster:
    return Cluster(kafka)


KINDS = (GroupConsumer, BatchConsumer)
"""Both read the same: the second by the native loop, where it is in use."""


def member_of(
    cluster: Cluster, group: str, topics: Sequence[str], kind: type[GroupConsumer[Partition]] = GroupConsumer
) -> GroupConsumer[Partition]:
    consumer = kind(clients.consumer(cluster, group), topics, Partition.open, most=2000)
    consumer.join(Owner())
    return consumer


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_is_said_again_after_a_rewind(
    cluster: Cluster, unique: str, kind: type[GroupConsumer[Partition]]
) -> None:
    """Without it, a worker that has redone its last batch would not know that there is nothing to read."""
    topic = _topic(cluster, unique, 1)
    producer = Producer(clients.transactional(cluster, unique))
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"one", partition=0)
    producer.commit_transaction(30)
    consumer = member_of(cluster, unique, [topic], kind)
    try:
        _until(lambda: bool(consumer.partitions), consumer)
        consumer.set_paused(())
        (partition,) = consumer.partitions
        _until(lambda: partition.at_end, consumer)
        assert (partition.next, partition.end, consumer.lag(partition)) == (1, 2, 0)  # behind the marker
        partition.committed = 0

        consumer.rewind()

        assert not partition.at_end
        assert partition.next == 0
        _until(lambda: partition.at_end, consumer)
        assert partition.next == 1
    finally:
        consumer.close()


def test_partitions_of_one_number_have_one_owner(cluster: Cluster, unique: str) -> None:
    """Raw, keyed and source topics share the changelog's partition, so they must meet in one worker."""
    topics = [_topic(cluster, f"{unique}.{number}", 3) for number in range(3)]
    over = threading.Event()
    owned: list[dict[str, set[int]]] = [{}, {}]

    def member(index: int) -> None:
        consumer = member_of(cluster, unique, topics)
        while not over.is_set():
            consumer.read(0.05)
            owned[index] = _by_topic([one.place for one in consumer.partitions])
        consumer.close()

    threads = [threading.Thread(target=member, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    try:
        until = time.monotonic() + WAIT_SECONDS
        while not all(len(mine) == len(topics) for mine in owned) and time.monotonic() < until:
            time.sleep(0.05)
        seen = [dict(mine) for mine in owned]
    finally:
        over.set()
        for thread in threads:
            thread.join()

    for mine in seen:
        assert len(mine) == len(topics)
        assert len({frozenset(numbers) for numbers in mine.values()}) == 1


def _by_topic(places: Sequence[Place]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for topic, number in places:
        found.setdefault(topic, set()).add(number)
    return found


def _topic(cluster: Cluster, name: str, partitions: int) -> str:
    Admin(cluster).create([TopicSpec(name, partitions)])
    return name


def _until(over: Any, consumer: GroupConsumer[Partition]) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not over():
        assert time.monotonic() < until, "not in time"
        consumer.read(0.05)
