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
MOST_BEGINNINGS = 32  # of headers in a batch, as with one write key each: more of them make groups of their own
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

    def header_groups(self, but_for: str) -> Iterator[tuple[Array, Headers]]:
        """The messages that have headers, by what these say: the indices of each group, and the headers of one of it.

        The value of the first header named `but_for` may differ within a group.
        """
        sizes = self.rest_ends - self.key_ends
        for size in np.unique(sizes[sizes > 0]).tolist():
            indices = np.flatnonzero(sizes == size)
            every_place = np.ndarray((len(self.rest) - size + 1,), f"V{size}", self.rest, strides=(1,))
            packed = every_place[self.key_ends[indices]]
            _clear(packed.view(np.uint8).reshape(-1, size), but_for)
            _, firsts, counts = np.unique(packed, return_index=True, return_counts=True)
            by_group = indices[packed.argsort(kind="stable")]
            for first, group in zip(firsts, np.split(by_group, counts.cumsum()[:-1]), strict=True):
                yield group, self[int(indices[first])].headers() or []


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


def _places(packed: bytes) -> Iterator[tuple[str, int, int]]:
    """The names of headers, where their values begin, and the sizes of these, -1 for none.

    Packed are the size of the name and of the value, of 32 bits each, and both texts.
    """
    at = 0
    whole = int.from_bytes
    while at < len(packed):
        begin = at + 8 + whole(packed[at : at + 4], "little")
        size = whole(packed[at + 4 : at + 8], "little", signed=True)
        yield packed[at + 8 : begin].decode(errors="backslashreplace"), begin, size
        at = begin + max(size, 0)


def _headers(packed: bytes) -> Headers:
    return [(name, packed[at : at + size] if size >= 0 else None) for name, at, size in _places(packed)]


def _clear(packed: Array, name: str) -> None:
    """Make one of the values of this header. Where it stands is known of rows that begin with the same bytes."""
    left = np.arange(len(packed))
    for _ in range(MOST_BEGINNINGS):
        if not len(left):
            return
        first = packed[left[0]]
        begin, end = _span(first.tobytes(), name)
        alike = (packed[left, :begin] == first[:begin]).all(axis=1)
        packed[left[alike], begin:end] = 0
        left = left[~alike]


def _span(packed: bytes, name: str) -> tuple[int, int]:
    """Of the value of a header; the end of all where there is none."""
    for found, begin, size in _places(packed):
        if found == name:
            return begin, begin + max(size, 0)
    return len(packed), len(packed)


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
