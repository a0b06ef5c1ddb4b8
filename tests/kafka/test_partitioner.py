from __future__ import annotations

import pytest
from confluent_kafka import Message, Producer
from hypothesis import given
from hypothesis import strategies as st

from router.embedded.broker import EmbeddedBroker
from router.kafka import clients
from router.kafka.partitioner import partition_for
from tests.brokers.messages import DEADLINE

# The hashes that Kafka's own Java test expects, as signed 32 bits.
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "hashed"), JAVA.items())
@pytest.mark.parametrize("count", [1, 4, 12, 1000])
def test_a_key_lands_where_java_clients_put_it(key: bytes, hashed: int, count: int) -> None:
    assert partition_for(key, count) == (hashed & 0x7FFFFFFF) % count


@given(key=st.binary(max_size=200), count=st.integers(min_value=1, max_value=10_000))
def test_every_key_has_a_partition(key: bytes, count: int) -> None:
    assert 0 <= partition_for(key, count) < count


def test_our_producers_put_keys_where_partition_for_says(embedded: EmbeddedBroker, unique: str) -> None:
    embedded.create_topics({unique: 12})
    producer = Producer(clients.producer(embedded.cluster))
    keys = [f"device-{number}".encode() for number in range(300)] + [b"", "ü".encode(), b"\x00" * 7]
    landed: dict[bytes, int | None] = {}

    def note(_: object, message: Message[bytes, bytes]) -> None:
        landed[message.key() or b""] = message.partition()

    for key in keys:
        producer.produce(unique, b"x", key=key, on_delivery=note)
    producer.flush(DEADLINE)

    assert landed == {key: partition_for(key, 12) for key in keys}
