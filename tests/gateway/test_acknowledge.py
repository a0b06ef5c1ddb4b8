"""Waiting for Kafka: one answer for all messages of a request, and a count in flight that always comes back to 0."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from threading import Event
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from router.config.loader import Loaded
from router.config.options import RunOptions
from router.embedded.broker import EmbeddedBroker
from router.errors import Unavailable
from router.events.records import Record
from router.gateway.acknowledge import AckProducer
from router.gateway.server import serve
from router.kafka import clients
from router.process.health import Health
from tests.brokers.messages import DEADLINE, read_all
from tests.gateway.running import topology


@asynccontextmanager
async def producing(
    broker: EmbeddedBroker, ack_timeout: float = DEADLINE, **settings: Any
) -> AsyncIterator[AckProducer]:
    cluster = broker.cluster
    producer = AckProducer({**clients.producer(cluster), **settings}, ack_timeout=ack_timeout)
    yield producer
    await producer.close(5)


async def settled(producer: AckProducer) -> None:
    async with asyncio.timeout(DEADLINE):
        while producer.in_flight:
            await asyncio.sleep(0.01)


def records(topic: str, count: int) -> list[Record]:
    return [(topic, b"v%d" % number, b"key", [("write-key", b"k")]) for number in range(count)]


async def test_all_are_in_the_log_when_the_answer_comes(embedded: EmbeddedBroker, unique: str) -> None:
    embedded.create_topics({unique: 1})
    async with producing(embedded) as producer:
        assert await producer.submit(records(unique, 500)) == ""
        assert producer.in_flight == 0
    assert read_all(embedded.cluster, unique) == [b"v%d" % number for number in range(500)]


async def test_requests_are_answered_each_on_its_own(embedded: EmbeddedBroker, unique: str) -> None:
    embedded.create_topics({unique: 4})
    async with producing(embedded) as producer:
        answers = await asyncio.gather(*(producer.submit(records(unique, 1 + number % 7)) for number in range(200)))
        assert set(answers) == {""}
        assert producer.in_flight == 0


async def test_one_message_that_fails_fails_its_request_only(embedded: EmbeddedBroker, unique: str) -> None:
    embedded.create_topics({unique: 1})
    too_large: Record = (unique, b"x" * 900_000, b"key", None)
    async with producing(embedded, **{"message.max.bytes": 10_000}) as producer:
        bad, good = await asyncio.gather(
            producer.submit([*records(unique, 3), too_large]), producer.submit(records(unique, 3))
        )
        assert (bad, good) == ("not_acknowledged", "")
        await settled(producer)


async def test_a_full_queue_is_told_and_leaves_no_debt(embedded: EmbeddedBroker, unique: str) -> None:
    """What had been produced before the queue was full is counted until it is reported."""
    embedded.create_topics({unique: 1})
    async with producing(embedded, **{"queue.buffering.max.messages": 5}) as producer:
        assert await producer.submit(records(unique, 50)) == "overloaded"
        await settled(producer)
        assert await producer.submit(records(unique, 5)) == ""


async def test_no_answer_in_time_is_no_acknowledgement(unique: str) -> None:
    with EmbeddedBroker() as broker:
        broker.start({unique: 1})
        async with producing(broker, ack_timeout=0.3) as producer:
            broker.down()
            assert await producer.submit(records(unique, 2)) == "not_acknowledged"
            await settled(producer)


async def test_closing_counts_what_was_never_acknowledged(unique: str) -> None:
    with EmbeddedBroker() as broker:
        broker.start({unique: 1})
        cluster = broker.cluster
        producer = AckProducer(clients.producer(cluster), ack_timeout=DEADLINE)
        broker.down()
        waiting = asyncio.create_task(producer.submit(records(unique, 3)))
        await asyncio.sleep(0)
        assert producer.in_flight == 3
        assert await producer.close(0.2) == 3
        waiting.cancel()


class Broken:
    """A client whose polling fails."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    def poll(self, seconds: float) -> int:
        raise RuntimeError("broken")

    def list_topics(self, timeout: float) -> Any:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    def flush(self, seconds: float) -> int:
        return 0

    def __len__(self) -> int:
        return 0


async def test_a_gateway_whose_client_is_broken_ends_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every request would wait for its timeout; ended with status 3, it is started anew."""
    monkeypatch.setattr("router.gateway.acknowledge.Producer", Broken)
    loaded = Loaded(topology("broken"), (), (), {}, {})
    options = RunOptions(bootstrap="127.0.0.1:1", gateway=("127.0.0.1", 0))
    with pytest.raises(Unavailable, match="RuntimeError"):
        async with asyncio.timeout(DEADLINE):
            await serve(loaded, options, Event(), Health())
