"""Messages that are wanted, picked by the native read loop (`router/native/read.c`) on confluent's own consumer.

Only the reading is native: assignment, positions and errors stay with the Python client. The loop takes the messages
from each partition's own queue, where nothing else comes; what calls Python, such as log lines, stays in the client's
queue, so the client must be polled beside it. Nothing is written or committed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from confluent_kafka import Consumer, KafkaError

from router.errors import Unavailable
from router.kafka.native_handle import NativeClient, address, native_client, typed
from router.kafka.offsets import PartitionKey

_ROOM = 10_000  # messages of one call, which nothing interrupts: some milliseconds
_ADDRESS, _TEXT, _COUNT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64
_LOOP_USES = ("consume_batch_queue", "message_destroy", "message_timestamp", "message_headers", "header_get_all")


class PickedMessage(NamedTuple):
    """What Python's client has in a message; `time` in ms since 1970."""

    topic: str
    partition: int
    offset: int
    time: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class PickedStep(NamedTuple):
    """Messages that are wanted, in the order of each partition; what is none; how many were looked at, by topic."""

    messages: list[PickedMessage]
    errors: list[tuple[PartitionKey, KafkaError]]
    looked: list[tuple[str, int]]


class Taken(ctypes.Structure):
    """librdkafka's rd_kafka_message_t; with an `error` it is no message."""

    _fields_ = [
        *(("error", ctypes.c_int), ("topic", _ADDRESS), ("partition", ctypes.c_int32)),
        *(("value", _ADDRESS), ("value_size", ctypes.c_size_t), ("key", _ADDRESS), ("key_size", ctypes.c_size_t)),
        *(("offset", ctypes.c_int64), ("internals", _ADDRESS)),
    ]


class Reading(ctypes.Structure):
    """The functions of librdkafka that read loops call."""

    _fields_ = [(name, _ADDRESS) for name in _LOOP_USES]

    @classmethod
    def of(cls, kafka: ctypes.CDLL) -> Self:
        return cls(*(address(kafka, name) for name in _LOOP_USES))


class _Bytes(ctypes.Structure):
    _fields_ = [("at", _TEXT), ("size", _COUNT)]


class _Picks(ctypes.Structure):
    _fields_ = [
        *(("keys", _ADDRESS), ("key_count", _COUNT), ("needles", _ADDRESS), ("needle_count", _COUNT)),
        *(("value_size", ctypes.c_int64), ("all", _COUNT)),
    ]


class _Lane(ctypes.Structure):
    _fields_ = [("queue", _ADDRESS), ("looked", _COUNT)]


class Picks:
    """What makes a message wanted, any of it: its key, bytes in its value, its value's size; or all messages are.

    Holds what the loop reads, so it must live as long as a step that uses it. Raises ValueError for an empty needle.
    """

    def __init__(
        self, keys: Collection[bytes], needles: Collection[bytes], value_size: int | None, *, all_messages: bool
    ) -> None:  # fmt: skip
        if not all(needles):
            raise ValueError("expected needles of one byte or more, got an empty one")
        self._keys = (_Bytes * len(keys))(*(_Bytes(key, len(key)) for key in keys))
        self._needles = (_Bytes * len(needles))(*(_Bytes(needle, len(needle)) for needle in needles))
        size = -1 if value_size is None else value_size
        self.native = _Picks(
            ctypes.addressof(self._keys), len(keys), ctypes.addressof(self._needles), len(needles), size, all_messages
        )


class ReadFunctions:
    """What is called in librdkafka around the read loops."""

    def __init__(self, kafka: ctypes.CDLL) -> None:
        self.reading = Reading.of(kafka)
        self.queue_of = typed(kafka.rd_kafka_queue_get_partition, _ADDRESS, _ADDRESS, _TEXT, ctypes.c_int32)
        self.forward = typed(kafka.rd_kafka_queue_forward, None, _ADDRESS, _ADDRESS)
        self.queue_destroy = typed(kafka.rd_kafka_queue_destroy, None, _ADDRESS)
        self.message_destroy = typed(kafka.rd_kafka_message_destroy, None, _ADDRESS)
        self.topic_name = typed(kafka.rd_kafka_topic_name, _TEXT, _ADDRESS)

    def partition_queue(self, client: int, place: PartitionKey, target: int | None) -> int:
        """The queue of a partition, forwarded to the target from now on, or to none; to be destroyed.

        Raises Unavailable.
        """
        topic, number = place
        queue = self.queue_of(client, topic.encode(), number)
        if not queue:
            raise Unavailable(f"the Kafka client has no queue of {topic} [{number}]")
        self.forward(queue, target)
        return int(queue)

    def place(self, message: Taken) -> PartitionKey:
        """The topic and partition of a message."""
        name = self.topic_name(message.topic) if message.topic else b""
        return name.decode(), message.partition


