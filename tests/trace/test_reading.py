"""The native reader of a search finds what the Python reader finds, whatever is in the partitions."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Producer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.embedded.broker import EmbeddedBroker
from router.errors import RouterError
from router.events.topics import TopicSpec
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.native_consumer import Picks
from router.native import library
from router.native.library import native
from router.trace import reading
from router.trace.reading import NativeReader, PythonReader, TopicPart
from router.trace.records import Sighting
from router.trace.scan import Scanner
from router.trace.wanted import Wanted
from tests.brokers import choice

PARTITIONS = 3
KEYS: tuple[bytes | None, ...] = (None, b"", b"k", b"key", b"kez", b"\0key")
VALUES: tuple[bytes | None, ...] = (
    None, b"", b"u", b'{"userId":"u1"}', b'{"id":"u1', b'"u1"', b'u1"', b'"u1', b'"u10"u1"', b"\0\xff\0", b'uu"u1"',
    b'{"userId":"u2","x":"' + b"y" * 3000 + b'u1"', b"z" * 7,
)  # fmt: skip
HEADERS: tuple[list[tuple[str, Any]] | None, ...] = (
    None, [], [("source", b"web"), ("type", "track")], [("empty", b""), ("none", None)],
    [("Größe", "ü".encode()), ("twice", b"1"), ("twice", b"2"), ("bytes", b"\xff\0")],
)  # fmt: skip
NEEDLES = (b'"u1"', b"u", b"u1", b'"', b"\0\xff\0", b'y"', b"z" * 7, b"z" * 8, b"absent")
WANTED = st.builds(
    Wanted,
    keys=st.lists(st.sampled_from([key for key in KEYS if key is not None] + [b"absent"]), max_size=3),
    needles=st.lists(st.sampled_from(NEEDLES), max_size=3),
    value_size=st.none() | st.integers(0, 20),
    all_messages=st.sampled_from([False, False, False, True]),
)

built = pytest.mark.skipif(native().library is None, reason=f"the native library is {native()}")
pytestmark = built


class Both(NamedTuple):
    """A scanner of each kind on the same topic."""

    topic: str
    cluster: Cluster
    native: Scanner
    python: Scanner

    @property
    def parts(self) -> list[TopicPart]:
        return self.native.parts([self.topic])


def producer(cluster: Cluster, **more: Any) -> Producer:
    return Producer(clients.producer(cluster) | more)


def fill(writer: Producer, topic: str, count: int, begin: int = 0) -> None:
    for number in range(begin, begin + count):
        key, value = KEYS[number % len(KEYS)], VALUES[number % len(VALUES)]
        headers = HEADERS[number % len(HEADERS)]
        writer.produce(topic, value, key, number % PARTITIONS, timestamp=1_767_225_600_000 + number, headers=headers)
    writer.flush(60)


def transactions(cluster: Cluster, topic: str) -> None:
    """Some that are committed, some that are aborted, one of nothing but an abort at the end of each partition."""
    writer = producer(cluster, **{"transactional.id": topic})
    writer.init_transactions(60)
    for number, commits in enumerate((True, False, True, True, False)):
        writer.begin_transaction()
        fill(writer, topic, 60, number * 60)
        if commits:
            writer.commit_transaction(60)
        else:
            writer.abort_transaction(60)


@pytest.fixture(scope="module", params=["embedded", "embedded" if choice.missing() else "kafka"])
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    broker: EmbeddedBroker | str = request.getfixturevalue(request.param)
    topic = f"reading.{request.param}"
    if isinstance(broker, EmbeddedBroker):
        cluster = broker.cluster
        broker.create_topics({topic: PARTITIONS})
        fill(producer(cluster), topic, 300)
    else:
        cluster = Cluster(broker)
        Admin(cluster).create([TopicSpec(topic, PARTITIONS)])
        fill(producer(cluster), topic, 100)
        transactions(cluster, topic)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(library.SWITCH, "0")
        python = Scanner(cluster)
    with pytest.MonkeyPatch.context() as patch, Scanner(cluster) as by_native, python:
        patch.setattr(reading, "_MANY", 100)
        yield Both(topic, cluster, by_native, python)


def found(scanner: Scanner, parts: list[TopicPart], wanted: Wanted) -> tuple[dict[int, list[Sighting]], int]:
    """What is found, by partition, and how many messages were looked at."""
    by_partition: dict[int, list[Sighting]] = {}
    scanner.read.clear()
    scanner.scan(parts, wanted, lambda one: by_partition.setdefault(one.place.partition, []).append(one))
    return by_partition, scanner.read.total()


def test_each_reads_in_its_own_way(both: Both) -> None:
    assert isinstance(both.native._reader, NativeReader)
    assert isinstance(both.python._reader, PythonReader)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WANTED, st.data())
def test_both_find_the_same(both: Both, wanted: Wanted, data: st.DataObject) -> None:
    parts = []
    for part in both.parts:
        low = data.draw(st.integers(part.low, part.high))
        parts.append(part._replace(low=low, high=data.draw(st.integers(low, part.high))))
    parts = [part for part in parts if part.low < part.high]

    by_native, _ = found(both.native, parts, wanted)
    by_python, _ = found(both.python, parts, wanted)

    assert by_native == by_python


def test_much_is_read_by_two_clients_and_little_by_one(both: Both) -> None:
    shares = both.native._reader._shared(both.parts)
    few = [part._replace(low=part.high - 10) for part in both.parts]

    assert [share.client for share in shares] == [0, 1]
    assert sorted([*shares[0].parts, *shares[1].parts]) == both.parts
    assert [share.client for share in both.native._reader._shared(few)] == [0]


def test_both_look_at_all_messages_and_find_them(both: Both) -> None:
    by_native, looked = found(both.native, both.parts, Wanted(all_messages=True))
    by_python, looked_too = found(both.python, both.parts, Wanted(all_messages=True))

    assert by_native == by_python
    assert looked == looked_too == sum(map(len, by_native.values()))
    assert looked == (300 if both.topic == "reading.embedded" else 280)  # less two transactions that were aborted
    one = next(one for one in by_native[1] if len(one.headers) == 3)
    assert one.headers == {"Größe": "ü", "twice": "2", "bytes": "\\xff\0"}


def test_bytes_are_found_at_the_very_end_and_not_beyond(both: Both) -> None:
    values = {
        one.value for each in found(both.native, both.parts, Wanted(needles=[b'"u1"']))[0].values() for one in each
    }

    assert values == {value for value in VALUES if value and b'"u1"' in value}


def test_what_is_found_is_looked_at_exactly(both: Both) -> None:
    wanted = Wanted(keys=[b"key"], exactly=lambda one: one.value == b"")
    by_native, _ = found(both.native, both.parts, wanted)

    assert by_native == found(both.python, both.parts, wanted)[0]
    assert {(one.key, one.value) for each in by_native.values() for one in each} == {(b"key", b"")}


def test_it_stops_when_there_is_enough(both: Both) -> None:
    for scanner in (both.native, both.python):
        seen: list[Sighting] = []
        scanner.scan(both.parts, Wanted(all_messages=True), seen.append, lambda seen=seen: bool(seen))  # type: ignore[misc]
        assert seen
        assert found(scanner, both.parts, Wanted(keys=[b"key"]))[0]


def test_an_offset_that_is_gone_is_refused_alike(both: Both) -> None:
    part = both.parts[0]
    beyond = [part._replace(low=part.high + 100, high=part.high + 200)]
    refused = []
    for scanner in (both.native, both.python):
        with pytest.raises(RouterError) as caught:
            found(scanner, beyond, Wanted(all_messages=True))
        refused.append(str(caught.value))

    assert refused[0] == refused[1]


def test_log_lines_of_the_client_come_while_it_reads(both: Both, caplog: pytest.LogCaptureFixture) -> None:
    """They call Python, which the native loop must never do: it has given up Python's lock."""
    chatty = Cluster(both.cluster.bootstrap, {"debug": "fetch,topic"}, both.cluster.capabilities)
    with caplog.at_level(logging.DEBUG, "router.kafka.client"), Scanner(chatty) as scanner:
        for _ in range(3):
            found(scanner, both.parts, Wanted(keys=[b"key"]))

    assert any("FETCH" in record.getMessage() for record in caplog.records)


def test_a_needle_without_a_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="expected needles of one byte or more"):
        Picks([], [b"a", b""], None, all_messages=False)
