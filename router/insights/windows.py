"""Counts by key in windows of a minute, an hour and a day: bounded, and what is left out is counted. Pure.

A table has at most `names` keys; a window has at most so many rows. What finds no room goes to the row of the others of
its first part (`others`), so sums by source stay exact whatever names arrive. A name not seen for a day gives way when
room is needed. Windows are bounded by number, not by the clock: a clock that jumps ahead and back loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
OTHERS = "\0others"
AHEAD_MS = 2 * MINUTE_MS  # a record from further in the future is counted as of now
Key = tuple[str, ...]
Counted = npt.NDArray[np.int64]  # one row a step, one column a count


class Tier(NamedTuple):
    """Windows of one length: `ms` each, at most `windows` of them, `share` of a table's names in each."""

    name: str
    ms: int
    windows: int
    share: float


MINUTES = Tier("minute", MINUTE_MS, 24 * 60, 0.25)
HOURS = Tier("hour", HOUR_MS, 14 * 24, 0.5)
DAYS = Tier("day", DAY_MS, 397, 1.0)
RECENT_DAYS = Tier("day", DAY_MS, 62, 1.0)
TIERS = (MINUTES, HOURS, DAYS)
Chunk = tuple[str, bytes | None]  # name and content of a part of a table to be kept; None: no longer


def others(key: Key) -> Key:
    """The row of what has no row of its own."""
    return (key[0], OTHERS, *("" for _ in key[2:]))


def tier_for(since: int, now: int, step_ms: int = 0) -> Tier:
    """The finest windows that reach back to `since`, and are no longer than a step that was asked for."""
    for tier in TIERS:
        if since >= now - tier.ms * tier.windows and (not step_ms or step_ms % tier.ms == 0):
            return tier
    return DAYS


