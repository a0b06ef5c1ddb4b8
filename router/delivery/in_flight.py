"""How much a destination holds in memory, counted by the thread that reads and the loop that delivers."""

from __future__ import annotations

import threading


class InFlightLimit:
    """What the owner holds: `limit` events and `limit_bytes` at most. One thread only adds, another only frees.

    There is room only while there is room `beyond`, too.
    """

    def __init__(self, limit: int, limit_bytes: int, beyond: InFlightLimit | None = None) -> None:
        self.limit, self._limit_bytes = limit, limit_bytes
        self._beyond = beyond
        self._added = self._freed = self._added_bytes = self._freed_bytes = 0
        self._free = threading.Event()

    @property
    def used(self) -> int:
        return self._added - self._freed

    @property
    def used_bytes(self) -> int:
        return self._added_bytes - self._freed_bytes

    def add(self, events: int, size: int) -> None:
        self._added += events
        self._added_bytes += size

    def free(self, events: int, size: int) -> None:
        self._freed += events
        self._freed_bytes += size
        if not self._free.is_set() and self.has(0.75):
            self._free.set()

    def clear(self) -> None:
        """Nothing is with the owner any more. Only while nobody adds."""
        self._freed, self._freed_bytes = self._added, self._added_bytes
        self._free.set()

    def has(self, share: float = 1.0) -> bool:
        room = self.used < self.limit * share and self.used_bytes < self._limit_bytes * share
        return room and (self._beyond is None or self._beyond.has(share))

    def wait(self, seconds: float) -> bool:
        """Wait for a quarter to be free."""
        self._free.clear()
        return self.has(0.75) or self._free.wait(seconds)
