"""Messages of Kafka that were read together, as columns: no object is made of one unless somebody asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from router.events.records import Headers

KIND_OF_TIME, HAS_VALUE, HAS_KEY = 3, 4, 8  # of `marks`
LOG_APPEND_TIME = 2
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class MessageBatch(Sequence["BatchMessage"]):
    """In the order of each partition. `places` are topics and partitions, `of_place` has the index of each message's.

    `values` and `rest` are bytes one behind the other. A message's key and headers are in `rest`: its key ends where
    `key_ends` says, its headers where `rest_ends` says, and the next message's key begins there. Times are in ms.
    """

    places: list[tuple[str, int]]
    of_place: Array
    offsets: Array
    times: Array
    marks: Array
    values: Array
    value_ends: Array
    rest: Array
    key_ends: Array
    rest_ends: Array

    def __len__(self) -> int:
        return len(self.offsets)

    @overload
    def __getitem__(self, index: int) -> BatchMessage: ...
    @overload
    def __getitem__(self, index: slice) -> list[BatchMessage]: ...
    def __getitem__(self, index: int | slice) -> BatchMessage | list[BatchMessage]:
        at = range(len(self))[index]
        return [BatchMessage(self, one) for one in at] if isinstance(at, range) else BatchMessage(self, at)

    def __iter__(self) -> Iterator[BatchMessage]:
        return (BatchMessage(self, index) for index in range(len(self)))

    def has_broker_time(self) -> Array:
        """Whether the time of each message is the one at which the broker took it."""
        found: Array = self.marks & KIND_OF_TIME == LOG_APPEND_TIME
        return found

    def has_key(self) -> Array:
        """Whether each message has a key, which may be empty."""
        found: Array = self.marks & HAS_KEY != 0
        return found

    def with_headers(self) -> list[int]:
        """Indices of the messages that have headers."""
        found: list[int] = np.flatnonzero(self.rest_ends != self.key_ends).tolist()
        return found


class BatchMessage:
    """One message of a batch, with the methods of confluent_kafka's. Its bytes are copied when they are asked for."""

    __slots__ = ("_batch", "_index")

    def __init__(self, batch: MessageBatch, index: int) -> None:
        self._batch = batch
        self._index = index

    def value(self) -> bytes | None:
        """None without one, which is not the same as an empty one; so the key."""
        batch, index = self._batch, self._index
        if not batch.marks[index] & HAS_VALUE:
            return None
        return batch.values[_begin(batch.value_ends, index) : batch.value_ends[index]].tobytes()

    def key(self) -> bytes | None:
        batch, index = self._batch, self._index
        if not batch.marks[index] & HAS_KEY:
            return None
        return batch.rest[_begin(batch.rest_ends, index) : batch.key_ends[index]].tobytes()

    def headers(self) -> Headers | None:
        """None without any."""
        batch, index = self._batch, self._index
        return _headers(batch.rest[batch.key_ends[index] : batch.rest_ends[index]].tobytes()) or None

    def timestamp(self) -> tuple[int, int]:
        """The kind of the time, and the time."""
        batch, index = self._batch, self._index
        return int(batch.marks[index]) & KIND_OF_TIME, int(batch.times[index])

    def topic(self) -> str:
        return self._place()[0]

    def partition(self) -> int:
        return self._place()[1]

    def offset(self) -> int:
        return int(self._batch.offsets[self._index])

    def _place(self) -> tuple[str, int]:
        return self._batch.places[int(self._batch.of_place[self._index])]


def _begin(ends: Array, index: int) -> int:
    return int(ends[index - 1]) if index else 0


def _headers(packed: bytes) -> Headers:
    """Of each the size of its name and of its value, -1 for none, as 32 bits, and both texts."""
    found: Headers = []
    at, end = 0, len(packed)
    whole = int.from_bytes
    while at < end:
        name_end = at + 8 + whole(packed[at : at + 4], "little")
        size = whole(packed[at + 4 : at + 8], "little", signed=True)
        name = packed[at + 8 : name_end].decode(errors="backslashreplace")
        at = name_end + max(size, 0)
        found.append((name, packed[name_end:at] if size >= 0 else None))
    return found


def lanes_of(messages: Sequence[Any], lanes: Mapping[tuple[str, int], int]) -> Array:
    """The lane of each message, by its topic and partition."""
    if isinstance(messages, MessageBatch):
        of_place = np.array([lanes[place] for place in messages.places], dtype=np.int64)
        return of_place[messages.of_place]
    return np.array([lanes[message.topic(), message.partition()] for message in messages], dtype=np.int64)


def joined(first: Sequence[Any], second: Sequence[Any]) -> Sequence[Any]:
    """The messages of both, columns where both are columns."""
    if not isinstance(first, MessageBatch) or not isinstance(second, MessageBatch):
        return [*first, *second]
    keys = len(first.rest)
    shifts = {"of_place": len(first.places), "value_ends": len(first.values), "key_ends": keys, "rest_ends": keys}
    columns = {
        name: np.concatenate((getattr(first, name), getattr(second, name) + shifts.get(name, 0))) for name in _COLUMNS
    }
    return MessageBatch([*first.places, *second.places], **columns)


_COLUMNS = tuple(column.name for column in fields(MessageBatch) if column.name != "places")
