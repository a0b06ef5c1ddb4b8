"""Messages of a client that is none, through the native read loop of searches: it must pick what Python's reader picks.

`python -m ops.pick_fuzz [--inputs 20000] [--seed N]`. The client's functions are doubles that hand out messages in
memory of just their size and free them when told to, so that with `--sanitize` (see ops/scan_fuzz.py) a byte read
beside a key or value, or behind a message's end, is found. What is kept, destroyed and counted is compared.
"""

from __future__ import annotations

import ctypes
import random
import sys
from typing import Any, NamedTuple

from ops.sanitizers import fuzzed
from router.kafka import native_consumer as consumer
from router.kafka.native_handle import typed
from router.trace.wanted import Wanted

LETTERS = b'"u1\0y'
ROOM = 20
MANY, MUCH_ROOM = 3_000, 1_800  # each queue has more than the loop takes at a time, and some more than there is room
END = -191  # RD_KAFKA_RESP_ERR__PARTITION_EOF

CONSUME = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
DESTROY = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Told(NamedTuple):
    """A message as Python's reader sees it; with an `error` it is none."""

    number: int
    k: bytes | None
    v: bytes | None
    error: int

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
        self._functions = CONSUME(self._consume), DESTROY(self.destroy)
        self.reading = consumer._Reading(*(ctypes.cast(each, ctypes.c_void_p) for each in self._functions))

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
        place = self._c.malloc(ctypes.sizeof(consumer._Taken))
        one = consumer._Taken.from_address(place)
        one.error, one.topic, one.partition, one.offset, one.internals = told.error, None, 0, told.number, None
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

    def destroy(self, place: int) -> None:
        del self.live[place]  # a second time fails
        one = consumer._Taken.from_address(place)
        self._c.free(one.value)
        self._c.free(one.key)
        self._c.free(place)


def text(chance: random.Random, most: int) -> bytes:
    return bytes(chance.choices(LETTERS, k=chance.randint(0, most)))


def told(chance: random.Random, number: int) -> Told:
    key = None if chance.random() < 0.2 else text(chance, 3)
    value = None if chance.random() < 0.1 else text(chance, chance.choice((4, 40)))
    return Told(number, key, value, END if chance.random() < 0.05 else 0)


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


def found(native: ctypes.CDLL, inputs: int, seed: int) -> int:
    """Prints what was wrong; the status."""
    typed(native.router_pick, None, *[ctypes.c_void_p] * 3, ctypes.c_uint64, ctypes.c_int, ctypes.c_void_p,
          ctypes.c_uint64, ctypes.c_void_p)  # fmt: skip
    chance = random.Random(seed)
    size = 50
    wrong = [said for _ in range(3) if (said := run(chance, native, 0, MANY, MUCH_ROOM))]
    wrong += [said for first in range(0, inputs, size) if (said := run(chance, native, first, size))]
    for said in wrong[:10]:
        print(said)
    print(f"{inputs:,} messages of seed {seed}: {len(wrong) or 'no'} findings")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(fuzzed("ops.pick_fuzz", __doc__, 20_000, found))
