"""Destinations that an operator has paused: written down in Kafka, obeyed by every delivery process, until resumed.

The topic `<topology>.control` has one partition and is compacted: the last record of a destination says whether it is
paused, since when, by whom and why. A delivery process reads all of it before it delivers anything, and follows it
afterwards. kill -9 loses nothing: a pause is there once `router destinations pause` has ended with 0.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from router.errors import RouterError, Unavailable
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.failure import router_error, translated
from router.kafka.span import span

POLL_SECONDS = 0.5
AGAIN_SECONDS = 5.0  # after a fault, or while there is no such topic
WRITE_SECONDS = 30.0
LONGEST_TEXT = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pause:
    """`since` is UTC, to the second; `why` may be empty."""

    since: str
    by: str
    why: str = ""

    def __str__(self) -> str:
        return f"paused by {self.by} since {self.since}" + (f": {self.why}" if self.why else "")


Pauses = Mapping[str, Pause]


def read_pauses(cluster: Cluster, topic: str) -> tuple[dict[str, Pause], int | None]:
    """The paused destinations, and the offset up to which the topic was read: None where there is no such topic.

    Raises Unavailable.
    """
    admin = Admin(cluster)
    if topic not in admin.topics():
        return {}, None
    at = admin.watermarks([(topic, 0)])[topic, 0]
    pauses: dict[str, Pause] = {}
    for messages in span(cluster, topic, 0, at.low, at.high):
        for message in messages:
            _apply(message, pauses)
    return pauses, at.high


def write_pause(cluster: Cluster, topic: str, destination: str, pause: Pause | None) -> None:
    """Pause a destination, or resume it. Raises Unavailable."""
    record = {"paused": pause is not None}
    value = orjson.dumps(record if pause is None else record | {"since": pause.since, "by": pause.by, "why": pause.why})
    failed: list[str] = []
    doing = f"write to {topic}"
    with translated(doing):
        writer = Producer(clients.producer(cluster))
        writer.produce(topic, value, destination, 0, lambda error, _: failed.append(error.str()) if error else None)
        left = writer.flush(WRITE_SECONDS)
    if failed or left:
        raise Unavailable(f"{doing}: {failed[0] if failed else 'the broker does not answer'}")


def pause_now(by: str, why: str = "") -> Pause:
    """A pause that begins now."""
    since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Pause(since, by[:LONGEST_TEXT], why[:LONGEST_TEXT])


def _apply(message: Message, pauses: dict[str, Pause]) -> None:
    """Take a record over. One that no router wrote is left out: it must not end a delivery."""
    try:
        record: dict[str, Any] = orjson.loads(message.value() or b"{}")
        name = (message.key() or b"").decode()
        if record.get("paused"):
            pauses[name] = Pause(str(record["since"]), str(record["by"]), str(record["why"]))
        else:
            pauses.pop(name, None)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        place = f"{message.topic()}:{message.partition()}:{message.offset()}"
        log.error("%s: expected a record of router destinations pause, got %r; left out", place, error)


class PauseFollower:
    """Tells `changed` the paused destinations whenever they have changed, from a thread of its own.

    While Kafka is away those that are known hold.
    """

    def __init__(self, cluster: Cluster, topic: str, changed: Callable[[Pauses], object]) -> None:
        self._cluster = cluster
        self._topic = topic
        self._changed = changed
        self._stopping = Event()
        self._pauses: dict[str, Pause] = {}
        self._next: int | None = None
        self._thread = Thread(target=self._run, name="pauses", daemon=True)

    def start(self) -> Pauses:
        """The pauses as they are now; from here on `changed` is told. Raises Unavailable."""
        self._pauses, self._next = read_pauses(self._cluster, self._topic)
        if self._next is None:
            log.warning("no topic %s: destinations cannot be paused; `router topics apply` makes it", self._topic)
        self._thread.start()
        return dict(self._pauses)

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._next is not None:
                    self._follow(self._next)
                elif not self._stopping.wait(AGAIN_SECONDS):
                    self._read()
            except RouterError as error:
                log.warning("paused destinations cannot be followed, those known hold: %s", error)
                self._next = None

    def _read(self) -> None:
        pauses, self._next = read_pauses(self._cluster, self._topic)
        if self._next is not None:
            self._tell(pauses)

    def _follow(self, start: int) -> None:
        doing = f"read {self._topic}"
        with translated(doing):
            consumer = Consumer(clients.reader(self._cluster) | {"fetch.wait.max.ms": 500})
            try:
                consumer.assign([TopicPartition(self._topic, 0, start)])
                while not self._stopping.is_set():
                    self._take(consumer.consume(100, POLL_SECONDS), doing)
            finally:
                consumer.close()

    def _take(self, messages: list[Message], doing: str) -> None:
        pauses = dict(self._pauses)
        for message in messages:
            error = message.error()
            if error is None:
                _apply(message, pauses)
            elif error.code() != KafkaError._PARTITION_EOF:
                raise router_error(KafkaException(error), doing)
        self._tell(pauses)

    def _tell(self, pauses: dict[str, Pause]) -> None:
        if pauses != self._pauses:
            self._pauses = pauses
            self._changed(dict(pauses))
