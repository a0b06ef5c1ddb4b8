"""The native produce loop queues what the Python client queues, in the same order, and refuses as it refuses."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from router.embedded.mock import MockCluster
from router.events.fans import Fan, FanHeaders, Fans
from router.events.records import Headers
from router.kafka import clients
from router.kafka.cluster import Cluster
from router.kafka.native_producer import FEWEST, MOST_GROUPS, NativeFan, native_producer
from router.kafka.transactions import TransactionAborted, TransactionalWriter
from router.kafka.writer import Writer
from router.native import library
from router.native.library import native, sources_checksum

PARTITIONS = 3
TOPICS = ("resolved", "crm", "ads")
WEB: Headers = [("source", b"web"), ("type", b"track"), ("event", "Größe".encode())]
APP: Headers = [("source", b"app"), ("empty", b""), ("nothing", None), ("text", "text")]

built = pytest.mark.skipif(native().library is None, reason=f"the native library is {native()}")


@pytest.fixture(scope="module")
def mock() -> MockCluster:
    cluster = MockCluster()
    for way in ("native", "python", "full", "lent"):
        for topic in TOPICS:
            cluster.create(f"{way}.{topic}", PARTITIONS)
    return cluster


@pytest.fixture
def settings(mock: MockCluster) -> dict[str, Any]:
    return clients.producer(Cluster(mock.bootstrap))


def fans(way: str, count: int = 500) -> list[Fan]:
    """Of four groups, in turns: with other headers in the first topic than in the others, or none; some are empty."""
    groups: list[tuple[tuple[str, ...], FanHeaders]] = [
        (TOPICS, FanHeaders(WEB, WEB[:1])),
        (TOPICS[:2], FanHeaders.alike(APP)),
        (TOPICS, FanHeaders([], APP)),
        (TOPICS[1:2], FanHeaders.alike([])),
    ]
    made: list[Fan] = []
    for number in range(count):
        topics, headers = groups[number % 4]
        length = 40_000 if number % 100 == 9 else number % 50
        value = b"" if number == 7 else b'{"number":%d,"text":"%s"}' % (number, b"x" * length)
        key = b"" if number == 8 else b"er_%d" % (number % 20)
        made.append((tuple(f"{way}.{topic}" for topic in topics), value, key, headers))
    return made


def written(mock: MockCluster, way: str, expected: int) -> dict[tuple[str, int], list[tuple[Any, ...]]]:
    """Everything in the topics of a way, in order, by topic and partition."""
    consumer = Consumer(clients.consumer(Cluster(mock.bootstrap), f"reader.{way}"))
    places = [TopicPartition(f"{way}.{topic}", number, 0) for topic in TOPICS for number in range(PARTITIONS)]
    consumer.assign(places)
    found: dict[tuple[str, int], list[tuple[Any, ...]]] = {}
    left = expected
    while left:
        messages = consumer.consume(left, 60)
        assert messages, f"{left} of {expected} messages did not come"
        for message in messages:
            if message.error() is None:
                left -= 1
                place = (str(message.topic()).removeprefix(way), message.partition() or 0)
                found.setdefault(place, []).append((message.key(), message.value(), message.headers()))
    consumer.close()
    return found


def opened(settings: dict[str, Any]) -> tuple[Producer, NativeFan]:
    producer, loop = native_producer(settings)
    assert loop is not None
    return producer, loop


def messages_of(made: Sequence[Fan]) -> int:
    return sum(len(fan[0]) for fan in made)


@built
def test_both_ways_write_the_same(mock: MockCluster, settings: dict[str, Any]) -> None:
    producer, loop = opened(settings)
    by_loop, by_client = Writer(producer, native=loop), Writer(Producer(settings))

    by_loop.produce([("native.ads", b"single", b"k", WEB)], fans("native"))
    by_client.produce([("python.ads", b"single", b"k", WEB)], fans("python"))
    by_loop.close()
    by_client.close()

    expected = messages_of(fans("python")) + 1
    assert written(mock, "native", expected) == written(mock, "python", expected)


@built
def test_a_full_queue_is_waited_for_and_nothing_is_lost_or_repeated(
    mock: MockCluster, settings: dict[str, Any]
) -> None:
    producer, loop = opened(settings | {"queue.buffering.max.messages": 20})
    made = fans("full")

    assert loop.produce(made)
    producer.flush(60)
    producer.close()

    found = written(mock, "full", messages_of(made))
    values = sorted(entry[1] or b"" for entries in found.values() for entry in entries)
    assert values == sorted(fan[1] for fan in made for _ in fan[0])


@built
def test_a_refusal_is_the_python_clients(settings: dict[str, Any]) -> None:
    small = settings | {"message.max.bytes": 1000}
    producer, loop = opened(small)
    too_large = b"x" * 2000

    with pytest.raises(KafkaException) as by_loop:
        loop.produce([*fans("native", FEWEST), (("native.crm",), too_large, b"k", FanHeaders.alike(WEB))])
    with pytest.raises(KafkaException) as by_client:
        Producer(small).produce("native.crm", too_large, b"k")

    one, other = by_loop.value.args[0], by_client.value.args[0]
    assert (one.code(), one.str(), one.fatal(), one.retriable()) == (
        *(other.code(), other.str(), other.fatal(), other.retriable()),
    )
    producer.purge()
    producer.close()


class Block(bytearray):
    """One that can be watched."""


@built
@pytest.mark.parametrize("aborted", [False, True])
def test_values_are_kept_until_their_transaction_is_over(mock: MockCluster, unique: str, *, aborted: bool) -> None:
    """librdkafka points to them: what Python would give away, the next batch would write into."""
    producer, loop = native_producer(clients.transactional(Cluster(mock.bootstrap), unique))
    writer = TransactionalWriter(producer, native=loop)
    made = Fans.of(fans("lent"))
    made.values.block = Block(made.values.block)
    kept = weakref.ref(made.values.block)

    with suppress(TransactionAborted), writer.transaction():
        writer.produce([], made)
        del made
        gc.collect()
        assert kept() is not None
        if aborted:
            raise KafkaException(KafkaError(KafkaError._APPLICATION))
        writer.commit()
    gc.collect()

    assert kept() is None
    writer.close()


@built
def test_small_batches_and_many_headers_are_left_to_the_python_client(settings: dict[str, Any]) -> None:
    producer, loop = opened(settings)
    headers = [FanHeaders.alike([("trace", b"%d" % number)]) for number in range(MOST_GROUPS + 1)]
    of_their_own: list[Fan] = [((), b"", b"", one) for one in headers]

    assert not loop.produce(fans("native", FEWEST - 1))
    assert not loop.produce(of_their_own)
    producer.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another place for library and sources."""
    monkeypatch.delenv(library.SWITCH, raising=False)
    monkeypatch.setattr(library, "HERE", tmp_path)
    return tmp_path


