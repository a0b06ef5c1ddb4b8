"""Live rows for browsers: one reader, the same bytes for all that ask for the same, a bounded queue for each.

A browser that does not keep up loses the oldest batches and is told how many rows that were.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from router.console.live.reader import LiveReader
from router.console.live.rows import LiveFilter, LiveRow

SHOWN = 500
QUEUED = 4


@dataclass(eq=False)
class Watcher:
    """One browser: what it wants, and what waits for it."""

    wanted: LiveFilter = field(default_factory=LiveFilter)
    queue: deque[tuple[bytes, int]] = field(default_factory=lambda: deque(maxlen=QUEUED))
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    skipped: int = 0

    def put(self, batch: bytes, rows: int) -> None:
        """Queue a batch; where the queue is full the oldest goes."""
        if len(self.queue) == QUEUED:
            self.skipped += self.queue[0][1]
        self.queue.append((batch, rows))
        self.ready.set()

    async def next(self) -> bytes:
        """The next batch, with what was skipped before it."""
        while not self.queue:
            self.ready.clear()
            await self.ready.wait()
        batch, _ = self.queue.popleft()
        if self.skipped:
            batch, self.skipped = orjson.dumps(orjson.loads(batch) | {"skipped": self.skipped}), 0
        return batch


def _in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """From another thread; a loop that has ended takes nothing more."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)


class LiveHub:
    """`make` makes a reader that tells what it is given whenever something has changed. In one event loop."""

    def __init__(self, make: Callable[[Callable[[str], object]], LiveReader]) -> None:
        self._make = make
        self._watchers: set[Watcher] = set()
        self._reader: LiveReader | None = None
        self._version = 0
        self._away = ""

    def join(self, watcher: Watcher) -> None:
        """From now on it gets what it wants, the newest rows there are first."""
        self._watchers.add(watcher)
        if self._reader is None:
            loop = asyncio.get_running_loop()
            self._version, self._away = 0, ""
            self._reader = self._make(lambda away: _in_loop(loop, partial(self._publish, away)))
            self._reader.start()
        self.ask(watcher, watcher.wanted)

    def ask(self, watcher: Watcher, wanted: LiveFilter) -> None:
        """Another filter: what is shown is begun anew."""
        watcher.wanted = wanted
        watcher.queue.clear()
        if self._reader is not None:
            rows, _ = self._reader.rows(wanted, SHOWN)
            watcher.put(self._batch(rows, fresh=True), len(rows))

    def first(self, source: str, since: int) -> LiveRow | None:
        """The oldest row of a source from `since` on; None without one, and while nobody looks."""
        rows = self._reader.rows(LiveFilter(source), SHOWN)[0] if self._reader else []
        return next((row for row in rows if row.time >= since), None)

    async def leave(self, watcher: Watcher) -> None:
        """The last one to leave ends the reader."""
        self._watchers.discard(watcher)
        if not self._watchers and self._reader is not None:
            reader, self._reader = self._reader, None
            await asyncio.to_thread(reader.stop)

    @property
    def reading(self) -> bool:
        return self._reader is not None

    def _publish(self, away: str) -> None:
        reader = self._reader
        if reader is None:
            return
        changed, self._away = away != self._away, away
        made: dict[LiveFilter, tuple[bytes, int]] = {}
        version = self._version
        reached: list[int] = []
        for watcher in self._watchers:
            if watcher.wanted not in made:
                rows, at = reader.rows(watcher.wanted, SHOWN, version)
                reached.append(at)
                made[watcher.wanted] = self._batch(rows), len(rows)
            batch, count = made[watcher.wanted]
            if count or changed:
                watcher.put(batch, count)
        self._version = min(reached, default=version)  # what came while others were asked comes once more

    def _batch(self, rows: list[LiveRow], *, fresh: bool = False) -> bytes:
        seen = (self._reader.seen, self._reader.passed_over) if self._reader else (0, 0)
        said: dict[str, Any] = {"rows": [row.as_dict() for row in rows], "seen": seen[0], "passedOver": seen[1]}
        return orjson.dumps(said | {"fresh": fresh, "away": self._away})