class _Functions(ReadFunctions):
    """What a search calls. Raises OSError where structs of the native library are others."""

    def __init__(self, client: NativeClient) -> None:
        client.check_sizes("router_pick_sizes", Taken, Reading, _Bytes, _Picks, _Lane)
        kafka = client.kafka
        super().__init__(kafka)
        number, reference = ctypes.c_int, ctypes.c_void_p
        self.pick = typed(
            client.loops.router_pick, None, *[reference] * 3, _COUNT, number, reference, _COUNT, reference
        )  # fmt: skip
        self.time = typed(kafka.rd_kafka_message_timestamp, ctypes.c_int64, _ADDRESS, _ADDRESS)
        self.headers = typed(kafka.rd_kafka_message_headers, number, _ADDRESS, _ADDRESS)
        self.header = typed(kafka.rd_kafka_header_get_all, number, _ADDRESS, ctypes.c_size_t, *[_ADDRESS] * 3)


def native_consumer(settings: dict[str, Any]) -> tuple[Consumer, NativePicker | None]:
    """A consumer, and the read loop on it where the native library is in use. Raises KafkaException as Consumer.

    With a loop, messages do not come by the consumer's own `poll` and `consume` for partitions that the loop has had.
    """
    client = native_client()
    if client is None:
        return Consumer(settings), None
    functions = _Functions(client)
    consumer, handle = client.made(Consumer, settings)
    return consumer, NativePicker(handle, functions) if handle else None


class NativePicker:
    """The read loop on one consumer, which must be open."""

    def __init__(self, handle: int, functions: _Functions) -> None:
        self._handle = handle
        self._functions = functions
        self._messages = (ctypes.POINTER(Taken) * _ROOM)()

    @contextmanager
    def lanes(self, places: Iterable[PartitionKey]) -> Iterator[dict[PartitionKey, int]]:
        """The queues of partitions, which must be opened before these are assigned; to be left when unassigned.

        Each is cut off from the client's queue, for good: that is what librdkafka does when they are assigned, unless
        somebody has chosen otherwise before.
        """
        queues: dict[PartitionKey, int] = {}
        try:
            for place in places:
                queues[place] = self._functions.partition_queue(self._handle, place, None)
            yield dict(queues)
        finally:
            for queue in queues.values():
                self._functions.queue_destroy(queue)

    def step(self, lanes: dict[PartitionKey, int], picks: Picks, wait_ms: int) -> PickedStep:
        """What these queues have, up to 10,000 messages; waits where they have nothing."""
        native = (_Lane * len(lanes))(*(_Lane(queue, 0) for queue in lanes.values()))
        kept = _COUNT(0)
        try:
            self._functions.pick(
                ctypes.byref(self._functions.reading), ctypes.byref(picks.native), native, len(lanes), wait_ms,
                self._messages, _ROOM, ctypes.byref(kept),
            )  # fmt: skip
            found, errors = self._read(self._messages[: kept.value])
        finally:
            for message in self._messages[: kept.value]:
                self._functions.message_destroy(message)
        return PickedStep(found, errors, [(key[0], lane.looked) for key, lane in zip(lanes, native, strict=True)])

    def _read(self, taken: Sequence[Any]) -> tuple[list[PickedMessage], list[tuple[PartitionKey, KafkaError]]]:
        found: list[PickedMessage] = []
        errors: list[tuple[PartitionKey, KafkaError]] = []
        for message in taken:
            one = message.contents
            place = self._functions.place(one)
            if one.error:
                errors.append((place, error_of(one)))
                continue
            found.append(
                PickedMessage(
                    *place, one.offset, self._functions.time(message, None),
                    _copied(one.key, one.key_size), _copied(one.value, one.value_size), self._headers(message),
                )
            )  # fmt: skip
        return found, errors

    def _headers(self, message: Any) -> list[tuple[str, bytes | None]]:
        headers, name, value, size = _ADDRESS(), _TEXT(), _ADDRESS(), ctypes.c_size_t()
        if self._functions.headers(message, ctypes.byref(headers)):
            return []  # it has none
        found: list[tuple[str, bytes | None]] = []
        into = ctypes.byref(name), ctypes.byref(value), ctypes.byref(size)
        while not self._functions.header(headers, len(found), *into):
            text = (name.value or b"").decode(errors="backslashreplace")
            found.append((text, _copied(value.value, size.value)))
        return found


def error_of(message: Taken) -> KafkaError:
    """What came in the place of a message."""
    said = _copied(message.value, message.value_size) or b""
    return KafkaError(message.error, said.decode(errors="backslashreplace"))


def _copied(at: int | None, size: int) -> bytes | None:
    return None if at is None else ctypes.string_at(at, size)
