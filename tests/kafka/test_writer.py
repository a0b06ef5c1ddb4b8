"""What the writer hands to the client: each message as it was given, in order, also while the queue is full."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, Producer

from router.errors import Unavailable
from router.events.fans import Fan, FanHeaders
from router.events.records import Headers, PlacedRecord, Record
from router.kafka import writer as module
from router.kafka.native_producer import NativeFan
from router.kafka.writer import Writer

CHANGELOG = "shop.dedupe-changelog"
FIRST: Headers = [("source", b"web"), ("type", b"track")]
OTHERS: Headers = [("source", b"web")]
SHARED: list[Fan] = [(("events.resolved", "dest.crm", "dest.log"), b"1", b"k", FanHeaders(FIRST, OTHERS))]
RECORDS: list[Record] = [("events.blocked", b"2", None, FIRST), ("events.invalid", b"3", b"k", None)]
PLACED: list[PlacedRecord] = [("dest.crm.retry", 4, b"a", b"k", FIRST), ("dest.crm.retry", 2, b"b", b"l", OTHERS)]


class Report:
    """Of a message that landed."""

    def __init__(self, partition: int, offset: int) -> None:
        self._partition, self._offset = partition, offset

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset


class Client:
    """Notes the arguments of `produce`. Every `full`-th call finds the queue full until it is polled; `flush` reports
    all that wants a report, offsets counting up, or `failing` for those of a topic.
    """

    def __init__(self, full: int = 0) -> None:
        self.taken: list[tuple[Any, ...]] = []
        self.failing: dict[str, KafkaError] = {}
        self.done: list[str] = []
        self._full, self._calls, self._room = full, 0, True
        self._wanting: list[tuple[str, int, Callable[[KafkaError | None, Any], None]]] = []

    def produce(
        self, topic: str, value: bytes, key: bytes | None, partition: int, report: Any, hidden: None, at: int,
        headers: Any = None,
    ) -> None:  # fmt: skip
        assert (hidden, at) == (None, 0)  # no callback that hides the first, and the broker's own time
        self._calls += 1
        if not self._room or (self._full and self._calls % self._full == 0):
            self._room = False
            raise BufferError
        self.taken.append((topic, value, key, partition, headers))
        if report:
            self._wanting.append((topic, partition, report))

    def poll(self, _: float) -> int:
        self._room = True
        return 0

    def flush(self, _: float) -> int:
        self.done.append("flush")
        wanting, self._wanting = self._wanting, []
        for number, (topic, partition, report) in enumerate(wanting):
            report(self.failing.get(topic), Report(partition, 100 + number))
        return 0

    def close(self) -> None:
        self.done.append("close")


class Native:
    """The native loop: takes what goes to several topics, or leaves it to the client."""

    def __init__(self, takes: bool) -> None:
        self.given: list[Sequence[Fan]] = []
        self._takes = takes

    def produce(self, shared: Sequence[Fan]) -> bool:
        self.given.append(shared)
        return self._takes


def writer(client: Client, native: Native | None = None) -> Writer:
    return Writer(cast("Producer", client), CHANGELOG, cast("NativeFan | None", native))


AS_GIVEN = [
    ("events.resolved", b"1", b"k", -1, FIRST),
    ("dest.crm", b"1", b"k", -1, OTHERS),
    ("dest.log", b"1", b"k", -1, OTHERS),
    ("events.blocked", b"2", None, -1, FIRST),
    ("events.invalid", b"3", b"k", -1, None),
]


@pytest.mark.parametrize("full", [0, 2, 3])
def test_each_message_is_as_given_and_in_order(full: int) -> None:
    """The first topic of an event has headers of its own."""
    client = Client(full)
    writer(client).produce(RECORDS, SHARED)
    assert client.taken == AS_GIVEN


@pytest.mark.parametrize("full", [0, 2])
def test_what_is_placed_goes_to_its_partition_and_says_where_it_landed(full: int) -> None:
    client = Client(full)
    one = writer(client)
    one.start()
    one.produce_placed(PLACED)
    with pytest.raises(Unavailable, match="where it put"):
        one.places  # noqa: B018  not acknowledged yet
    one.flush()
    assert client.taken == [
        ("dest.crm.retry", b"a", b"k", 4, FIRST), ("dest.crm.retry", b"b", b"l", 2, OTHERS),
    ]  # fmt: skip
    assert one.places == [100, 101]


@pytest.mark.parametrize("full", [0, 2])
def test_a_changelog_record_says_where_its_partition_goes_on(full: int) -> None:
    client = Client(full)
    one = writer(client)
    one.produce_changelog({3: b"x", 0: b"y"})
    one.flush()
    assert client.taken == [(CHANGELOG, b"x", None, 3, None), (CHANGELOG, b"y", None, 0, None)]
    assert one.landed == {3: 101, 0: 102}


def test_a_batch_begins_with_nothing_of_the_one_before() -> None:
    client = Client()
    one = writer(client)
    one.produce_changelog({3: b"x"})
    one.produce_placed(PLACED)
    one.flush()
    client.failing["dest.crm"] = KafkaError(KafkaError._MSG_TIMED_OUT)
    one.produce_reported((), SHARED)
    with pytest.raises(Unavailable, match=r"some messages: .*timed out"):
        one.flush()
    one.start()
    one.flush()
    assert (one.landed, one.places) == ({}, [])


@pytest.mark.parametrize("topic", ["dest.crm.retry", CHANGELOG])
def test_a_record_that_is_not_taken_fails_the_batch(topic: str) -> None:
    client = Client()
    client.failing[topic] = KafkaError(KafkaError._MSG_TIMED_OUT)
    one = writer(client)
    one.produce_changelog({3: b"x"})
    one.produce_placed(PLACED)
    with pytest.raises(Unavailable, match="timed out"):
        one.flush()


def test_a_queue_that_stays_full_is_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_SECONDS", 0.01)
    client = Client(full=1)
    with pytest.raises(Unavailable, match="takes no more"):
        writer(client).produce(RECORDS, ())
    assert client.taken == []


@pytest.mark.parametrize("takes", [True, False])
def test_the_native_loop_takes_what_wants_no_report_or_leaves_it(takes: bool) -> None:
    client, native = Client(), Native(takes)
    one = writer(client, native)
    one.produce(RECORDS, SHARED)
    assert native.given == [SHARED]
    assert client.taken == (AS_GIVEN[3:] if takes else AS_GIVEN)
    assert one.native


def test_what_wants_a_report_is_not_for_the_native_loop() -> None:
    client, native = Client(), Native(True)
    writer(client, native).produce_reported(RECORDS, SHARED)
    assert (native.given, client.taken) == ([], AS_GIVEN)
    assert not writer(client).native


def test_a_close_waits_for_what_is_queued() -> None:
    client = Client()
    writer(client).close()
    assert client.done == ["flush", "close"]
