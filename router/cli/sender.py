"""Where the events of a source go, and the producer that takes them there and waits for Kafka."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from router.cli.send_file import Ready
from router.config.models import Topology, hook_key
from router.config.topics import topics_of
from router.document import nearest
from router.embedded.capacity import Capacity
from router.errors import Problem, RouterError, Unavailable
from router.events.event import REASONS
from router.kafka import clients
from router.kafka.cluster import Cluster
from router.kafka.failure import router_error, translated
from router.partner_sources.catalog import SEGMENT

CAPACITY_SECONDS = 30.0


class Target:
    """Where the events of a source go: its own topic, else events.raw with a write key of the source."""

    def __init__(self, topology: Topology, source: str) -> None:
        config = topology.sources.get(source)
        if config is None:
            hint = nearest(source, topology.sources)
            raise RouterError(f"expected a source, got {source}" + (f" (did you mean {hint}?)" if hint else ""))
        refusal = config.refusal(topology.environment)
        if refusal:
            raise RouterError(f"expected a source whose events are accepted, got {source}: {REASONS[refusal]}")
        self.topic = config.topics[0] if config.topics else topics_of(topology).raw
        self.write_key = b""
        if config.topics:
            return
        if config.write_keys:
            self.write_key = config.write_keys[0].get_secret_value().encode()
        elif topology.default_source != source:
            if config.type == SEGMENT:
                raise RouterError(f"expected a source with write_keys or topics, got {source}, which has neither")
            self.write_key = hook_key(source).encode()

    def headers(self) -> list[tuple[str, bytes]]:
        """The write key, and the receive time for brokers that know no other."""
        received = [("received-at", str(int(time.time() * 1000)).encode())]
        return [("write-key", self.write_key), *received] if self.write_key else received


class Sender:
    """Produces to one topic; `sent` counts what Kafka has acknowledged."""

    def __init__(self, cluster: Cluster, target: Target, capacity: Capacity | None) -> None:
        with translated("Kafka settings"):
            self._producer = Producer(clients.producer(cluster, linger_ms=5))
        self._target = target
        self._capacity = capacity
        self._failed: KafkaError | None = None
        self._count = 0
        self.sent = 0

    def send(self, items: Iterable[Ready | Problem]) -> list[Problem]:
        """Send the events and give back the problems. Raises Unavailable when Kafka did not take all events."""
        problems: list[Problem] = []
        for item in items:
            if isinstance(item, Problem):
                problems.append(item)
            else:
                self._produce(item)
        self._flush()
        return problems

    def _produce(self, item: Ready) -> None:
        self._wait_for_capacity()
        if self._capacity is not None:
            self._capacity.note([(self._target.topic, item.value, item.key, None)])
        self._count += 1
        produce: Any = self._producer.produce
        topic = self._target.topic
        while self._failed is None:
            try:
                produce(topic, item.value, item.key, on_delivery=self._delivered, headers=self._target.headers())
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise router_error(error, f"send to {topic}") from error
            else:
                self._producer.poll(0)
                return
        self._flush()

    def _wait_for_capacity(self) -> None:
        deadline = time.monotonic() + CAPACITY_SECONDS
        while self._capacity is not None and not self._capacity.free():
            if time.monotonic() > deadline:
                self._flush()
                raise Unavailable(f"the broker is full; sent {self.sent} events: is a router reading them?")
            self._producer.poll(0.05)

    def _flush(self) -> None:
        left = self._producer.flush(clients.DELIVERY_MS / 1000 + 5)
        if self._failed is not None or left:
            reason = self._failed.name() if self._failed is not None else "no answer"
            raise Unavailable(f"Kafka did not take all events: {reason}; {self.sent} of {self._count} are acknowledged")

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.sent += 1
        else:
            self._failed = error
