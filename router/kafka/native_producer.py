"""Messages for several topics, queued by the native produce loop (`router/native/fan.c`) on confluent's own producer.

Only the queueing is native. Transactions, errors, fencing and reports stay with the Python client: a refused message
raises what its `produce` raises, and one that the broker does not take fails the transaction. Messages carry no
callback, so this is for transactions alone. kill -9: as `router.kafka.writer`.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Producer

from router.errors import Unavailable
from router.events.fans import Fan, FanKind, Fans, Spans
from router.events.records import Headers
from router.kafka.native_handle import NativeClient, address, native_client, typed

QUEUE_SECONDS = 60.0
FEWEST = 64  # messages: below that the Python client is as fast
MOST_GROUPS = 256  # of topics and headers: an event with headers of its own is a group by itself
_FUNCTIONS = (
    *("produceva", "error_code", "error_destroy", "topic_new", "topic_destroy"),
    *("headers_new", "header_add", "headers_copy", "headers_destroy"),
)
_ADDRESS, _TEXT, _SIZE, _COUNT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64


class _Client(ctypes.Structure):
    _fields_ = [(name, _ADDRESS) for name in _FUNCTIONS]


class _Group(ctypes.Structure):
    _fields_ = [("topics", _ADDRESS), ("first", _ADDRESS), ("others", _ADDRESS), ("count", _COUNT)]


class _Messages(ctypes.Structure):
    _fields_ = [
        *((f"{part}s", _ADDRESS) for part in ("value", "value_start", "value_size", "key", "key_start", "key_size")),
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
        self._lent: list[Any] = []  # blocks of values

    def produce(self, shared: Collection[Fan]) -> bool:
        """Queue all messages in order; False, and nothing is queued, where the Python client is as good.

        Their values are lent to the client and may not be written to until `take_back`. Raises KafkaException, or
        Unavailable while the client's queue stays full.
        """
        if len(shared) < FEWEST:
            return False
        fans = Fans.of(shared)
        if len(fans.kinds) > MOST_GROUPS:
            return False
        with self._grouped(fans.kinds) as native_groups:
            self._queue(fans, native_groups)
        return True

    def take_back(self) -> None:
        """To be called when the transaction is over: none of its messages is left then, sent or not."""
        self._lent.clear()

    def _queue(self, fans: Fans, groups: Any) -> None:
        values, keys = _Parts(fans.values), _Parts(fans.keys)
        self._lent.append(values)
        numbers = np.asarray(fans.of_kind, dtype=np.uint32)
        messages = _Messages(*values.addresses(), *keys.addresses(), numbers.ctypes.data, len(fans))
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
    def _grouped(self, groups: Sequence[FanKind]) -> Iterator[Any]:
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


class _Parts:
    """Parts of a block as the loop takes them."""

    def __init__(self, spans: Spans) -> None:
        self._block = np.frombuffer(spans.block, dtype=np.uint8)
        self._starts = np.asarray(spans.starts, dtype=np.uint64)
        self._sizes = np.asarray(spans.sizes, dtype=np.uint64)

    def addresses(self) -> tuple[int, int, int]:
        """Of the block, of where the parts begin, and of their sizes; good for as long as this lives."""
        return self._block.ctypes.data, self._starts.ctypes.data, self._sizes.ctypes.data


def _refused(code: int) -> KafkaException:
    return KafkaException(KafkaError(code, f"Unable to produce message: {KafkaError(code).str()}"))
