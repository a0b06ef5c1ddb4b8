"""Kafka: every event as a record in another topic, of this cluster or another.

A record has the event as its value, a key (the profile id, or what `key` makes of the event) and the headers `source`,
`type`, `event` and `idempotency-key`, besides those of `headers`. Keys go where Java clients put them. The producer is
idempotent and waits for all in-sync replicas: its own retries neither double nor reorder. A topic that is not there, or
that may not be written to, pauses the destination; a record that is too large is a dead letter. kill -9 repeats what
was under way or not yet committed: readers tell repeats by `idempotency-key`. With `exactly_once` and no `bootstrap`,
for a topic of the router's own cluster, records and offsets are one transaction: at read_committed each event is there
once.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Self

from confluent_kafka import KafkaError, KafkaException, Producer
from pydantic import Field, SecretStr, field_validator, model_validator

from router.destinations.base import Connector, Delivery, Kind, Outcome, RequestLimits, Settings
from router.destinations.registry import destination
from router.errors import Unavailable
from router.events.records import MAX_VALUE, Headers
from router.mapping.path import MISSING, Read
from router.mapping.settings import compiled
from router.mapping.template import compile_template
from router.mask import secret_settings

_POLL_SECONDS = 0.1
_OURS = frozenset(
    ("acks", "bootstrap.servers", "enable.idempotence", "metadata.broker.list", "partitioner", "transactional.id")
) | {"delivery.timeout.ms", "message.timeout.ms", "request.required.acks"}
_REJECTED = frozenset(("INVALID_RECORD", "INVALID_TIMESTAMP", "MSG_SIZE_TOO_LARGE", "POLICY_VIOLATION"))
_REFUSED = frozenset(
    ("CLUSTER_AUTHORIZATION_FAILED", "SASL_AUTHENTICATION_FAILED", "TOPIC_AUTHORIZATION_FAILED", "TOPIC_EXCEPTION")
) | {"UNKNOWN_TOPIC_OR_PART", "_AUTHENTICATION", "_UNKNOWN_TOPIC"}
_DELIVERED = Outcome(Kind.DELIVERED, "200")
_FULL = Outcome(Kind.RETRY, "QUEUE_FULL", "the producer's queue is full")

log = logging.getLogger(__name__)


class KafkaSettings(Settings):
    texts: ClassVar = ("kafka", "kafka_secrets")

    bootstrap: str | None = Field(
        None,
        examples=["kafka.example.com:9092"],
        min_length=1,
        description="Brokers to begin with: HOST:PORT,…; left out, with exactly_once: the router's own",
    )
    topic: str = Field(
        examples=["shop.events"], pattern=r"^[A-Za-z0-9._-]{1,249}$", description="Where records go; it must be there"
    )
    exactly_once: bool = Field(
        False, description="Write to the router's own cluster, in the transaction that commits the events' offsets"
    )
    mirror: bool = Field(
        False, description="The topic may be called as one that this topology reads: it is in another cluster"
    )
    key: str | None = Field(
        None, description="A template such as {userId}; left out: the profile id. Without a value: no key"
    )
    headers: dict[str, str] = Field({}, description="Further headers: templates; one without a value is left out")
    kafka: dict[str, str] = Field({}, description="Settings of librdkafka, such as security.protocol; no secrets")
    kafka_secrets: dict[str, SecretStr] = Field(
        {}, description="Those of its settings that are secret, such as sasl.password and ssl.key.password"
    )

    @field_validator("key")
    @classmethod
    def _check_key(cls, value: str | None) -> str | None:
        if value is not None:
            compiled(_template, value)
        return value

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for one in value.values():
            compiled(_template, one)
        return value

    @model_validator(mode="after")
    def _check_cluster(self) -> Self:
        if not self.exactly_once:
            if self.bootstrap is None:
                raise ValueError("expected bootstrap, or exactly_once: true, got neither")
            return self
        for name in ("bootstrap", "kafka", "kafka_secrets", "mirror"):
            if getattr(self, name):
                raise ValueError(
                    f"expected no {name} with exactly_once: a transaction is of one cluster, which is the router's own"
                )
        return self

    @field_validator("kafka", "kafka_secrets")
    @classmethod
    def _check_names(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if name in _OURS:
                raise ValueError(f"expected no {name}: what is promised rests on it")
        return value

    @field_validator("kafka")
    @classmethod
    def _check_kafka(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if secret_settings({name: name}):
                raise ValueError(f"expected {name} under kafka_secrets: it would be shown here")
        return value


@destination("kafka")
class Kafka(Connector):
    summary = "Records in another topic or cluster"
    integrations = ("Kafka",)
    limits = RequestLimits(count=5_000, batch=1_000)
    idempotency = "message_id"
    Settings = KafkaSettings
    settings: KafkaSettings

    def __init__(self, name: str, settings: KafkaSettings, timeout: float) -> None:
        super().__init__(name, settings, timeout)
        self._key = None if settings.key is None else _template(settings.key)
        self._headers = {name: _template(text) for name, text in settings.headers.items()}
        self._producer: Producer | None = None
        self._poller: threading.Thread | None = None
        self._closing = threading.Event()
        self._refused: str | None = None  # by the cluster; a producer tries for ever to sign in

    @property
    def commits_to(self) -> str:
        return self.settings.topic if self.settings.exactly_once else ""

    async def open(self) -> None:
        if self._producer is None and not self.settings.exactly_once:
            self._producer = self._made()
            self._closing = threading.Event()
            arguments = (self._producer, self._closing)
            self._poller = threading.Thread(target=_poll, args=arguments, name=f"kafka-{self.name}", daemon=True)
            self._poller.start()

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        if self.settings.exactly_once:
            return [self._committed(event) for event in batch]
        producer = self._producer
        assert producer is not None, "open() comes first"
        waiting = _Reports(len(batch), asyncio.get_running_loop(), self._outcome)
        for place, event in enumerate(batch):
            report = partial(waiting.reported, place)
            try:
                producer.produce(
                    self.settings.topic, event.value, self.key(event), headers=self.headers(event), on_delivery=report
                )
            except BufferError:
                waiting.settle(place, _FULL)
            except KafkaException as error:
                waiting.settle(place, self._outcome(error.args[0]))
        outcomes = await waiting.all()
        if any(outcome.code == "FATAL" for outcome in outcomes):
            await self._renew(producer)
        return outcomes

    def _committed(self, event: Delivery) -> Outcome:
        """What the commit is to write. One record that the broker does not take would keep all others from it."""
        key, headers = self.key(event), self.headers(event)
        size = len(event.value) + len(key or b"") + sum(len(name) + len(value or b"") for name, value in headers)
        if size > MAX_VALUE:
            return Outcome(Kind.REJECTED, "MSG_SIZE_TOO_LARGE")
        return Outcome(Kind.DELIVERED, "200", record=(self.settings.topic, event.value, key, headers))

    async def close(self) -> None:
        producer, poller = self._producer, self._poller
        self._producer = self._poller = None
        if producer is not None and poller is not None:
            await asyncio.to_thread(_end, producer, poller, self._closing, self.timeout)

    def key(self, event: Delivery) -> bytes | None:
        """The record's key, None where there is nothing to make it of."""
        found = event.key if self._key is None else self._key(event.body)
        return None if found is MISSING or not found else _bytes(found)

    def headers(self, event: Delivery) -> Headers:
        """The record's headers."""
        own = {"source": event.source, "type": event.type, "event": event.event}
        added = {name: read(event.body) for name, read in self._headers.items()}
        all_ = {**own, "idempotency-key": event.idempotency_key, **added}
        return [(name, _bytes(value)) for name, value in all_.items() if value is not MISSING]

    async def _renew(self, failed: Producer) -> None:
        """After a fatal error a producer takes nothing more: who sees it first puts another in its place."""
        if self._producer is failed and self._poller is not None:
            log.warning("the producer failed for good and is made anew", extra={"destination": self.name})
            old = (failed, self._poller, self._closing, self.timeout)
            self._producer = None
            await self.open()
            await asyncio.to_thread(_end, *old)

    def _made(self) -> Producer:
        hidden = {name: value.get_secret_value() for name, value in self.settings.kafka_secrets.items()}
        settings: dict[str, Any] = {
            "client.id": "event-router", "compression.type": "lz4", "linger.ms": 5, "log.connection.close": False,
            "log_level": 3, "logger": log, "reconnect.backoff.max.ms": 1_000, "enable.metrics.push": False,
            **self.settings.kafka, **hidden,
            "acks": "all", "bootstrap.servers": self.settings.bootstrap, "enable.idempotence": True,
            "delivery.timeout.ms": max(1_000, round(self.timeout * 1_000)), "error_cb": self._note,
            "partitioner": "murmur2_random",
        }  # fmt: skip
        try:
            return Producer(settings)
        except KafkaException as error:
            text = error.args[0].str() if error.args and isinstance(error.args[0], KafkaError) else ""
            named = text if text.startswith("No such configuration property") else "one has a value that cannot be"
            raise Unavailable(f"{self.name}: settings of librdkafka are not right: {named}") from None

    def _note(self, error: KafkaError) -> None:
        """In the polling thread: what a producer says of the cluster."""
        if error.name() in _REFUSED:
            self._refused = error.name()

    def _outcome(self, error: KafkaError | None) -> Outcome:
        """Of one record. A record that nobody took in time shares its fate with the signing in."""
        if error is None:
            self._refused = None
            return _DELIVERED
        if error.fatal():
            return Outcome(Kind.RETRY, "FATAL", error.name())
        name = error.name()
        if name == "_MSG_TIMED_OUT" and self._refused:
            name = self._refused
        kind = Kind.REFUSED if name in _REFUSED else Kind.REJECTED if name in _REJECTED else Kind.RETRY
        return Outcome(kind, name.lstrip("_"), error.str() if kind is Kind.REFUSED else "")


