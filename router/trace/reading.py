"""How a search reads parts of topics: natively where that is in use, else in Python. Both find the same.

What is wanted is a value (`router.trace.wanted`), so that each rule stands once. Nothing is written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, NamedTuple, cast

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from router.events.records import Place
from router.kafka.admin import REQUEST_SECONDS
from router.kafka.native_consumer import NativePicker, Picks, native_consumer
from router.kafka.offsets import PartitionKey
from router.trace.records import Sighting
from router.trace.wanted import Wanted

_BATCH = 10_000
_WAIT_SECONDS = 0.02
_LANE_WAIT_MS = 1  # for the first of the partitions alone, while others may have something
_MANY = 10_000  # messages: what takes longer than to make another client
_TOPIC = cast("Callable[[Message], str]", Message.topic)


class TopicPart(NamedTuple):
    """Offsets of one partition from `low` up to, not including, `high`."""

    topic: str
    partition: int
    low: int
    high: int

    @property
    def key(self) -> PartitionKey:
        return self.topic, self.partition


class ReadStep(NamedTuple):
    """Messages that are wanted but for `Wanted.exactly`, in the order of each partition; what is none, such as the end
    of a partition; how many were looked at, by topic.
    """

    found: list[Sighting]
    errors: list[tuple[PartitionKey, KafkaError]]
    looked: Counter[str]


NextStep = Callable[[Collection[PartitionKey]], ReadStep]  # of the partitions that are still read


class Share(NamedTuple):
    """What one client reads."""

    client: int
    parts: list[TopicPart]


class Reader(ABC):
    """Reads parts from their beginnings on; where they end is the caller's to know. `consumers` are its clients."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumers = [consumer]
        self._client_of: dict[PartitionKey, int] = {}

    @contextmanager
    def reading(self, parts: Collection[TopicPart], wanted: Wanted) -> Iterator[NextStep]:
        """Each step gives what has come. Raises KafkaException."""
        shares = self._shared(parts)
        self._client_of = {part.key: share.client for share in shares for part in share.parts}
        with self._steps(shares, wanted) as step:
            try:
                for client, own in shares:
                    places = [TopicPartition(part.topic, part.partition, part.low) for part in own]
                    # Paused by an earlier search; resumed behind `assign`, they would begin up to a second later.
                    self.consumers[client].resume(places)
                    self.consumers[client].assign(places)
                yield step
            finally:
                for client, _ in shares:
                    self.consumers[client].unassign()

    def positions(self, keys: Iterable[PartitionKey]) -> dict[PartitionKey, int]:
        """The offsets behind what has come, markers of transactions counted; below 0 where nothing has."""
        return {
            (one.topic, one.partition): one.offset
            for client, places in self._places(keys).items()
            for one in self.consumers[client].position(places)
        }

    def pause(self, keys: Iterable[PartitionKey]) -> None:
        """Read no further in these, until they are read anew."""
        for client, places in self._places(keys).items():
            self.consumers[client].pause(places)

    def prepare(self) -> None:
        """Make the clients that many messages take. Raises KafkaException."""

    def close(self) -> None:
        for consumer in self.consumers:
            consumer.close()

    def _places(self, keys: Iterable[PartitionKey]) -> dict[int, list[TopicPartition]]:
        found: dict[int, list[TopicPartition]] = {}
        for key in keys:
            found.setdefault(self._client_of[key], []).append(TopicPartition(*key))
        return found

    def _shared(self, parts: Collection[TopicPart]) -> list[Share]:
        return [Share(0, list(parts))]

    @abstractmethod
    def _steps(self, shares: Sequence[Share], wanted: Wanted) -> AbstractContextManager[NextStep]:
        """Open before the partitions are assigned, until after."""


def reader(settings: dict[str, Any]) -> Reader:
    """By what this installation has. Raises KafkaException for settings that are refused."""
    consumer, picker = native_consumer(settings)
    return PythonReader(consumer) if picker is None else NativeReader(consumer, picker, settings)


class PythonReader(Reader):
    """Each message becomes an object of the Python client."""

    @contextmanager
    def _steps(self, shares: Sequence[Share], wanted: Wanted) -> Iterator[NextStep]:
        picks = wanted.picks()

        def step(left: Collection[PartitionKey]) -> ReadStep:
            # A call that waits does so until its batch is full: so first without waiting, then for a single one.
            taken = self.consumers[0].consume(_BATCH, 0) or self.consumers[0].consume(1, _WAIT_SECONDS)
            errors = _errors(taken)
            messages = [message for message in taken if message.error() is None] if errors else taken
            return ReadStep(list(map(sighting, filter(picks, messages))), errors, Counter(map(_TOPIC, messages)))

        yield step


class NativeReader(Reader):
    """Only what is wanted becomes an object. Many messages are read by two clients, each with threads of its own: what
    a client does with a broker's messages, it does in one thread, and there the time goes.
    """

    def __init__(self, consumer: Consumer, picker: NativePicker, settings: dict[str, Any]) -> None:
        super().__init__(consumer)
        self._pickers = [picker]
        self._settings = settings

    def _shared(self, parts: Collection[TopicPart]) -> list[Share]:
        sizes = {part: part.high - part.low for part in parts}
        if len(sizes) < 2 or sum(sizes.values()) < _MANY or not self._has_two():
            return super()._shared(parts)
        shares = [Share(0, []), Share(1, [])]
        loads = [0, 0]
        for part in sorted(parts, key=lambda part: -sizes[part]):
            least = loads.index(min(loads))
            shares[least].parts.append(part)
            loads[least] += sizes[part]
        return shares

    def prepare(self) -> None:
        self._has_two()

    def _has_two(self) -> bool:
        """Make the second client where it is missing; False where the native library has been taken away."""
        if len(self.consumers) == 1:
            consumer, picker = native_consumer(self._settings)
            if picker is None:
                consumer.close()
                return False
            self.consumers.append(consumer)
            self._pickers.append(picker)
            consumer.list_topics(timeout=REQUEST_SECONDS)  # else the first messages would come a second later
        return True

    @contextmanager
    def _steps(self, shares: Sequence[Share], wanted: Wanted) -> Iterator[NextStep]:
        picks = Picks(wanted.keys, wanted.needles, wanted.value_size, all_messages=wanted.all_messages)
        with ExitStack() as stack:
            lanes: dict[PartitionKey, int] = {}
            for client, own in shares:
                lanes |= stack.enter_context(self._pickers[client].lanes(part.key for part in own))

            def step(left: Collection[PartitionKey]) -> ReadStep:
                taken = self._pickers[0].step({key: lanes[key] for key in left}, picks, _LANE_WAIT_MS)
                # Log lines, and errors that are no partition's.
                beside = [one for consumer in self.consumers if (one := consumer.poll(0)) is not None]
                found = [_sighting(one.topic, one.partition, *one[2:]) for one in taken.messages]
                looked: Counter[str] = Counter()
                for topic, count in taken.looked:
                    looked[topic] += count
                return ReadStep(found, taken.errors + _errors(beside), +looked)

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
