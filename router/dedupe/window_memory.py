"""The window in memory, for topology tests and tests without a disk; gone with the process."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from router.dedupe.window import First, Row, Rows, expired_before


class MemoryWindow:
    """Rows in dicts, one for each half window, newest first."""

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self._span = max(1, window_ms // 2)
        self._families: dict[int, dict[bytes, First]] = {}
        self._checkpoints: dict[int, int] = {}

    def first_seen(self, keys: list[bytes], now_ms_min: int) -> list[First | None]:
        return [next((f[key] for f in self._families.values() if key in f), None) for key in keys]

    def write(self, rows: Rows, checkpoints: dict[int, int]) -> None:
        for key, at, mark in rows:
            self._families.setdefault(at // self._span, {})[key] = (at, mark)
        self._families = dict(sorted(self._families.items(), reverse=True))
        self._checkpoints |= checkpoints

    def advance(self, watermark_ms: int, owned: Collection[int] | None = None) -> None:
        limit = expired_before(watermark_ms, self._window_ms)
        kept = {n: rows for n, rows in self._families.items() if (n + 1) * self._span > limit}
        if len(kept) < len(self._families) and owned is not None:
            self._checkpoints = {p: offset for p, offset in self._checkpoints.items() if p in owned}
        self._families = kept

    def checkpoint(self, partition: int) -> int | None:
        return self._checkpoints.get(partition)

    def reset(self, why: str = "") -> None:
        self._families, self._checkpoints = {}, {}

    def rows(self) -> Iterator[Row]:
        for family in self._families.values():
            yield from ((key, *first) for key, first in sorted(family.items()))

    def close(self) -> None:
        return None
