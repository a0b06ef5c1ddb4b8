"""No more than so many messages to one person within a time: what is above is not sent, and counted as filtered.

An event takes a place when it is read, and gives it back when it is not delivered after all. What was delivered is
written to `dest.<name>.caps`, by profile, with the commit of its offset, and read back when partitions arrive. So
kill -9 forgets no message that was counted and counts none twice: an event that is sent again, or that was redriven,
keeps its place by its idempotency key. On the embedded broker, at least once, too: the state is written first.

Memory: some 150 bytes for each person who was sent a message within the time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import orjson

from router.config.delivery import CapConfig
from router.delivery.item import QueuedEvent
from router.events.records import PlacedRecord

_ID_BYTES = 8
_PLACE = struct.Struct(f">Q{_ID_BYTES}s")  # ms since 1970, the first bytes of the idempotency key
_LOOK_AT = 10_000  # people, after which those whose time is over are forgotten
Place = tuple[int, bytes]


class ProfileCap:
    """`topic` keeps its state. Times are in ms since 1970. For one thread."""

    def __init__(self, config: CapConfig, topic: str) -> None:
        self._count = config.count
        self._within = round(config.within * 1000)
        self._events = frozenset(config.events)
        self._topic = topic
        self.clear()

    def clear(self) -> None:
        """Forget all: the partitions are another member's."""
        self._taken: dict[bytes, bytes] = {}  # by profile: packed places, oldest first
        self._open: dict[bytes, set[bytes]] = {}  # by profile: ids of events that are under way
        self._changed: dict[bytes, int] = {}  # profile to partition
        self._look_at = _LOOK_AT

    def __len__(self) -> int:
        """People who are remembered."""
        return len(self._taken)

    def admits(self, item: QueuedEvent, now: int) -> bool:
        """Whether a new event may be sent. It has a place from now on, unless it does not count or has one already."""
        if not self._counts(item):
            return True
        person, mine = item.key or b"", _id(item)
        recent, under_way = self._recent(person, now), self._open.get(person, set())
        if mine in under_way or any(one == mine for _, one in recent):
            return True
        if len(recent) + len(under_way) >= self._count:
            return False
        self.reserve(item)
        return True

    def reserve(self, item: QueuedEvent) -> None:
        """An event that was admitted in an earlier life."""
        if self._counts(item):
            self._open.setdefault(item.key or b"", set()).add(_id(item))

    def accepted(self, item: QueuedEvent, now: int) -> None:
        """The partner took it: it counts from now on."""
        if self.released(item):
            person = item.key or b""
            places = [*self._recent(person, now), (now, _id(item))]
            self._taken[person] = b"".join(_PLACE.pack(*place) for place in places)
            self._changed[person] = item.partition.number

    def released(self, item: QueuedEvent) -> bool:
        """It is no longer under way; whether it was."""
        person, mine = item.key or b"", _id(item)
        under_way = self._open.get(person)
        if under_way is None or mine not in under_way:
            return False
        under_way.discard(mine)
        if not under_way:
            del self._open[person]
        return True

    def records(self, now: int) -> list[PlacedRecord]:
        """What has changed since the last call, to be written with the commit."""
        changed, self._changed = self._changed, {}
        if len(self._taken) > self._look_at:
            self._taken = {person: packed for person, packed in self._taken.items() if self._recent(person, now)}
            self._look_at = max(_LOOK_AT, 2 * len(self._taken))
        return [
            (self._topic, number, _encode(_PLACE.iter_unpack(self._taken[person])), person, [])
            for person, number in changed.items()
            if person in self._taken
        ]

    def restore(self, records: Iterable[tuple[bytes | None, bytes | None]], now: int) -> None:
        """Keys and values of a partition, in its order: of one profile the last counts."""
        for person, value in records:
            places = _decode(value)
            if person and places:
                self._taken[person] = b"".join(_PLACE.pack(*place) for place in places)
                if not self._recent(person, now):
                    del self._taken[person]

    def _counts(self, item: QueuedEvent) -> bool:
        """Nobody can be sent too much where no profile is known."""
        return bool(item.key) and (not self._events or item.delivery.event in self._events)

    def _recent(self, person: bytes, now: int) -> list[Place]:
        return [(at, one) for at, one in _PLACE.iter_unpack(self._taken.get(person, b"")) if at > now - self._within]


def _id(item: QueuedEvent) -> bytes:
    return bytes.fromhex(item.delivery.idempotency_key)[:_ID_BYTES]


def _encode(places: Iterator[tuple[int, bytes]]) -> bytes:
    """JSON: `at`, ms since 1970, and `ids`, the beginnings of idempotency keys, in hex; oldest first."""
    found = list(places)
    return orjson.dumps({"at": [at for at, _ in found], "ids": [one.hex() for _, one in found]})


def _decode(value: bytes | None) -> list[Place]:
    """Nothing where it is no state of ours."""
    try:
        state = orjson.loads(value or b"")
        return [(int(at), bytes.fromhex(one)[:_ID_BYTES]) for at, one in zip(state["at"], state["ids"], strict=True)]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return []
