"""How many different people, by key, hour and day: HyperLogLog sketches of Apache DataSketches. Pure.

2^11 registers: a standard error of 2.3 % for any union, 1 KB at most for one key and window, 12 bytes for one person.
Each window has sketches for its first `KEYS` keys. Sketches of hours reach back 14 days, those of days 13 months.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence

import orjson
from datasketches import hll_sketch, hll_union, tgt_hll_type

from router.insights.windows import DAYS, HOURS, Chunk, Key, Tier

REGISTERS_LOG2 = 11
ERROR = 0.023  # 1.04 / sqrt(2 ** REGISTERS_LOG2)
KEYS = 64
_TIERS = (HOURS, DAYS)


class PeopleTable:
    """Who was seen, by key, in windows of `tiers`, the longest last. Times are milliseconds since 1970."""

    def __init__(self, tiers: Sequence[Tier] = _TIERS) -> None:
        self._tiers = tuple(tiers)
        self._windows: dict[tuple[str, int], dict[Key, hll_sketch | bytes]] = {}
        self._dirty: set[tuple[str, int]] = set()

    def add(self, key: Key, person: bytes, at: int, now: int) -> None:
        """`person` names a profile: its id, or any other bytes that are the same for the same person."""
        at = min(at, now)
        for tier in self._tiers:
            if at >= now - tier.ms * tier.windows:
                self._add(tier, at - at % tier.ms, key, person)

    def estimates(
        self, since: int, until: int, now: int, of: Callable[[Key], Key] = tuple
    ) -> tuple[int, dict[Key, int]]:
        """People over whole windows that touch this time, by what `of` makes of a key; and where those begin."""
        reaching = (tier for tier in self._tiers if since >= now - tier.ms * tier.windows)
        tier = next(reaching, self._tiers[-1])
        start = since - since % tier.ms
        unions: dict[Key, hll_union] = {}
        for (name, at), sketches in self._windows.items():
            if name == tier.name and start <= at < until:
                for key, sketch in sketches.items():
                    unions.setdefault(of(key), hll_union(REGISTERS_LOG2)).update(_live(sketch))
        return start, {key: round(union.get_estimate()) for key, union in unions.items()}

    @property
    def size(self) -> int:
        """Bytes that sketches take, about."""
        sketches = [sketch for window in self._windows.values() for sketch in window.values()]
        return sum(len(one) + 200 if isinstance(one, bytes) else 1400 for one in sketches)

    def seal(self, now: int) -> list[Chunk]:
        """What has changed since the last call; sketches of windows that are over become bytes."""
        chunks: list[Chunk] = []
        for name, start in sorted(self._dirty):
            window = self._windows.get((name, start))
            content = None if window is None else orjson.dumps(list(_kept(window)))
            chunks.append((f"{name}/{start}", content))
        self._dirty.clear()
        over = {tier.name: now - 2 * tier.ms for tier in self._tiers}
        for (name, start), window in self._windows.items():
            if start <= over[name]:
                for key, sketch in window.items():
                    window[key] = _bytes(sketch)
        return chunks

    def load(self, chunks: Mapping[str, bytes]) -> None:
        """Become what `seal` gave, all of its chunks in their last form."""
        for name, content in chunks.items():
            tier, _, start = name.partition("/")
            window: dict[Key, hll_sketch | bytes] = {}
            for key, sketch in orjson.loads(content):
                window[tuple(key)] = b64decode(sketch)
            self._windows[tier, int(start)] = window

    def _add(self, tier: Tier, start: int, key: Key, person: bytes) -> None:
        window = self._windows.get((tier.name, start))
        if window is None:
            window = self._windows[tier.name, start] = {}
            self._bound(tier)
        sketch = window.get(key)
        if sketch is None:
            if len(window) >= KEYS:
                return
            sketch = window[key] = hll_sketch(REGISTERS_LOG2, tgt_hll_type.HLL_4)
        elif isinstance(sketch, bytes):
            sketch = window[key] = hll_sketch.deserialize(sketch)
        sketch.update(person.decode("utf-8", "backslashreplace"))
        self._dirty.add((tier.name, start))

    def _bound(self, tier: Tier) -> None:
        starts = sorted(start for name, start in self._windows if name == tier.name)
        for start in starts[: -tier.windows]:
            del self._windows[tier.name, start]
            self._dirty.add((tier.name, start))


def _live(sketch: hll_sketch | bytes) -> hll_sketch:
    return hll_sketch.deserialize(sketch) if isinstance(sketch, bytes) else sketch


def _bytes(sketch: hll_sketch | bytes) -> bytes:
    return sketch if isinstance(sketch, bytes) else bytes(sketch.serialize_compact())


def _kept(window: Mapping[Key, hll_sketch | bytes]) -> Iterator[tuple[Key, str]]:
    for key, sketch in window.items():
        yield key, b64encode(_bytes(sketch)).decode()
