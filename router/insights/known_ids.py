"""Which anonymousIds were seen before, and since which day: their hashes, bounded in number. Pure.

As many are kept as there are, up to `CAPACITY`. Beyond it those not seen for `KEPT_DAYS` give way, and where that is
not enough one id of two is looked at from then on, of four, of eight: chosen by its hash, so of an id that is looked at
all events are. What is counted of those stands for as many more. No id can be read back from what is kept.

Where few are left, twice as many are noted again; they are counted `KEPT_DAYS` later, when it is known which are new.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from router.insights.windows import Chunk

CAPACITY = 65_536
KEPT_DAYS = 60
_SHARDS_LOG2 = 8
_DAY_BITS = 16
_LEVEL = "level"


class SeenId(NamedTuple):
    """`new`: its first event; `young`: first seen on this day; it stands for `weight` ids."""

    new: bool
    young: bool
    weight: int


class KnownIds:
    """Days are numbered since 1970. What comes out of order may count an id as new on two days."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._days: dict[int, int] = {}  # by hash: first and last day
        self._level = 0
        self._wider_since: int | None = None  # from this day on twice as many are noted as are counted
        self._today = 0
        self._dirty: set[int] = set()

    def __len__(self) -> int:
        return len(self._days)

    @property
    def one_in(self) -> int:
        """One id of so many is looked at."""
        return 1 << self._level

    def see(self, one: str, day: int) -> SeenId | None:
        """Note an event of this id. None for one that is not looked at."""
        mark = int.from_bytes(blake2b(one.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
        if mark & (self._noted_of - 1):
            return None
        weight, days = self.one_in, self._days.get(mark)
        first, last = (day, day) if days is None else (days >> _DAY_BITS, _last(days))
        young = day <= first
        if days is None or young or day > last:
            self._days[mark] = min(first, day) << _DAY_BITS | max(last, day)
            self._dirty.add(_shard(mark))
            if len(self._days) > self._capacity:
                self._make_room(day)
            if day > self._today:
                self._today = day
                self._widen(day)
        return None if mark & (weight - 1) else SeenId(days is None, young, weight)

    @property
    def _noted_of(self) -> int:
        return self.one_in if self._wider_since is None else self.one_in // 2

    def _make_room(self, day: int) -> None:
        self._keep({mark: days for mark, days in self._days.items() if _last(days) >= day - KEPT_DAYS})
        if len(self._days) > self._capacity * 3 // 4:
            self._level += self._wider_since is None
            self._wider_since = None
            self._keep({mark: days for mark, days in self._days.items() if not mark & (self.one_in - 1)})

    def _widen(self, day: int) -> None:
        """Once a day. Of ids that were not noted nobody knows whether they are new."""
        if self._wider_since is not None:
            if day - self._wider_since > KEPT_DAYS:
                self._level, self._wider_since = self._level - 1, None
        elif self._level and sum(_last(days) >= day - KEPT_DAYS for days in self._days.values()) <= self._capacity // 4:
            self._wider_since = day

    def _keep(self, kept: dict[int, int]) -> None:
        self._dirty |= {_shard(mark) for mark in self._days.keys() - kept.keys()}
        self._days = kept

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return len(self._days) * 130

    def seal(self) -> list[Chunk]:
        """What has changed since the last call."""
        if not self._dirty:
            return []
        shards: dict[int, list[int]] = {shard: [] for shard in self._dirty}
        for mark in self._days:
            if (shard := _shard(mark)) in shards:
                shards[shard].append(mark)
        self._dirty.clear()
        level = [self._level] if self._wider_since is None else [self._level, self._wider_since]
        chunks: list[Chunk] = [(str(shard), self._packed(marks)) for shard, marks in sorted(shards.items())]
        return [*chunks, (_LEVEL, " ".join(map(str, level)).encode())]

    def load(self, chunks: Mapping[str, bytes]) -> None:
        """Become what `seal` gave, all of its chunks in their last form."""
        self._level, *wider = map(int, chunks.get(_LEVEL, b"0").split())
        self._wider_since = wider[0] if wider else None
        for name, content in chunks.items():
            if name != _LEVEL:
                marks, days = np.frombuffer(content, np.uint64).reshape(2, -1)
                self._days |= zip(marks.tolist(), days.tolist(), strict=True)

    def _packed(self, marks: list[int]) -> bytes | None:
        days = [self._days[mark] for mark in marks]
        return np.array([marks, days], np.uint64).tobytes() if marks else None


def _last(days: int) -> int:
    return days & ((1 << _DAY_BITS) - 1)


def _shard(mark: int) -> int:
    """By the upper bits: the lower ones choose what is looked at."""
    return mark >> (64 - _SHARDS_LOG2)
