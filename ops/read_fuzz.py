"""Messages of a client that is none, through the native read loops: that of a search must pick what Python's reader
picks, that of a worker must lay out every message as it was.

`python -m ops.read_fuzz [--inputs 20000] [--seed N]`. The client's functions are doubles that hand out messages in
memory of just their size and free them when told to, so that with `--sanitize` (see ops/scan_fuzz.py) a byte read
beside a key or value, or behind a message's end, is found. What is kept, destroyed and counted is compared.
"""

from __future__ import annotations

import ctypes
import random
import sys
from types import SimpleNamespace
from typing import Any, NamedTuple

from ops.sanitizers import fuzzed
from router.events.message_batch import joined
from router.kafka import native_consumer as consumer
from router.kafka.native_handle import typed
from router.kafka.native_reader import BatchReader
from router.trace.wanted import Wanted

LETTERS = b'"u1\0y'
ROOM = 20
MANY, MUCH_ROOM = 3_000, 1_800  # each queue has more than the loop takes at a time, and some more than there is room
END = -191  # RD_KAFKA_RESP_ERR__PARTITION_EOF

_ADDRESS, _SIZE, _NUMBER = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
CONSUME = ctypes.CFUNCTYPE(ctypes.c_ssize_t, _ADDRESS, _NUMBER, _ADDRESS, _SIZE)
DESTROY = ctypes.CFUNCTYPE(None, _ADDRESS)
TIMESTAMP = ctypes.CFUNCTYPE(ctypes.c_int64, _ADDRESS, _ADDRESS)
HEADERS = ctypes.CFUNCTYPE(_NUMBER, _ADDRESS, _ADDRESS)
HEADER = ctypes.CFUNCTYPE(_NUMBER, _ADDRESS, _SIZE, _ADDRESS, _ADDRESS, _ADDRESS)


class Told(NamedTuple):
    """A message as Python's reader sees it; with an `error` it is none. `number` is its offset, and its time."""

    number: int
    k: bytes | None
    v: bytes | None
    error: int
    h: tuple[tuple[str, bytes | None], ...] = ()
    place: tuple[int, int] = (0, 0)  # its topic, by a number, and its partition

    def key(self) -> bytes | None:
        return self.k

    def value(self) -> bytes | None:
        return self.v


class FakeClient:
    """Queues by their numbers, from 1. `live` are the messages that were handed out and not destroyed."""

    def __init__(self, chance: random.Random, queues: list[list[Told]]) -> None:
        self._chance = chance
        self._left = [list(queue) for queue in queues]
        self._c = ctypes.CDLL(None)
        typed(self._c.malloc, ctypes.c_void_p, ctypes.c_size_t)
        typed(self._c.free, None, ctypes.c_void_p)
        self.live: dict[int, Told] = {}
        self._functions = (
            *(CONSUME(self._consume), DESTROY(self.destroy), TIMESTAMP(self._timestamp)),
            *(HEADERS(self._headers), HEADER(self._header)),
        )
        self._texts: list[ctypes.Array[ctypes.c_char]] = []  # of headers, which live as long as their client
        self.reading = consumer.Reading(*(ctypes.cast(each, ctypes.c_void_p) for each in self._functions))

    @property
    def empty(self) -> bool:
        return not any(self._left)

    def _consume(self, queue: int, wait_ms: int, messages: int, room: int) -> int:
        left = self._left[queue - 1]
        count = min(len(left), room, self._chance.choice((0, 1, 3, 100, room)))
        out = (ctypes.c_void_p * room).from_address(messages)
        for at in range(count):
            out[at] = self._made(left.pop(0))
        return count or self._chance.choice((0, 0, -1))  # -1: an error, of which nothing comes

    def _made(self, told: Told) -> int:
        place = self._c.malloc(ctypes.sizeof(consumer.Taken))
        one = consumer.Taken.from_address(place)
        one.error, one.offset, one.internals = told.error, told.number, None
        one.topic, one.partition = told.place
        one.value, one.value_size = self._bytes(told.v)
        one.key, one.key_size = self._bytes(told.k)
        self.live[place] = told
        return int(place)

    def _bytes(self, data: bytes | None) -> tuple[int | None, int]:
        if data is None:
            return None, 0
        place = self._c.malloc(len(data))
        ctypes.memmove(place, data, len(data))
        return place, len(data)

    def _timestamp(self, place: int, kind: int) -> int:
        number = self.live[place].number
        ctypes.c_int.from_address(kind).value = number % 3
        return number

    def _headers(self, place: int, found: int) -> int:
        ctypes.c_void_p.from_address(found).value = place
        return 0 if self.live[place].h else -1

    def _header(self, place: int, at: int | None, name: int, value: int, size: int) -> int:
        headers = self.live[place].h
        if (at or 0) >= len(headers):
            return -1
        text, data = headers[at or 0]
        self._texts.append(ctypes.create_string_buffer(text.encode()))
        ctypes.c_void_p.from_address(name).value = ctypes.addressof(self._texts[-1])
        ctypes.c_void_p.from_address(value).value, ctypes.c_size_t.from_address(size).value = self._lent(data)
        return 0

    def _lent(self, data: bytes | None) -> tuple[int | None, int]:
        if data is None:
            return None, 0
        self._texts.append((ctypes.c_char * len(data)).from_buffer_copy(data))
        return ctypes.addressof(self._texts[-1]), len(data)

    def destroy(self, place: int) -> None:
        del self.live[place]  # a second time fails
        one = consumer.Taken.from_address(place)
        self._c.free(one.value)
        self._c.free(one.key)
        self._c.free(place)


