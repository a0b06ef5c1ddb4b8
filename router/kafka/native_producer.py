"""Messages for several topics, queued by the native produce loop (`router/native/fan.c`) on confluent's own producer.

Only the queueing is native. Transactions, errors, fencing and reports stay with the Python client: a refused message
raises what its `produce` raises, and one that the broker does not take fails the transaction. Messages carry no
callback, so this is for transactions alone. kill -9: as `router.kafka.writer`.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from confluent_kafka import KafkaError, KafkaException, Producer

from router.errors import Unavailable
from router.events.records import Fan, FanHeaders, Headers
from router.kafka.native_handle import NativeClient, address, native_client, typed

QUEUE_SECONDS = 60.0
FEWEST = 64  # messages: below that the Python client is as fast
MOST_GROUPS = 256  # of topics and headers: an event with headers of its own is a group by itself
_FUNCTIONS = (
    *("produceva", "error_code", "error_destroy", "topic_new", "topic_destroy"),
    *("headers_new", "header_add", "headers_copy", "headers_destroy"),
)
_ADDRESS, _TEXT, _SIZE, _COUNT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64
_Numbers = npt.NDArray[np.uint64]


class _Client(ctypes.Structure):
    _fields_ = [(name, _ADDRESS) for name in _FUNCTIONS]


class _Group(ctypes.Structure):
    _fields_ = [("topics", _ADDRESS), ("first", _ADDRESS), ("others", _ADDRESS), ("count", _COUNT)]


class _Messages(ctypes.Structure):
    _fields_ = [
        *(("values", _TEXT), ("value_starts", _ADDRESS), ("value_sizes", _ADDRESS)),
        *(("keys", _TEXT), ("key_starts", _ADDRESS), ("key_sizes", _ADDRESS)),
        *(("groups", _ADDRESS), ("count", _COUNT)),
    ]


class _Position(ctypes.Structure):
    _fields_ = [("message", _COUNT), ("topic", _COUNT)]


class _Functions:
    """What is called in the native library and in librdkafka. Raises OSError where their structs are others."""

    def __init__(self, native: NativeClient) -> None:
        native.check_sizes("router_fan_sizes", _Client, _Group, _Messages, _Position)
        kafka = native.kafka
        self.client = _Client(*(address(kafka, name) for name in _FUNCTIONS))
        self.fan = typed(native.loops.router_fan, ctypes.c_int, *[_ADDRESS] * 5)
        self.topic_new = typed(kafka.rd_kafka_topic_new, _ADDRESS, _ADDRESS, _TEXT, _ADDRESS)
        self.last_error = typed(kafka.rd_kafka_last_error, ctypes.c_int)
        self.topic_destroy = typed(kafka.rd_kafka_topic_destroy, None, _ADDRESS)
        self.headers_new = typed(kafka.rd_kafka_headers_new, _ADDRESS, _SIZE)
        self.headers_destroy = typed(kafka.rd_kafka_headers_destroy, None, _ADDRESS)
        length = ctypes.c_ssize_t
        self.header_add = typed(kafka.rd_kafka_header_add, ctypes.c_int, _ADDRESS, _TEXT, length, _TEXT, length)


def native_producer(settings: dict[str, Any]) -> tuple[Producer, NativeFan | None]:
    """A producer, and the produce loop on it where the native library is in use. Raises KafkaException as Producer."""
    native = native_client()
    if native is None:
        return Producer(settings), None
    functions = _Functions(native)
    producer, handle = native.made(Producer, settings)
    return producer, NativeFan(producer, handle, functions) if handle else None


class NativeFan:
    """The produce loop on one producer, which must be open."""

    def __init__(self, producer: Producer, handle: int, functions: _Functions) -> None:
        self._producer = producer
        self._handle = handle
        self._functions = functions

    def produce(self, shared: Sequence[Fan]) -> bool:
        """Queue all messages in order; False, and nothing is queued, where the Python client is as good.

        Raises KafkaException, or Unavailable while the client's queue stays full.
        """
        if len(shared) < FEWEST:
            return False
        numbers: dict[tuple[tuple[str, ...], int], int] = {}
        groups = [numbers.setdefault((topics, id(headers)), len(numbers)) for topics, _, _, headers in shared]
        if len(numbers) > MOST_GROUPS:
            return False
        of_message = np.array(groups, dtype=np.uint32)
        firsts = [shared[index] for index in np.unique(of_message, return_index=True)[1]]
        with self._grouped([(topics, headers) for topics, _, _, headers in firsts]) as native_groups:
            self._queue(shared, native_groups, of_message)
        return True

    def _queue(self, shared: Sequence[Fan], groups: Any, numbers: npt.NDArray[np.uint32]) -> None:
        values, keys = [fan[1] for fan in shared], [fan[2] for fan in shared]
        (value_starts, value_sizes), (key_starts, key_sizes) = _spans(values), _spans(keys)
        messages = _Messages(
            b"".join(values), value_starts.ctypes.data, value_sizes.ctypes.data,
            b"".join(keys), key_starts.ctypes.data, key_sizes.ctypes.data,
            numbers.ctypes.data, len(shared),
        )  # fmt: skip
        position, client = _Position(), self._functions.client
        deadline = 0.0
        while code := self._functions.fan(
            ctypes.byref(client), self._handle, groups, ctypes.byref(messages), ctypes.byref(position)
        ):
            if code != KafkaError._QUEUE_FULL:
                raise _refused(code)
            deadline = deadline or time.monotonic() + QUEUE_SECONDS
            if time.monotonic() > deadline:
                raise Unavailable("the broker takes no more messages")
            self._producer.poll(0.01)

    @contextmanager
    def _grouped(self, groups: Sequence[tuple[tuple[str, ...], FanHeaders]]) -> Iterator[Any]:
        """The groups as the loop takes them; what they point to is given back afterwards."""
        functions = self._functions
        topics: dict[str, int] = {}
        made: list[int] = []
        array = (_Group * len(groups))()
        kept = []  # what only the array points to
        try:
            for number, (names, headers) in enumerate(groups):
                for name in names:
                    if name not in topics:
                        topics[name] = self._topic(name)
                pointers = (_ADDRESS * len(names))(*(topics[name] for name in names))
                kept.append(pointers)
                first = self._headers(headers.first, made)
                others = first if headers.others is headers.first else self._headers(headers.others, made)
                array[number] = _Group(ctypes.addressof(pointers), first, others, len(names))
            yield array
        finally:
            for address in made:
                functions.headers_destroy(address)
            for address in topics.values():
                functions.topic_destroy(address)

    def _topic(self, name: str) -> int:
        address = self._functions.topic_new(self._handle, name.encode(), None)
        if not address:
            raise _refused(self._functions.last_error())
        return int(address)

    def _headers(self, headers: Headers, made: list[int]) -> int | None:
        if not headers:
            return None
        address = int(self._functions.headers_new(len(headers)))
        made.append(address)
        for name, value in headers:
            text = value.encode() if isinstance(value, str) else value
            self._functions.header_add(address, name.encode(), -1, text, len(text or b""))
        return address


def _spans(parts: Sequence[bytes]) -> tuple[_Numbers, _Numbers]:
    """Where each part begins when they lie one behind the other, and their sizes."""
    sizes = np.fromiter(map(len, parts), dtype=np.uint64, count=len(parts))
    return np.cumsum(sizes, dtype=np.uint64) - sizes, sizes


def _refused(code: int) -> KafkaException:
    return KafkaException(KafkaError(code, f"Unable to produce message: {KafkaError(code).str()}"))