class CountTable:
    """Counts with these `columns`, in windows of `tiers`, the longest last. Times are milliseconds since 1970; `now` is
    the caller's clock.
    """

    def __init__(self, columns: Sequence[str], names: int, tiers: Sequence[Tier] = TIERS) -> None:
        self.columns = tuple(columns)
        self._tiers = tuple(tiers)
        self._at = {column: number + 1 for number, column in enumerate(self.columns)}
        self._names = names
        self._ids: dict[Key, int] = {}
        self._keys: dict[int, Key] = {}
        self._seen: dict[int, list[int]] = {}  # first and last
        self._next = 0
        self._open: dict[str, dict[int, dict[int, list[int]]]] = {tier.name: {} for tier in tiers}
        self._sealed: dict[str, dict[int, Counted]] = {tier.name: {} for tier in tiers}
        self._dirty: set[tuple[str, int]] = set()
        self._registry_dirty = False
        self._looked_for_old = 0

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, key: Key, amounts: Mapping[str, int], at: int, now: int) -> bool:
        """Count `amounts` by column at this time. False: too old for every window."""
        at = min(at, now) if at > now + AHEAD_MS else at
        if at < now - self._tiers[-1].ms * self._tiers[-1].windows:
            return False
        number = self._id(key, at)
        for tier in self._tiers:
            if at >= now - tier.ms * tier.windows:
                self._add(tier, at - at % tier.ms, number, amounts)
        return True

    def seen(self, key: Key) -> tuple[int, int] | None:
        """When a key was first and last counted. None for others and for what is not there."""
        number = self._ids.get(key)
        return None if number is None or OTHERS in key else (self._seen[number][0], self._seen[number][1])

    def keys_of(self, first: str) -> list[Key]:
        """The keys that begin with this part, the others included."""
        return [key for key in self._ids if key[0] == first]

    def last(self, key: Key) -> int:
        """When a key was last counted; 0 for what is not there."""
        number = self._ids.get(key)
        return 0 if number is None else self._seen[number][1]

    def read(self, tier: Tier, since: int, until: int, step_ms: int) -> dict[Key, Counted]:
        """Counts by key: a row a step, a column a count. `since` must begin a window, `step_ms` hold whole ones."""
        steps = max(1, -(-(until - since) // step_ms))
        found: dict[Key, Counted] = {}
        for start, rows in self._windows(tier, since, until):
            at = (start - since) // step_ms
            for row in rows:
                key = self._keys[int(row[0])]
                counted = found.get(key)
                if counted is None:
                    counted = found[key] = np.zeros((steps, len(self.columns)), np.int64)
                counted[at] += row[1:]
        return found

    def sums(self, tier: Tier, since: int, until: int, step_ms: int) -> dict[str, Counted]:
        """As `read`, of all keys with the same first part together; without those of which nothing was counted."""
        firsts, ids = sorted({key[0] for key in self._ids}), sorted(self._keys)
        index = {first: place for place, first in enumerate(firsts)}
        places, known = np.array([index[self._keys[number][0]] for number in ids], np.int64), np.array(ids, np.int64)
        found = np.zeros((len(firsts), max(1, -(-(until - since) // step_ms)), len(self.columns)), np.int64)
        for start, rows in self._windows(tier, since, until):
            packed = np.array(rows, np.int64).reshape(-1, 1 + len(self.columns))
            at = places[np.searchsorted(known, packed[:, 0])]
            np.add.at(found[:, (start - since) // step_ms], at, packed[:, 1:])
        return {first: counted for first, counted in zip(firsts, found, strict=True) if counted.any()}

    def column(self, name: str) -> int:
        """Its place in what `read` gives."""
        return self._at[name] - 1

    def earliest(self, tier: Tier) -> int | None:
        """The start of the earliest window there is."""
        starts = (*self._open[tier.name], *self._sealed[tier.name])
        return min(starts, default=None)

    @property
    def size(self) -> int:
        """Bytes that windows take, about."""
        sealed = sum(rows.nbytes + 120 for windows in self._sealed.values() for rows in windows.values())
        live = sum(len(rows) for windows in self._open.values() for rows in windows.values())
        return sealed + live * (150 + 32 * len(self.columns)) + len(self._ids) * 400

    # What is kept of it

    def seal(self, now: int) -> list[Chunk]:
        """What has changed since the last call, as chunks; windows that are over take less room from then on."""
        chunks: list[Chunk] = []
        for name, start in sorted(self._dirty):
            rows = self._open[name].get(start)
            packed = self._sealed[name].get(start) if rows is None else self._packed(rows)
            chunks.append((f"{name}/{start}", None if packed is None else packed.tobytes()))
        for tier in self._tiers:
            over = [start for start in self._open[tier.name] if start + 2 * tier.ms <= now]
            for start in over:
                self._sealed[tier.name][start] = self._packed(self._open[tier.name].pop(start))
        if self._registry_dirty:
            names = [[number, *self._seen[number], *key] for number, key in self._keys.items()]
            chunks.append(("names", orjson.dumps({"columns": self.columns, "next": self._next, "names": names})))
        self._dirty.clear()
        self._registry_dirty = False
        return chunks

    def load(self, chunks: Mapping[str, bytes]) -> None:
        """Become what `seal` gave, all of its chunks in their last form. Chunks of other columns are left out."""
        registry = orjson.loads(chunks.get("names", b"{}"))
        if tuple(registry.get("columns", ())) != self.columns:
            return
        self._next = registry["next"]
        for number, first, last, *key in registry["names"]:
            self._ids[tuple(key)], self._keys[number], self._seen[number] = number, tuple(key), [first, last]
        for name, packed in chunks.items():
            tier, slash, start = name.partition("/")
            if slash and tier in self._sealed:
                rows = np.frombuffer(packed, np.int64).reshape(-1, 1 + len(self.columns))
                self._sealed[tier][int(start)] = rows[np.isin(rows[:, 0], list(self._keys))]

    # How

    def _id(self, key: Key, at: int) -> int:
        number = self._ids.get(key)
        if number is None:
            if len(self._ids) >= self._names and OTHERS not in key:
                self._give_way(at)
            if len(self._ids) >= self._names and OTHERS not in key:
                return self._id(others(key), at)
            number, self._next = self._next, self._next + 1
            self._ids[key], self._keys[number], self._seen[number] = number, key, [at, at]
        seen = self._seen[number]
        seen[0], seen[1] = min(seen[0], at), max(seen[1], at)
        self._registry_dirty = True
        return number

    def _give_way(self, at: int) -> None:
        """Names not seen for a day, a tenth of all at most, become others in every window. Looked for once a minute."""
        if abs(at - self._looked_for_old) < MINUTE_MS:
            return
        self._looked_for_old = at
        old = sorted(
            (last, number)
            for number, (_, last) in self._seen.items()
            if last < at - DAY_MS and OTHERS not in self._keys[number]
        )
        gone = {number: self._keys[number] for _, number in old[: max(1, self._names // 10)]}
        for number, key in gone.items():
            del self._ids[key], self._keys[number], self._seen[number]
        heirs = {number: self._id(others(key), self._newest(key, at)) for number, key in gone.items()}
        if heirs:
            self._rename(heirs)

    def _newest(self, key: Key, otherwise: int) -> int:
        number = self._ids.get(others(key))
        return otherwise if number is None else self._seen[number][1]

    def _rename(self, heirs: Mapping[int, int]) -> None:
        for tier in self._tiers:
            for start in (*self._open[tier.name], *self._sealed[tier.name]):
                rows = self._opened(tier, start)
                for number in heirs.keys() & rows.keys():
                    lost, heir = rows.pop(number), heirs[number]
                    rows[heir] = [a + b for a, b in zip(rows.get(heir, [0] * len(lost)), lost, strict=True)]
                    self._dirty.add((tier.name, start))

    def _add(self, tier: Tier, start: int, number: int, amounts: Mapping[str, int]) -> None:
        rows = self._opened(tier, start)
        counts = rows.get(number)
        if counts is None:
            if len(rows) >= self._names * tier.share and OTHERS not in self._keys[number]:
                number = self._id(others(self._keys[number]), start)
            counts = rows.setdefault(number, [0] * len(self.columns))
        for column, amount in amounts.items():
            counts[self._at[column] - 1] += amount
        self._dirty.add((tier.name, start))

    def _opened(self, tier: Tier, start: int) -> dict[int, list[int]]:
        rows = self._open[tier.name].get(start)
        if rows is None:
            sealed = self._sealed[tier.name].pop(start, None)
            rows = {} if sealed is None else {int(row[0]): [int(count) for count in row[1:]] for row in sealed}
            self._open[tier.name][start] = rows
            self._bound(tier)
        return rows

    def _bound(self, tier: Tier) -> None:
        live, sealed = self._open[tier.name], self._sealed[tier.name]
        while len(live) + len(sealed) > tier.windows:
            start = min((*live, *sealed))
            live.pop(start, None)
            sealed.pop(start, None)
            self._dirty.add((tier.name, start))

    def _packed(self, rows: Mapping[int, list[int]]) -> Counted:
        return np.array([[number, *counts] for number, counts in rows.items()], np.int64).reshape(
            -1, 1 + len(self.columns)
        )

    def _windows(self, tier: Tier, since: int, until: int) -> Iterator[tuple[int, Iterable[Any]]]:
        for start, rows in self._open[tier.name].items():
            if since <= start < until:
                yield start, [np.array([number, *counts], np.int64) for number, counts in rows.items()]
        for start, packed in self._sealed[tier.name].items():
            if since <= start < until:
                yield start, packed
