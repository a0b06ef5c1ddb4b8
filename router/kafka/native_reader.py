"""Batches of messages as columns, read by the native loop (`router/native/read.c`) on confluent's own consumer.

The messages of the partitions that it follows come by a queue of its own; all else that the client has to say, what
calls Python among it, stays in the client's queue, so the client must be polled beside it. Assignment, positions,
pausing and seeking stay with the client: what was fetched before one of these is not read after it. Nothing is
committed: what a killed process has read is read again.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from confluent_kafka import Consumer, KafkaError

from router.events.message_batch import MessageBatch
from router.kafka.native_consumer import ReadFunctions, Reading, Taken, error_of
from router.kafka.native_handle import NativeClient, native_client, typed
from router.kafka.offsets import PartitionKey

_ADDRESS, _COUNT = ctypes.c_void_p, ctypes.c_uint64
_COLUMNS = {
    "values": np.uint8,
    "value_ends": np.uint32,
    "rest": np.uint8,
    "key_ends": np.uint32,
    "rest_ends": np.uint32,
    "offsets": np.int64,
    "times": np.int64,
    "of_place": np.uint32,
    "marks": np.uint8,
}  # in the order of the struct


class ReadError(NamedTuple):
    """What came in the place of a message of a partition."""

    place: PartitionKey
    offset: int
    error: KafkaError


class _Amount(ctypes.Structure):
    _fields_ = [(name, _COUNT) for name in ("count", "errors", "value_bytes", "rest_bytes")]


class _Place(ctypes.Structure):
    _fields_ = [("first", ctypes.POINTER(Taken)), ("last", _COUNT)]


class _Columns(ctypes.Structure):
    _fields_ = [(name, _ADDRESS) for name in _COLUMNS]


class _Functions(ReadFunctions):
    """What a batch's reader calls. Raises OSError where structs of the native library are others."""

    def __init__(self, client: NativeClient) -> None:
        client.check_sizes("router_read_sizes", Taken, Reading, _Amount, _Place, _Columns)
        kafka = client.kafka
        super().__init__(kafka)
        number = ctypes.c_int
        self.take = typed(
            client.loops.router_take, None, _ADDRESS, _ADDRESS, number, _ADDRESS, _ADDRESS, _COUNT, _COUNT, _ADDRESS
        )
        self.lay = typed(client.loops.router_lay, _COUNT, _ADDRESS, _ADDRESS, _COUNT, _ADDRESS, _ADDRESS)
        self.queue_new = typed(kafka.rd_kafka_queue_new, _ADDRESS, _ADDRESS)


def native_reader(settings: dict[str, Any], most: int) -> tuple[Consumer, BatchReader | None]:
    """A consumer, and the reader of up to `most` messages at a time where the native library is in use.

    Raises KafkaException as Consumer.
    """
    client = native_client()
    if client is None:
        return Consumer(settings), None
    functions = _Functions(client)
    consumer, handle = client.made(Consumer, settings)
    return consumer, BatchReader(handle, functions, most) if handle else None


class BatchReader:
    """Of one consumer, which must be open until this is closed; for one thread."""

    def __init__(self, handle: int, functions: _Functions, most: int) -> None:
        self._handle = handle
        self._functions = functions
        self._most = most
        self._queue: int | None = functions.queue_new(handle)
        self._messages = (ctypes.POINTER(Taken) * most)()
        self._errors = (ctypes.POINTER(Taken) * most)()

    def follow(self, places: Iterable[PartitionKey]) -> None:
        """Have the messages of these partitions; to be called before each time they are assigned."""
        functions = self._functions
        for place in places:
            functions.queue_destroy(functions.partition_queue(self._handle, place, self._queue))

    def read(self, wait_ms: int, most_bytes: int) -> tuple[MessageBatch, list[int], list[ReadError]]:
        """What is there, until values have `most_bytes`, and of each place the index of its last message.

        Waits only for the first.
        """
        functions, amount = self._functions, _Amount()
        reading = ctypes.byref(functions.reading)
        functions.take(
            reading, self._queue, wait_ms, self._messages, self._errors, self._most, most_bytes, ctypes.byref(amount)
        )
        count = amount.count
        sizes = {"values": amount.value_bytes, "rest": amount.rest_bytes}
        columns = {name: np.empty(sizes.get(name, count), dtype=type_) for name, type_ in _COLUMNS.items()}
        native = _Columns(*(column.ctypes.data for column in columns.values()))
        places = (_Place * count)()
        known = functions.lay(reading, self._messages, count, ctypes.byref(native), places)
        found = places[:known]
        batch = MessageBatch([functions.place(one.first.contents) for one in found], **columns)
        lasts = [one.last for one in found]
        for one in found:
            functions.message_destroy(one.first)
        return batch, lasts, self._said(self._errors[: amount.errors])

    def _said(self, errors: Sequence[Any]) -> list[ReadError]:
        found = []
        for message in errors:
            one = message.contents
            found.append(ReadError(self._functions.place(one), one.offset, error_of(one)))
            self._functions.message_destroy(message)
        return found

    def close(self) -> None:
        """Before the consumer is closed; twice is once."""
        if self._queue is not None:
            self._functions.queue_destroy(self._queue)
            self._queue = None
