"""A topic of an embedded broker; it is down while the broker refuses connections."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Self

import orjson
from confluent_kafka import Consumer, Message, TopicPartition

from router.destinations.base import Connector
from router.destinations.registry import destination_types
from router.embedded.broker import EmbeddedBroker
from router.kafka import clients
from tests.brokers.messages import to_the_end
from tests.partners.partner import Partner, Trouble

TOPIC = "shop.events"
SECONDS = 15.0  # until a record that nobody takes is given up


class KafkaPartner(Partner):
    type = "kafka"
    largest = 500_000

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.broker = EmbeddedBroker()

    async def __aenter__(self) -> Self:
        address = await asyncio.to_thread(self.broker.start, {TOPIC: 1})
        self.settings = {"bootstrap": address, "topic": TOPIC, "kafka_secrets": {"sasl.password": self.secret}}
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.broker.stop)

    def connector(self, **settings: object) -> Connector:
        cls = destination_types()[self.type]
        return cls("crm", cls.Settings.model_validate(self.settings | settings), SECONDS)

    def records(self, topic: str = TOPIC, partitions: int = 1) -> list[Message[bytes, bytes]]:
        """All that the topic holds, partition after partition."""
        found: list[Message[bytes, bytes]] = []
        for number in range(partitions):
            reader = Consumer(clients.reader(self.broker.cluster))
            reader.assign([TopicPartition(topic, number, 0)])
            found += to_the_end(reader)
            reader.close()
        return found

    def accepted(self) -> list[str]:
        return [str(orjson.loads(one.value() or b"").get("messageId")) for one in self.records()]

    def trouble(self, kind: Trouble) -> None:
        assert kind == "down"
        self.broker.down()

    def recover(self) -> None:
        self.broker.up()
