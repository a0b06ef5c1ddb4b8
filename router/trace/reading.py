"""How a search reads what it has assigned: natively where that is in use, else in Python. Both find the same.

What is wanted is a value (`router.trace.wanted`), so that each rule stands once. Nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, Protocol, cast

from confluent_kafka import Consumer, KafkaError, Message

from router.events.records import Place
from router.kafka.native_consumer import NativePicker, Picks, native_consumer
from router.kafka.offsets import PartitionKey
from router.trace.records import Sighting
from router.trace.wanted import Wanted

_BATCH = 10_000
_WAIT_SECONDS = 0.02
_LANE_WAIT_MS = 1  # for the first of the partitions alone, while others may have something
_TOPIC = cast("Callable[[Message], str]", Message.topic)


class ReadStep(NamedTuple):
    """Messages that are wanted but for `Wanted.exactly`, in the order of each partition; what is none, such as the end
    of a partition; how many were looked at, by topic.
    """

    found: list[Sighting]
    errors: list[tuple[PartitionKey, KafkaError]]
    looked: Counter[str]


NextStep = Callable[[Collection[PartitionKey]], ReadStep]  # of the partitions that are still read


class Reader(Protocol):
    """Reads what is assigned to `consumer` while `reading` is open, which is before it is assigned."""

    consumer: Consumer

    def reading(self, parts: Collection[PartitionKey], wanted: Wanted) -> AbstractContextManager[NextStep]: ...


def reader(settings: dict[str, Any]) -> Reader:
    """By what this installation has. Raises KafkaException for settings that are refused."""
    consumer, picker = native_consumer(settings)
    return PythonReader(consumer) if picker is None else NativeReader(consumer, picker)


class PythonReader:
    """Each message becomes an object of the Python client."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer

    @contextmanager
    def reading(self, parts: Collection[PartitionKey], wanted: Wanted) -> Iterator[NextStep]:
        picks = wanted.picks()

        def step(left: Collection[PartitionKey]) -> ReadStep:
            # A call that waits does so until its batch is full: so first without waiting, then for a single one.
            taken = self.consumer.consume(_BATCH, 0) or self.consumer.consume(1, _WAIT_SECONDS)
            errors = _errors(taken)
            messages = [message for message in taken if message.error() is None] if errors else taken
            return ReadStep(list(map(sighting, filter(picks, messages))), errors, Counter(map(_TOPIC, messages)))

        yield step


class NativeReader:
    """Only what is wanted becomes an object."""

    def __init__(self, consumer: Consumer, picker: NativePicker) -> None:
        self.consumer = consumer
        self._picker = picker

    @contextmanager
    def reading(self, parts: Collection[PartitionKey], wanted: Wanted) -> Iterator[NextStep]:
        picks = Picks(wanted.keys, wanted.needles, wanted.value_size, all_messages=wanted.all_messages)
        with self._picker.lanes(parts) as lanes:

            def step(left: Collection[PartitionKey]) -> ReadStep:
                taken = self._picker.step({key: lanes[key] for key in left}, picks, _LANE_WAIT_MS)
                beside = self.consumer.poll(0)  # log lines, and errors that are no partition's
                found = [_sighting(one.topic, one.partition, *one[2:]) for one in taken.messages]
                looked: Counter[str] = Counter()
                for topic, count in taken.looked:
                    looked[topic] += count
                return ReadStep(found, taken.errors + _errors([beside] if beside else []), +looked)

            yield step


def _errors(messages: Sequence[Message]) -> list[tuple[PartitionKey, KafkaError]]:
    found = []
    for message in filter(Message.error, messages):
        key = message.topic() or "", cast("int", message.partition())
        found.append((key, cast("KafkaError", message.error())))
    return found


def sighting(message: Message) -> Sighting:
    """The message as it is kept."""
    headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    place = message.topic() or "", message.partition() or 0, message.offset() or 0
    return _sighting(*place, message.timestamp()[1], message.key(), message.value(), headers)


def _sighting(
    topic: str, partition: int, offset: int, time: int, key: bytes | None, value: bytes | None,
    headers: list[tuple[str, bytes | None]],
) -> Sighting:  # fmt: skip
    named = {name: (raw or b"").decode(errors="backslashreplace") for name, raw in headers}
    return Sighting(Place(topic, partition, offset), time, key, value or b"", named)