def text(chance: random.Random, most: int) -> bytes:
    return bytes(chance.choices(LETTERS, k=chance.randint(0, most)))


def told(chance: random.Random, number: int, *, columns: bool = False) -> Told:
    """With headers, and of several partitions, where it is for `columns`."""
    key = None if chance.random() < 0.2 else text(chance, 3)
    value = None if chance.random() < 0.1 else text(chance, chance.choice((4, 40)))
    error = END if chance.random() < 0.05 else 0
    one = Told(number, key, value and value.replace(b"\0", b"") if error else value, error)
    if not columns:
        return one
    texts = [chance.choice((None, b"", text(chance, 9))) for _ in range(chance.choice((0, 0, 1, 3)))]
    headers = tuple((chance.choice(("", "name", "größe")), each) for each in texts)
    return one._replace(h=headers, place=(chance.randint(1, 2), chance.randint(0, 2)))


def run(chance: random.Random, loop: ctypes.CDLL, first: int, count: int, room: int = ROOM) -> str:
    """One search; what was wrong, or nothing."""
    queues = [[told(chance, first + number) for number in range(at, count, 3)] for at in range(3)]
    wanted = Wanted(
        keys=[text(chance, 3) for _ in range(chance.randint(0, 2))],
        needles=[text(chance, 4) or b"u" for _ in range(chance.randint(0, 2))],
        value_size=chance.choice((None, 0, 5)), all_messages=chance.random() < 0.1,
    )  # fmt: skip
    picks = consumer.Picks(wanted.keys, wanted.needles, wanted.value_size, all_messages=wanted.all_messages)
    client = FakeClient(chance, queues)
    lanes = (consumer._Lane * len(queues))(*(consumer._Lane(number + 1, 0) for number in range(len(queues))))
    kept_count, messages = ctypes.c_uint64(), (ctypes.c_void_p * room)()
    kept: list[Told] = []
    while not client.empty:
        loop.router_pick(
            ctypes.byref(client.reading), ctypes.byref(picks.native), lanes, len(lanes), 1, messages,
            chance.choice((0, 1, room)), ctypes.byref(kept_count),
        )  # fmt: skip
        places: list[Any] = messages[: kept_count.value]
        kept += [client.live[place] for place in places]
        for place in places:
            client.destroy(place)
    is_wanted: Any = wanted.picks()
    expected = {one for queue in queues for one in queue if one.error or is_wanted(one)}
    looked = [sum(not one.error for one in queue) for queue in queues]
    by_queue = [[one for one in kept if one in queue] for queue in queues]
    if set(kept) != expected or len(kept) != len(expected):
        return f"{wanted}: kept otherwise: {set(kept) ^ expected}"
    if any(sorted(each) != each for each in by_queue) or client.live or [lane.looked for lane in lanes] != looked:
        return f"{wanted}: out of order, not destroyed or not counted"
    return ""