class _Reports:
    """Outcomes of the records of one batch. Reports come in the polling thread, all else happens in the loop."""

    def __init__(
        self, count: int, loop: asyncio.AbstractEventLoop, outcome: Callable[[KafkaError | None], Outcome]
    ) -> None:
        self._outcomes: list[Outcome | None] = [None] * count
        self._left = count
        self._loop = loop
        self._outcome = outcome
        self._done: asyncio.Future[None] = loop.create_future()

    def reported(self, place: int, error: KafkaError | None, _: Any) -> None:
        self._loop.call_soon_threadsafe(self.settle, place, self._outcome(error))

    def settle(self, place: int, outcome: Outcome) -> None:
        self._outcomes[place] = outcome
        self._left -= 1
        if not self._left and not self._done.done():
            self._done.set_result(None)

    async def all(self) -> list[Outcome]:
        """A producer reports on every record: at the latest when its time is over."""
        if self._left:
            await self._done
        return [outcome for outcome in self._outcomes if outcome is not None]


def _poll(producer: Producer, closing: threading.Event) -> None:
    while not closing.is_set():
        producer.poll(_POLL_SECONDS)


def _end(producer: Producer, poller: threading.Thread, closing: threading.Event, seconds: float) -> None:
    """What was produced is reported on before the producer goes."""
    closing.set()
    poller.join()
    producer.flush(seconds)
    producer.close()


def _template(text: str) -> Read:
    return compile_template(text, whole=True)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