@pytest.mark.parametrize("word", ["0", "off", "No "])
def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], word: str) -> None:
    monkeypatch.setenv(library.SWITCH, word)

    producer, loop = native_producer(settings)
    producer.close()

    assert loop is None
    assert str(native()) == f"not in use: ROUTER_NATIVE={word.strip()}"


def test_without_a_library_it_says_why(folder: Path) -> None:
    assert native().library is None
    assert native().reason == f"{library.library_name()} was not built when the router was installed"


def test_what_is_no_library_is_left_alone(folder: Path) -> None:
    (folder / library.library_name()).write_bytes(b"not a library")

    assert native().library is None
    assert native().reason.startswith("cannot load it: ")


@built
def test_a_library_of_other_sources_is_left_alone(folder: Path) -> None:
    (folder / library.library_name()).write_bytes((Path(library.__file__).parent / library.library_name()).read_bytes())
    (folder / "fan.c").write_text("changed")

    assert native().reason == f"{library.library_name()} was built of other sources; install the router again"


def test_the_checksum_is_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "one.c").write_text("1")
    before = sources_checksum(tmp_path)
    (tmp_path / "one.c").rename(tmp_path / "two.c")
    renamed = sources_checksum(tmp_path)
    (tmp_path / "two.c").write_text("2")

    assert len({before, renamed, sources_checksum(tmp_path)}) == 3