def described(message: Any) -> tuple[Any, ...]:
    """A message of a batch, to be compared."""
    place = message.topic(), message.partition(), message.offset(), message.timestamp()
    return *place, message.key(), message.value(), message.headers()


def expected_of(one: Told) -> tuple[Any, ...]:
    """The same of what was handed out."""
    topic, number = one.place
    return f"topic {topic}", number, one.number, (one.number % 3, one.number), one.k, one.v, list(one.h) or None


def lay(chance: random.Random, loops: ctypes.CDLL, first: int, count: int, room: int = ROOM) -> str:
    """One queue, read to its end in batches; what was wrong, or nothing."""
    queue = [told(chance, first + number, columns=True) for number in range(count)]
    client = FakeClient(chance, [queue])
    functions = SimpleNamespace(
        reading=client.reading, take=loops.router_take, lay=loops.router_lay, queue_new=lambda handle: 1,
        message_destroy=lambda message: client.destroy(ctypes.cast(message, ctypes.c_void_p).value or 0),
        place=lambda one: (f"topic {one.topic}", one.partition),
    )  # fmt: skip
    reader: Any = BatchReader(0, functions, room)  # type: ignore[arg-type]
    messages: list[tuple[Any, ...]] = []
    errors: list[tuple[int, int]] = []
    while not client.empty:
        batch, lasts, said = reader.read(1, chance.choice((1, 50, 10_000)))
        again, _, more = reader.read(1, 10_000)
        for place, last in zip(batch.places, lasts, strict=True):
            if last != max(at for at, one in enumerate(batch) if (one.topic(), one.partition()) == place):
                return f"{place}: not its last message: {last}"
        messages += map(described, joined(batch, again))
        errors += [(each.offset, each.error.code()) for each in (*said, *more)]
    if messages != [expected_of(one) for one in queue if not one.error]:
        return f"messages from {first} on: laid out otherwise"
    if errors != [(one.number, one.error) for one in queue if one.error] or client.live:
        return f"messages from {first} on: errors were lost, or messages not destroyed"
    return ""


def found(native: ctypes.CDLL, inputs: int, seed: int) -> int:
    """Prints what was wrong; the status."""
    typed(native.router_pick, None, *[ctypes.c_void_p] * 3, ctypes.c_uint64, ctypes.c_int, ctypes.c_void_p,
          ctypes.c_uint64, ctypes.c_void_p)  # fmt: skip
    typed(native.router_take, None, _ADDRESS, _ADDRESS, _NUMBER, _ADDRESS, _ADDRESS, ctypes.c_uint64, ctypes.c_uint64,
          _ADDRESS)  # fmt: skip
    typed(native.router_lay, ctypes.c_uint64, _ADDRESS, _ADDRESS, ctypes.c_uint64, _ADDRESS, _ADDRESS)
    chance = random.Random(seed)
    size = 50
    wrong = [said for _ in range(3) if (said := run(chance, native, 0, MANY, MUCH_ROOM))]
    wrong += [said for first in range(0, inputs, size) if (said := run(chance, native, first, size))]
    wrong += [said for _ in range(3) if (said := lay(chance, native, 0, MANY, MUCH_ROOM))]
    wrong += [said for first in range(0, inputs, size) if (said := lay(chance, native, first, size))]
    for said in wrong[:10]:
        print(said)
    print(f"{inputs:,} messages of seed {seed}: {len(wrong) or 'no'} findings")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(fuzzed("ops.read_fuzz", __doc__, 20_000, found))
